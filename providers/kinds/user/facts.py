"""What an account on a machine is wished to be, and what it is now. See `user` for what is managed."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from providers.kind import AbsolutePath, AccountName, Facts, Inputs, Mode
from providers.kinds.user.subordinate_ids import FILES, Databases, Range, lines_of, own_range, parse_wish
from providers.machine.session import Account, Session, Stat

LINGER = "/var/lib/systemd/linger"


def _subordinate_wish(value: str) -> str:
    return value if value == "auto" else str(parse_wish(value))


class UserInputs(Inputs):
    name: Annotated[AccountName, Field(description="Name of the account. A change replaces the resource.")]
    system: bool = Field(
        default=True,
        description="Whether the account is a system account, with a low number. Only heeded when it is made.",
    )
    home: Annotated[AbsolutePath | None, Field(description="The home directory; made where it is missing.")] = None
    shell: Annotated[AbsolutePath, Field(description="The login shell.")] = "/usr/sbin/nologin"
    groups: Annotated[
        list[AccountName] | None, Field(description="Every group that the account is in, beside its own.")
    ] = None
    subordinate_ids: Annotated[
        Annotated[str, AfterValidator(_subordinate_wish)] | None,
        Field(
            description="Subordinate user and group ids for rootless containers: `auto` for a free range, or"
            " START:COUNT, which is refused where it overlaps anybody else's."
        ),
    ] = None
    linger: Annotated[
        bool | None, Field(description="Whether the account's own service manager runs from boot on, without a login.")
    ] = None
    home_mode: Annotated[Mode, Field(description="Permission bits of the home directory, where there is one.")] = "0700"
    remove_home: bool = Field(
        default=False, description="Whether destroy removes the home of an account that Hearth made, with all in it."
    )


class UserFacts(Facts):
    home: str = ""
    shell: str = ""
    groups: list[str] = Field(default_factory=list[str])
    subordinate_ids: str = Field(default="", description="START:COUNT; empty for none.")
    linger: bool = False
    home_mode: str = Field(default="", description="Permission bits of the home, or `missing`.")
    system: bool = True
    uid: int = Field(default=0, description="The account's number.")
    gid: int = Field(default=0, description="The number of its own group.")
    subordinate_start: int = Field(default=0, description="First subordinate id, 0 where there are none.")
    subordinate_count: int = Field(default=0, description="How many subordinate ids.")
    subuid_lines: list[str] = Field(default_factory=list[str])
    subgid_lines: list[str] = Field(default_factory=list[str])
    home_exists: bool = False
    wished_home_exists: bool = Field(default=False, description="Whether something is where the home is wished.")
    home_owner: str = ""
    home_group: str = ""
    group_line: str = Field(default="", description="The group of the account's name, where it has no account.")


def differs(name: str, wish: Any, found: Any) -> bool:
    if name == "system":
        return False  # a number can't be changed under files that carry it
    if name == "groups":
        return set(wish) != set(found)
    if name == "subordinate_ids" and wish == "auto":
        return re.fullmatch(r"\d+:\d+", found) is None
    return bool(wish != found)


def facts_of(
    inputs: UserInputs, account: Account | None, databases: Databases, group: str, home: Stat | None, linger: bool
) -> UserFacts:
    at_home: dict[str, Any] = {"home_exists": home is not None, "home_mode": "missing"}
    if home is not None:
        at_home |= {"home_mode": home.mode, "home_owner": home.owner, "home_group": home.group}
    elif inputs.home is None:
        at_home["home_mode"] = inputs.home_mode  # an account without a home, and nobody wished for one
    uid = None if account is None else account.uid
    lines = {
        "subuid_lines": lines_of(databases.subuid, inputs.name, uid),
        "subgid_lines": lines_of(databases.subgid, inputs.name, uid),
    }
    if account is None:
        own = next((line for line in group.splitlines() if line.startswith(f"{inputs.name}:")), "")
        return UserFacts(present=False, group_line=own, **lines, **at_home)
    ids = own_range(databases, inputs.name, uid)
    found = parse_wish(ids) if re.fullmatch(r"\d+:\d+", ids) else Range(0, 0)
    return UserFacts(
        present=True,
        home=account.home,
        shell=account.shell,
        groups=sorted(set(account.groups) - {account.group}),
        subordinate_ids=ids,
        linger=linger,
        system=account.uid < 1000,
        uid=account.uid,
        gid=account.gid,
        subordinate_start=found.start,
        subordinate_count=found.count,
        **lines,
        **at_home,
    )


async def text_of(session: Session, path: str) -> str:
    found = await session.stat(path, content=True)
    return (found.content or b"").decode(errors="surrogateescape") if found is not None else ""


async def observe(session: Session, inputs: UserInputs) -> UserFacts:
    account, subuid, subgid, group, linger, home = await asyncio.gather(
        session.account(inputs.name),
        text_of(session, FILES[0]),
        text_of(session, FILES[1]),
        text_of(session, "/etc/group"),
        session.stat(f"{LINGER}/{inputs.name}"),
        session.stat(inputs.home or "/nonexistent"),
    )
    wished = home is not None
    if account is not None and account.home != inputs.home:
        home = await session.stat(account.home) if account.home.startswith("/") else None
    facts = facts_of(inputs, account, Databases(subuid, subgid), group, home, linger is not None)
    return facts.model_copy(update={"wished_home_exists": wished})
