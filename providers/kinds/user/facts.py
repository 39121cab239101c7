"""What an account on a machine is wished to be, and what it is now. See `kind` for what is managed."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from providers.kind import AbsolutePath, AccountName, Facts, Inputs, Mode, canonical
from providers.kinds.user.databases import GROUP, members, read
from providers.kinds.user.shadow import SHADOW, Shadow
from providers.kinds.user.subordinate_ids import (
    FILES,
    Databases,
    Range,
    has_enough,
    lines_of,
    overlap,
    own_range,
    parse_wish,
)
from providers.machine.session import Account, Session, Stat
from toolchain.lines import lines_in

LINGER = "/var/lib/systemd/linger"
HOMELESS = "/nonexistent"
"""The home of an account that has none: Debian Policy, section 9.2.3. Nobody makes it."""
HELPERS = """
for name in newuidmap newgidmap; do
    path=$(command -v "$name") || continue
    [ "$(stat -L -c %u "$path")" = 0 ] && [ -u "$path" ] && continue
    command -v getcap > /dev/null && getcap "$path" | grep -q "cap_set[ug]id" && continue
    echo "$path"
done
"""


def _subordinate_wish(value: str) -> str:
    return value if value == "auto" else str(parse_wish(value))


class UserInputs(Inputs):
    name: Annotated[AccountName, Field(description="Name of the account. A change replaces the resource.")]
    system: bool = Field(
        default=True,
        description="Whether the account is a system account, with a low number. Only heeded when it is made.",
    )
    home: Annotated[AbsolutePath | None, Field(description="The home directory; made where it is missing.")] = None
    shell: Annotated[AbsolutePath | None, Field(description="The login shell.")] = None
    groups: Annotated[
        list[AccountName] | None,
        Field(description="Exactly the groups that the account is in, beside its own; an empty list: none."),
    ] = None
    more_groups: Annotated[
        list[AccountName] | None,
        Field(description="Groups that the account is in too, whatever others it is in. Not beside `groups`."),
    ] = None
    subordinate_ids: Annotated[
        Annotated[str, AfterValidator(_subordinate_wish)] | None,
        Field(
            description="Subordinate user and group ids for rootless containers: `auto` for a free range where it has"
            " none, or START:COUNT, which is refused where it overlaps anybody else's."
        ),
    ] = None
    linger: Annotated[
        bool | None, Field(description="Whether the account's own service manager runs from boot on, without a login.")
    ] = None
    home_mode: Annotated[Mode | None, Field(description="Permission bits of the home directory.")] = None
    home_owner: Annotated[
        AccountName | None, Field(description="Who owns the home directory, with that account's own group.")
    ] = None
    password: Annotated[
        Literal["none"] | None, Field(description="`none`: no password opens the account. Hearth sets no passwords.")
    ] = None
    expires: Annotated[
        Literal["never"] | None, Field(description="`never`: neither the account nor its password expires.")
    ] = None
    remove_home: bool = Field(
        default=False, description="Whether destroy removes the home of an account that Hearth made, with all in it."
    )
    allow_lockout: bool = Field(
        default=False, description="Whether the account that Hearth logs in as may lose its shell, home or groups."
    )

    @field_validator("more_groups")
    @classmethod
    def _one_list(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if value is not None and info.data.get("groups") is not None:
            raise ValueError(
                "can't stand beside groups, which says exactly which they are; put all into one of the two"
            )
        return value


class HomeFacts(Facts):
    mode: str = ""
    owner: str = ""
    group: str = ""


class UserFacts(Facts):
    home: str = Field(default="", description="Where the home is; with a word behind it where nothing is there.")
    home_path: str = Field(default="", description="The same, without that word.")
    shell: str = ""
    groups: list[str] = Field(default_factory=list[str])
    more_groups: list[str] = Field(default_factory=list[str], description="All groups too, compared as a part.")
    subordinate_ids: str = Field(default="", description="START:COUNT; empty for none.")
    linger: bool = False
    home_mode: str = Field(default="", description="Permission bits of the home, or `missing`.")
    home_owner: str = Field(default="", description="Its owner; with its group behind a colon where that is another's.")
    password: str = Field(default="none", description="`none`, or `one is set`, or `none is asked for`.")
    expires: str = "never"
    system: bool = True
    uid: int = Field(default=0, description="The account's number.")
    gid: int = Field(default=0, description="The number of its own group.")
    subordinate_start: int = Field(default=0, description="First subordinate id, 0 where there are none.")
    subordinate_count: int = Field(default=0, description="How many subordinate ids.")
    subuid_lines: list[str] = Field(default_factory=list[str])
    subgid_lines: list[str] = Field(default_factory=list[str])
    shadow_line: str = Field(default="", description="Its line in /etc/shadow.")
    members: dict[str, list[str]] = Field(
        default_factory=dict[str, list[str]], description="All members of each group that lists the account."
    )
    home_exists: bool = False
    home_group: str = ""
    wished_home_exists: bool = Field(default=False, description="Whether something is where the home is wished.")
    home_made: bool = Field(default=False, description="Whether a home is wished where nothing is.")
    wished_home_mode: str = ""
    wished_home_owner: str = ""
    wished_home_group: str = ""
    homes: dict[str, HomeFacts] = Field(
        default_factory=dict[str, HomeFacts],
        description="Where a home is wished -> what is there; in a record, each such place at any time.",
    )
    group_line: str = Field(default="", description="The group of the account's name, where it has no account.")

    @property
    def at(self) -> str:
        """The home's path."""
        return self.home_path or self.home

    @property
    def home_user(self) -> str:
        return self.home_owner.partition(":")[0]


