"""The file that `hearth:secrets-file` names: secrets by key, for a lab or a computer that keeps them outside Pulumi."""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from config.mistakes import Mistake, shown

LARGEST = 1024 * 1024
"""Bytes. Secrets are short: what is larger is another file."""
FORM = 'write it as {"secondbrain-smb-password": "..."}'


class _Refused(ValueError):
    """The file can't be used."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(rule)
        self.rule, self.remedy = rule, remedy


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Refused(f"must hold each key once, and {json.dumps(key)} stands there twice", "remove one of them")
        found[key] = value
    return found


def _owner(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"the user {number}"


def _content(path: Path) -> bytes:
    # Opened first and looked at through the descriptor: between a look and an opening it could become another file.
    # Without waiting: opening a pipe waits for whoever writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _Refused("must be a file, and it is a folder, a pipe, a socket or a device", "name the file itself")
        if found.st_uid != os.geteuid():
            whose = _owner(found.st_uid)
            raise _Refused(
                f"must be your own file, and it is {whose}'s, who could change it", f"copy it: cp {path} ..."
            )
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise _Refused(
                f"must not be readable by others than its owner; its mode is {mode:04o}", f"chmod 600 {path}"
            )
        if found.st_size > LARGEST:
            raise _Refused(f"must have at most {LARGEST} bytes, and it has {found.st_size}", "name the file of secrets")
        return os.read(descriptor, LARGEST)
    finally:
        os.close(descriptor)


def _objects(content: bytes) -> dict[str, str]:
    try:
        found: Any = json.loads(content.decode(), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        # Its message and place alone: the text around it may be a secret.
        raise _Refused(
            f"must be a JSON file that can be read (line {error.lineno}, column {error.colno}: {error.msg})", FORM
        ) from None
    except UnicodeDecodeError:
        raise _Refused("must be a JSON file that can be read (its text is not UTF-8)", FORM) from None
    except RecursionError:
        raise _Refused(
            "must hold one JSON object of texts, and its lists are nested too deeply to be read", FORM
        ) from None
    if not isinstance(found, dict):
        raise _Refused("must hold one JSON object of texts", FORM)
    entries = cast(dict[str, Any], found)
    for key, value in entries.items():
        if not isinstance(value, str):
            raise _Refused(f"must hold one JSON object of texts, and {shown(key)} is none", f"put it in quotes; {FORM}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _Refused(
                f"must hold texts, and {shown(key)} has half a character (a lone surrogate)", "write it again"
            )
    return entries


def read(
    path: Path, where: str, known: Mapping[str, str] | Sequence[str]
) -> tuple[dict[str, str], list[Mistake], bool]:
    """Return the secrets, what is wrong, and whether the file is there at all. `where` is the key that names it.

    Regular, our own, readable by us alone, one JSON object of texts: anything else is a mistake, and never waited for.
    """
    written = shown(str(path))
    try:
        entries = _objects(_content(path))
    except FileNotFoundError:
        remedy = "for the lab: python -m lab up (make up does it); otherwise write the file, or remove this key"
        return {}, [Mistake(where, "must be there", remedy, written)], False
    except _Refused as error:
        return {}, [Mistake(where, error.rule, error.remedy, written)], True
    except (OSError, ValueError) as error:
        rule = f"must be a JSON file that can be read ({getattr(error, 'strerror', None) or type(error).__name__})"
        return {}, [Mistake(where, rule, FORM, written)], True
    unknown = [
        Mistake(f"{where} ({key})", "is not a secret that exists", "check the spelling, or remove it")
        for key in sorted(entries.keys() - set(known))
    ]
    return {key: value for key, value in entries.items() if key in known}, unknown, True
