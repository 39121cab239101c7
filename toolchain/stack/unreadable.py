"""Readies a stack's file for a preview by who can't read what is encrypted in it, as in a fork's pull request.

A file with secrets names its salt, without whose passphrase the engine stops at once. In a pull request of a fork
nobody has it, and nobody should. So the salt and the secrets are taken out of that checkout's file: the program goes on
without them, says once which are missing, and shows what is made of them as unknown. The state can't be read either,
then, and the comparison is with an empty one. Standard library only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError
from toolchain.lines import lines_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SALT = re.compile(r"^encryptionsalt:.*\n?", re.MULTILINE)
_KEY = re.compile(r"^(?P<indent> +)(?P<key>[\w.:-]+|\"[^\"\n]*\"|'[^'\n]*'): *(?P<rest>[^\n]*)\n?")
_SECURE = re.compile(r"^ +[\"']?secure[\"']?:")
_INLINE = re.compile(r"^\{ *[\"']?secure[\"']?:")


def is_readable(text: str, environ: Mapping[str, str]) -> bool:
    """Return whether what is encrypted in a stack's file can be read with this environment."""
    if "encryptionsalt" not in text:
        return True  # nothing is encrypted, or by a service that knows by itself who asks
    return any(environ.get(name) for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"))


def without_secrets(text: str) -> tuple[str, list[str]]:
    """Return the text of a stack's file without its salt and its encrypted keys, and the names of these keys."""
    lines = lines_in(_SALT.sub("", text), keepends=True)
    kept: list[str] = []
    gone: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        found = _KEY.match(line)
        following = lines[position + 1] if position + 1 < len(lines) else ""
        alone = found is not None and not found["rest"].split("#")[0].strip() and _SECURE.match(following)
        deeper = alone and found and len(following) - len(following.lstrip()) > len(found["indent"])
        if found and (deeper or _INLINE.match(found["rest"])):
            gone.append(found["key"].strip("\"'"))
            position += 2 if deeper else 1
            # A long ciphertext goes on in lines that are indented further.
            while deeper and position < len(lines) and _indent(lines[position]) > _indent(following):
                position += 1
            continue
        kept.append(line)
        position += 1
    return "".join(kept), gone


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" ")) if line.strip() else -1


def ready_for_preview(file: Path, environ: Mapping[str, str]) -> list[str] | None:
    """Take out of a stack's file what can't be read; the keys that went, or None where all of it can be read."""
    text = file.read_text() if file.is_file() else ""
    if is_readable(text, environ):
        return None
    kept, gone = without_secrets(text)
    if re.search(r"encryptionsalt[\"']?:|\bsecure[\"']?:", re.sub(r"(?m)^ *#.*$", "", kept)):
        raise ToolchainError(
            f"{file.name} holds something encrypted that can't be taken out, within a group of keys or written in one "
            "line. Nothing was changed. Put secrets into keys of their own, one below another, as Pulumi writes them."
        )
    file.write_text(kept)
    return gone
