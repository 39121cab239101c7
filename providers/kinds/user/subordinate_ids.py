"""Subordinate user and group ids: who has which range in /etc/subuid and /etc/subgid, and which is free.

Two accounts whose ranges overlap can act in each other's containers, so no range is ever given twice. Sources:
subuid(5), login.defs(5), and the deterministic ranges of shadow's useradd (SUB_UID_DETERMINISTIC).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from toolchain.lines import lines_in

COUNT = 65536
"""Ids that a rootless container wants: all that fit in 16 bits."""
LOWEST = 100000  # the first id that Debian hands out
FILES = ("/etc/subuid", "/etc/subgid")


@dataclass(frozen=True, order=True)
class Range:
    """`count` ids from `start` on, and whose they are."""

    start: int
    count: int
    owner: str = ""
    source: str = ""
    """Where it is written, for messages."""

    @property
    def end(self) -> int:
        """The first id behind it."""
        return self.start + self.count

    def overlaps(self, other: Range) -> bool:
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{self.start}:{self.count}"


@dataclass(frozen=True)
class Databases:
    """The texts of the files that say which ids are taken."""

    subuid: str = ""
    subgid: str = ""
    passwd: str = ""
    login_defs: str = ""


def parse(text: str, source: str = "") -> list[Range]:
    """Return the ranges of a subuid or subgid text; lines that are none are passed over, as shadow does."""
    found = (re.fullmatch(r"([^:#]+):(\d+):(\d+)", line.strip()) for line in lines_in(text))
    return [Range(int(m[2]), int(m[3]), m[1], source) for m in found if m]


def parse_wish(text: str) -> Range:
    """Return `START:COUNT` as a range. Raises ValueError."""
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if not found or int(found[2]) == 0 or int(found[1]) == 0 or int(found[1]) + int(found[2]) > 2**32 - 1:
        raise ValueError("must be 'auto' or START:COUNT with a count above 0, as 100000:65536, below 4294967295")
    return Range(int(found[1]), int(found[2]))


def lines_of(text: str, name: str, uid: int | None) -> list[str]:
    """Return the lines of one account, by its name or its number."""
    owners = {name} if uid is None else {name, str(uid)}
    return [line for line in lines_in(text) if line.partition(":")[0] in owners]


def with_lines(text: str, name: str, uid: int | None, lines: Iterable[str]) -> str:
    """Return `text` with the account's lines replaced by `lines`, one by one in their places; the rest as it is."""
    owners = {name} if uid is None else {name, str(uid)}
    new = [f"{line}\n" for line in lines]
    kept: list[str] = []
    last: int | None = None
    for line in lines_in(text, keepends=True):
        if line.partition(":")[0].rstrip("\n") not in owners:
            kept.append(line)
        elif new:
            kept.append(new.pop(0))
            last = len(kept)
    if last is None:
        last = len(kept)
        if kept and new and not kept[-1].endswith("\n"):
            kept[-1] += "\n"
    return "".join([*kept[:last], *new, *kept[last:]])


def own_range(databases: Databases, name: str, uid: int | None) -> str:
    """Return the account's range as `START:COUNT`; where it has several, or others for groups, all of them.

    An empty text where there is none.
    """
    users = [str(r) for line in lines_of(databases.subuid, name, uid) for r in parse(line)]
    groups = [str(r) for line in lines_of(databases.subgid, name, uid) for r in parse(line)]
    if users == groups:
        return " ".join(users)
    return f"users {' '.join(users) or 'none'}, groups {' '.join(groups) or 'none'}"


def has_enough(found: str, wish: str) -> bool:
    """Return whether what `own_range` found fulfils a wish: `auto` is content with any ranges, of users and of groups.

    Two ranges, or others for groups than for users, are nothing to put right: containers' files have those numbers.
    """
    users, _, groups = found.removeprefix("users ").partition(", groups ")
    if wish == "auto":
        return all(re.fullmatch(r"\d+:\d+( \d+:\d+)*", each) for each in (users, groups or users))
    return wish in users.split() and wish in (groups or users).split()


def taken(databases: Databases, name: str, uid: int | None) -> list[Range]:
    """Return what belongs to anybody else: ranges written down, and accounts whose own number lies that high."""
    own = {name} if uid is None else {name, str(uid)}
    written = [*parse(databases.subuid, FILES[0]), *parse(databases.subgid, FILES[1])]
    accounts = [Range(number, 1, who, "/etc/passwd") for who, number in _accounts(databases.passwd) if number >= LOWEST]
    return [each for each in (*written, *accounts) if each.owner not in own]


def potential(databases: Databases, name: str) -> list[Range]:
    """Ranges that login users without one would be given by their number, as shadow does where it is told to."""
    limits = _limits(databases.login_defs)
    have = {each.owner for each in parse(databases.subuid)}
    return [
        Range(limits["SUB_UID_MIN"] + (uid - limits["UID_MIN"]) * limits["SUB_UID_COUNT"], limits["SUB_UID_COUNT"], who)
        for who, uid in _accounts(databases.passwd)
        if limits["UID_MIN"] <= uid <= limits["UID_MAX"] and who != name and not have & {who, str(uid)}
    ]


def clash(wish: Range, databases: Databases, name: str, uid: int | None) -> Range | None:
    """Return the first range of anybody else that `wish` overlaps."""
    return next((each for each in taken(databases, name, uid) if each.overlaps(wish)), None)


def overlap(databases: Databases, name: str, uid: int | None) -> Range | None:
    """Return the first range of anybody else that lies over one that the account has.

    Root's do no harm: it may do all.
    """
    own = [
        r for text in (databases.subuid, databases.subgid) for line in lines_of(text, name, uid) for r in parse(line)
    ]
    others = [each for each in taken(databases, name, uid) if each.owner not in ("root", "0")]
    return next((each for each in others if any(each.overlaps(mine) for mine in own)), None)


def free_range(databases: Databases, name: str, uid: int | None) -> Range | None:
    """Return the lowest range of COUNT ids, for users and groups alike, that is nobody else's and nobody's to come.

    None where there is none up to SUB_UID_MAX.
    """
    limits = _limits(databases.login_defs)
    start = max(LOWEST, limits["SUB_UID_MIN"], limits["SUB_GID_MIN"])
    for other in sorted([*taken(databases, name, uid), *potential(databases, name)]):
        if other.overlaps(Range(start, COUNT)):
            start = other.end
    last = min(limits["SUB_UID_MAX"], limits["SUB_GID_MAX"])
    return Range(start, COUNT, name) if start + COUNT - 1 <= last else None


def _accounts(passwd: str) -> list[tuple[str, int]]:
    fields = (line.split(":") for line in lines_in(passwd))
    return [(each[0], int(each[2])) for each in fields if len(each) == 7 and each[2].isdigit()]


def _limits(login_defs: str) -> dict[str, int]:
    limits = {
        "UID_MIN": 1000,
        "UID_MAX": 60000,
        "SUB_UID_MIN": LOWEST,
        "SUB_UID_MAX": 600100000,
        "SUB_UID_COUNT": COUNT,
        "SUB_GID_MIN": LOWEST,
        "SUB_GID_MAX": 600100000,
    }
    for key, value in re.findall(r"^\s*(\w+)\s+(\d+)\s*$", login_defs, re.MULTILINE):
        if key in limits:
            limits[key] = int(value)
    return limits
