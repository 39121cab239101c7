"""What a Tree says of each file, in one line of a diff: `0644 root:root 120 bytes sha256:...`.

A part in round brackets is what a new one gets: of a file that was there before, it is neither looked at nor changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from providers.kinds.tree.patterns import Look
from providers.kinds.tree.source import Entry

FOLDER = "folder"
LINK = "a link to "
_LINE = re.compile(
    r"(?P<mode>\(?\d{4}\)?) (?P<owner>[^: ]+):(?P<group>[^: ]+) (?:folder|(?P<size>\d+) bytes sha256:(?P<sha256>\w+))"
)


def _or_default(value: str | None, default: str) -> str:
    return f"({default})" if value is None else value


def _line(look: Look, mode: str, what: str) -> str:
    owner, group = _or_default(look.owner, "root"), _or_default(look.group, "root")
    return f"{_or_default(look.mode, mode)} {owner}:{group} {what}"


def wished(entry: Entry, look: Look) -> str:
    """Write the line of a file or link of the source."""
    if entry.target is not None:
        return f"{LINK}{entry.target}"
    what = f"{entry.size} bytes sha256:{entry.sha256}"
    return _line(look, "0755" if entry.executable else "0644", what)


def wished_folder(look: Look) -> str:
    return _line(look, "0755", FOLDER)


def parsed(line: str) -> dict[str, Any]:
    """Read a line as the worker is told it: `managed` names what holds also where a thing was before."""
    if line.startswith(LINK):
        return {"target": line.removeprefix(LINK)}
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"{line!r} is no line of a Tree")
    parts: dict[str, Any] = {name: found[name] for name in ("mode", "owner", "group")}
    managed = [name for name, text in parts.items() if not text.startswith("(")]
    result: dict[str, Any] = {name: text.strip("()") for name, text in parts.items()}
    result["managed"] = managed
    if found["size"] is not None:
        result |= {"size": int(found["size"]), "sha256": found["sha256"]}
    return result


def found(line: str, there: Mapping[str, Any], reasons: Sequence[str] = ()) -> str:
    """Write the line of what is there, for the wish `line`: the same where nothing is amiss.

    `reasons` are why more than bytes, mode and owner count.
    """
    return " ".join([_found(line, there), *(f"<{each}>" for each in reasons)])


def _found(line: str, there: Mapping[str, Any]) -> str:
    kind = there["type"]
    if kind == "symlink":
        return f"{LINK}{there['target']}"
    if line.startswith(LINK):
        return f"<a {kind}>"
    wish = parsed(line)
    if kind != ("directory" if line.endswith(FOLDER) else "file"):
        return f"<a {kind}>"
    parts: dict[str, str] = {}
    for name in ("mode", "owner", "group"):
        same = wish[name] == there[name]
        open_ = name not in wish["managed"]
        parts[name] = f"({wish[name]})" if open_ and (same or there["kept"]) else str(there[name])
    what = FOLDER
    if kind == "file":
        what = f"{there['size']} bytes"
        what += f" <{there['unreadable']}>" if there.get("unreadable") else ""
        what += f" sha256:{there['sha256']}" if there.get("sha256") else ""
    return f"{parts['mode']} {parts['owner']}:{parts['group']} {what}"
