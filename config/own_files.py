"""Paths of files on the computer that Pulumi runs on: relative to the project's folder, or with `~`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from config.places import LONGEST


def own_file(value: Any) -> Any:
    """Return a path as it is written: a path object has lost some of it. Raises ValueError."""
    if not isinstance(value, str):
        return value
    parts = value.split("/")
    # What begins with a bracket is a list or a group: Pulumi hands both over as texts.
    if not value.isprintable() or value != value.strip() or value[:1] in "{[" or parts[-1] in ("", ".", ".."):
        raise ValueError(
            "must be a file's path without control or unseen characters and without blanks at its ends; write it as "
            "~/folder/file"
        )
    if len(value.encode()) > LONGEST or any(len(part.encode()) > 255 for part in parts):
        raise ValueError("must have at most 4095 bytes, and 255 between two '/'; choose a shorter path")
    return value


def _expandable(value: Path) -> Path:
    try:
        value.expanduser()
    except RuntimeError:
        raise ValueError("must be a path; `~` alone stands for your own home, so write the other one out") from None
    if value.name == "~":
        raise ValueError("must be a file, and this is your home; write it as ~/folder/file")
    return value


OwnFile = Annotated[Path, BeforeValidator(own_file), AfterValidator(_expandable)]
"""A file on the computer that Pulumi runs on."""
