"""An account's line in /etc/shadow: whether a password opens it, and whether it or its password expires.

Source: shadow(5), chage(1), usermod(8). The line holds a hash: it is kept on the machine alone, in the record.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from toolchain.lines import lines_in

SHADOW = "/etc/shadow"
_FOREVER = 99999
"""Days that login.defs(5) sets for a password that need not be changed."""


def _day(number: int) -> str:
    try:
        return (datetime.date(1970, 1, 1) + datetime.timedelta(days=number)).isoformat()
    except OverflowError:
        return f"day {number}"


@dataclass(frozen=True)
class Shadow:
    """The fields that count; what is no number is as if it were not there, as shadow takes it."""

    secret: str = "!"
    changed: int | None = None
    most: int | None = None
    inactive: int | None = None
    expire: int | None = None

    @classmethod
    def of(cls, line: str) -> Shadow:
        fields = [*line.split(":"), *([""] * 9)]
        if not line:
            return cls()
        changed, most, inactive, expire = (_number(fields[place]) for place in (2, 4, 6, 7))
        return cls(fields[1], changed, most, inactive, expire)

    @property
    def password(self) -> str:
        """`none` where nothing that somebody types is the password."""
        if not self.secret:
            return "none is asked for"
        return "none" if self.secret[0] in "!*" else "one is set"

    @property
    def expires(self) -> str:
        if self.expire is not None:
            return f"the account on {_day(self.expire)}"
        if self.changed == 0:
            return "the password at once"
        if self.most is not None and self.most < _FOREVER:
            return f"the password every {self.most} days"
        return "never"


def _number(field: str) -> int | None:
    return int(field) if field.isdigit() else None


def never(line: str) -> list[str]:
    """Return the options of chage that make nothing expire any more."""
    shadow = Shadow.of(line)
    options: list[str] = []
    if shadow.expire is not None:
        options += ["--expiredate", "-1"]
    if shadow.changed == 0:
        options += ["--lastday", str((datetime.datetime.now(datetime.UTC).date() - datetime.date(1970, 1, 1)).days)]
    if shadow.most is not None and shadow.most < _FOREVER:
        options += ["--maxdays", "-1"]
    return options


def with_line(text: str, line: str, keep: tuple[bool, bool]) -> str:
    """Return `text` of /etc/shadow with the account's line as in `line`.

    `keep` says which halves of it are to go back: the password, and the dates.
    """
    name, new = line.partition(":")[0], line.split(":")
    lines: list[str] = []
    for each in lines_in(text, keepends=True):
        fields = each.rstrip("\n").split(":")
        if fields[0] == name and len(fields) == len(new):
            fields = [
                fields[0],
                new[1] if keep[0] else fields[1],
                *(new[2:] if keep[1] else fields[2:]),
            ]
            each = ":".join(fields) + "\n" * each.endswith("\n")
        lines.append(each)
    return "".join(lines)
