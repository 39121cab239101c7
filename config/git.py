"""Where git fetches from, and what it checks out: one rule for the settings and for the kind GitCheckout."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

LONGEST = 2048
"""Characters of an address: what servers of HTTP take at least nearly everywhere."""


def git_address(value: str) -> str:
    """Return the address of a repository; a password in it makes it a secret. Raises ValueError."""
    known = re.fullmatch(r"(https?|ssh)://[^/\s]+/\S+|file:///\S+|[\w.-]+@[\w.-]+:\S+", value)
    place = re.sub(r"^[a-z]+://", "", value).partition("@")[2] or re.sub(r"^[a-z]+://", "", value)
    option = value.startswith("-") or (place.startswith("-") and not value.startswith("file:"))
    if known is None or option or not value.isprintable() or len(value) > LONGEST:
        raise ValueError(
            "must be a git address as https://..., ssh://..., user@host:path or file:///..., without spaces; "
            "write it as https://example.org/podmgr.git"
        )
    return value


def _no_password(value: str) -> str:
    if "://" in value and urlsplit(value).password:
        raise ValueError("must hold no password, as it stands in the open; let the machine's own git know it")
    return value


def git_revision(value: str) -> str:
    """Return a branch, a tag or a commit. Raises ValueError. Source: git-check-ref-format(1)."""
    parts = value.split("/")
    bad = any(mark in value for mark in ("..", "@{")) or any(
        part in ("", "@") or part.startswith((".", "-")) or part.endswith((".", ".lock")) for part in parts
    )
    if not re.fullmatch(r"\w[\w./+@-]{0,254}", value, re.ASCII) or bad:
        raise ValueError("must be a branch, a tag or a commit; write it as main")
    return value


GitAddress = Annotated[str, AfterValidator(git_address), AfterValidator(_no_password)]
"""Where a repository is; nothing secret in it."""
GitRevision = Annotated[str, AfterValidator(git_revision)]
"""What of it is wished for."""