def new_home(inputs: UserInputs) -> str | None:
    """Return where the home of a new account is; None where it has none."""
    if inputs.home is None and not inputs.system:
        return f"/home/{inputs.name}"
    return None if inputs.home == HOMELESS else inputs.home


def same_path(one: str | None, other: str) -> bool:
    """Return whether two homes are one place, as `/home/ann` and `/home//ann/` are to every program."""
    return one is not None and canonical(one) == canonical(other)


def makes(name: str, facts: UserFacts) -> bool:
    """Return whether Hearth makes that part of an account: a home may have been there before it."""
    return facts.home_made if name.startswith("home_") else not facts.present


def differs(name: str, wish: Any, found: Any) -> bool:
    if name == "system":
        return False  # a number can't be changed under files that carry it
    if name == "groups":
        return set(wish) != set(found)
    if name == "more_groups":
        return not set(wish) <= set(found)
    if name == "subordinate_ids":
        return not has_enough(found, wish)
    if name == "home":
        return not same_path(wish, found)
    return bool(wish != found)


def facts_of(
    inputs: UserInputs,
    account: Account | None,
    databases: Databases,
    group: str,
    home: Stat | None,
    linger: bool,
    shadow: str = "",
    useless: str = "",
) -> UserFacts:
    """Put the facts together. `home` is what is at the account's home, or where it is wished; `useless` are helpers."""
    at_home: dict[str, Any] = {"home_exists": home is not None, "home_mode": "missing"}
    if home is not None:
        own = account.group if account is not None and home.owner == account.name else home.owner
        owner = home.owner if home.group == own else f"{home.owner}:{home.group}"
        at_home |= {"home_mode": home.mode, "home_owner": owner, "home_group": home.group}
    elif inputs.home in (None, HOMELESS):
        at_home["home_mode"] = inputs.home_mode or ""  # an account without a home, and nobody wished for one
        at_home["home_owner"] = inputs.home_owner or ""
    uid = None if account is None else account.uid
    lines = {
        "subuid_lines": lines_of(databases.subuid, inputs.name, uid),
        "subgid_lines": lines_of(databases.subgid, inputs.name, uid),
        "members": members(group, inputs.name),
    }
    if account is None:
        own_line = next((line for line in lines_in(group) if line.startswith(f"{inputs.name}:")), "")
        return UserFacts(present=False, group_line=own_line, **lines, **at_home)
    ids = own_range(databases, inputs.name, uid)
    ranges = [Range(int(start), int(count)) for start, count in re.findall(r"(\d+):(\d+)", ids)]
    first = ranges[0] if ranges else Range(0, 0)
    if ids and (other := overlap(databases, inputs.name, uid)):
        ids += f", which {other.owner} has a part of ({other} in {other.source})"
    elif ids and useless:
        ids += f", which {' and '.join(useless.split())} may not give out (no setuid bit)"
    groups = sorted(set(account.groups) - {account.group})
    missing = home is None and same_path(inputs.home, account.home) and inputs.home != HOMELESS
    known = Shadow.of(shadow)
    return UserFacts(
        present=True,
        home=f"{account.home} (missing)" if missing else account.home,
        home_path=account.home,
        shell=account.shell,
        groups=groups,
        more_groups=groups,
        subordinate_ids=ids,
        linger=linger,
        password=known.password,
        expires=known.expires,
        shadow_line=shadow,
        system=account.uid < 1000,
        uid=account.uid,
        gid=account.gid,
        subordinate_start=first.start,
        subordinate_count=first.count,
        **lines,
        **at_home,
    )


async def text_of(session: Session, path: str) -> str:
    return await read(session, path) or ""


async def _helpers(session: Session, inputs: UserInputs) -> str:
    """Return those that hand out subordinate ids and are not allowed to, where that is asked."""
    if inputs.subordinate_ids is None:
        return ""
    return (await session.run("sh", script=HELPERS, check=False)).stdout.strip()


async def observe(session: Session, inputs: UserInputs) -> UserFacts:
    account, (subuid, subgid, group, shadow), linger, home, useless = await asyncio.gather(
        session.account(inputs.name),
        asyncio.gather(*(text_of(session, path) for path in (*FILES, GROUP, SHADOW))),
        session.stat(f"{LINGER}/{inputs.name}"),
        session.stat(new_home(inputs) or HOMELESS),
        _helpers(session, inputs),
    )
    path = new_home(inputs) if account is None or inputs.home == HOMELESS else inputs.home
    wished: dict[str, Any] = {"home_made": path is not None and home is None}
    if path is not None:
        at = HomeFacts(present=False)
        if home is not None:
            at = HomeFacts(present=True, mode=home.mode, owner=home.owner, group=home.group)
        wished["homes"] = {canonical(path): at}
    if path is not None and home is not None:
        wished |= {
            "wished_home_exists": True,
            "wished_home_mode": home.mode,
            "wished_home_owner": home.owner,
            "wished_home_group": home.group,
        }
    if account is not None and not same_path(new_home(inputs), account.home):
        home = await session.stat(account.home) if account.home.startswith("/") else None
    line = next((line for line in lines_in(shadow) if line.startswith(f"{inputs.name}:")), "")
    databases = Databases(subuid, subgid)
    facts = facts_of(inputs, account, databases, group, home, linger is not None, line, useless)
    return facts.model_copy(update=wished)
