"""LXD (or Incus) on a machine: installed and answering, of no cluster yet.

Manages the packages and, on destroy, everything that they leave behind: folders, accounts, subordinate ids, bridges,
rules of the packet filter, and the kernel's settings for forwarding and router advertisements, which LXD changes. One
that was there before stays. With `keep_data`, one that still has instances stays, too, with a warning.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from providers.errors import HearthError
from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import daemons
from providers.kinds.lxd.api import Answer, Api, NoAnswer, Request, at, names_in
from providers.kinds.lxd.daemons import ABOUT, Daemon
from providers.kinds.lxd.reset import reset
from providers.kinds.package import kind as package
from providers.machine.session import Session
from toolchain.waiting import as_it_is, wait_until_async

START_SECONDS = 60.0


class DaemonInputs(Inputs):
    daemon: Annotated[Daemon, Field(description="lxd or incus. A change replaces it.")] = "lxd"
    keep_data: Annotated[bool, Field(description="Whether destroy leaves it in place where it has instances.")] = True
    extra: Annotated[
        list[str],
        Field(description="Packages of Debian that come with it, as zfsutils-linux for a pool of that kind."),
    ] = []


class DaemonFacts(Facts):
    version: str = Field(default="", description="The daemon's version.")
    extra: list[str] = []
    packages: dict[str, Any] = Field(default={}, description="Package -> what was there of it.")
    accounts: list[str] = Field(default=[], description="Users and groups of its names that were there.")
    ids: list[str] = Field(default=[], description="Lines of /etc/subuid and /etc/subgid that were there.")
    sysctls: dict[str, str] = Field(default={}, description="The kernel's settings that it changes.")
    folders: list[str] = Field(default=[], description="Folders of its that were there.")


_LOOK = """
import glob, grp, json, os, pwd, sys
names, folders = json.load(sys.stdin)
def known(find, name):
    try:
        find(name)
        return True
    except KeyError:
        return False
accounts = ["user:" + name for name in names if known(pwd.getpwnam, name)]
accounts += ["group:" + name for name in names if known(grp.getgrnam, name)]
ids = []
for path in ("/etc/subuid", "/etc/subgid"):
    if os.path.exists(path):
        ids += [path + ":" + line for line in open(path).read().split("\\n") if line]
sysctls = {}
for path in ["/proc/sys/net/ipv4/ip_forward", *glob.glob("/proc/sys/net/ipv[46]/conf/*/forwarding"),
             *glob.glob("/proc/sys/net/ipv6/conf/*/accept_ra")]:
    try:
        sysctls[path] = open(path).read().strip()
    except OSError:
        pass
folders = [folder for folder in folders if os.path.exists(folder)]
json.dump({"accounts": accounts, "ids": ids, "sysctls": sysctls, "folders": folders}, sys.stdout)
"""

_TAKE_AWAY = """
import json, os, subprocess, sys
work = json.load(sys.stdin)
for path, value in sorted(work["sysctls"].items(), key=lambda each: "/all/" not in each[0]):
    try:
        if open(path).read().strip() != value:
            open(path, "w").write(value)
    except OSError:
        pass  # an interface that has gone since
for folder in work["folders"]:
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=False)
for folder in work["emptied"]:
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
for account in work["accounts"]:
    kind, _, name = account.partition(":")
    subprocess.run(["userdel" if kind == "user" else "groupdel", name], check=False, stderr=subprocess.DEVNULL)
for path in ("/etc/subuid", "/etc/subgid"):
    if os.path.exists(path):
        lines = open(path).read().split("\\n")
        kept = [line for line in lines if path + ":" + line not in work["ids"]]
        if kept != lines:
            open(path, "w").write("\\n".join(kept))
"""


def _packages(inputs: DaemonInputs, once: Iterable[str] = ()) -> list[package.PackageInputs]:
    """Return its packages, itself behind what it looks for; and those that came with it once."""
    names = dict.fromkeys((*ABOUT[inputs.daemon].packages, *inputs.extra, *once))
    return [package.PackageInputs(host=inputs.host, name=name) for name in names]


def widen(before: DaemonFacts, now: DaemonFacts) -> DaemonFacts:
    """Return what was there before, with the packages that an update brings in: they may have been there by then."""
    more = {name: each for name, each in now.packages.items() if name not in before.packages}
    return before.model_copy(update={"packages": {**before.packages, **more}}) if more else before


async def observe(session: Session, inputs: DaemonInputs) -> DaemonFacts:
    about = ABOUT[inputs.daemon]
    api = Api(session, inputs.daemon)
    wanted = _packages(inputs)
    looked = session.run(
        "python3",
        script=_LOOK,
        stdin=json.dumps([about.accounts, [about.state, *about.leftovers, *about.emptied]]),
        timeout=30,
    )
    found, packages, (answer,) = await asyncio.gather(
        looked,
        asyncio.gather(*(package.observe(session, each) for each in wanted)),
        api.ask(Request("GET", "/1.0", timeout=30)),
    )
    version = ""
    if answer.found and not answer.failure:
        version = str(answer.found["environment"]["server_version"])
    there = {each.name: facts for each, facts in zip(wanted, packages, strict=True)}
    return DaemonFacts(
        present=all(facts.present for facts in there.values()) and bool(version),
        version=version,
        extra=[name for name in inputs.extra if there[name].present],
        packages={name: facts.model_dump(mode="json", by_alias=True) for name, facts in there.items()},
        **json.loads(found.stdout),
    )


async def apply(session: Session, inputs: DaemonInputs, facts: DaemonFacts) -> None:
    about = ABOUT[inputs.daemon]
    for wanted in _packages(inputs):
        await package.apply(session, wanted, await package.observe(session, wanted))
    units = [unit for unit in about.units if unit.endswith(".socket")]
    await session.run("systemctl", "start", *units, about.start, timeout=START_SECONDS)
    api = Api(session, inputs.daemon)

    async def ask() -> Answer:
        (answer,) = await api.ask(Request("GET", "/1.0", timeout=START_SECONDS))
        return answer

    last = await wait_until_async(ask, START_SECONDS, as_it_is, good=lambda answer: not answer.failure, pause=1.0)
    if last.failure:
        raise await api.no_answer(last)


async def restore(session: Session, inputs: DaemonInputs, before: DaemonFacts) -> None:
    about = ABOUT[inputs.daemon]
    was_there = before.packages.get(about.packages[-1], {}).get("present", False)
    if not was_there:
        instances = await _instances(session, inputs)
        if instances and inputs.keep_data:
            session.warn(
                f"{about.packages[-1]} stays on {session.machine} with {', '.join(instances)}, as their data is kept"
            )
            return
        await reset(session, about, start=False)
    after = await observe(session, inputs)
    for wanted in reversed(_packages(inputs, before.packages)):
        facts = package.PackageFacts.model_validate(before.packages.get(wanted.name, {"present": False}))
        await package.restore(session, wanted, facts)
        now = await package.observe(session, wanted)
        if now.configured and not now.present and not facts.present and not facts.configured:
            # Removed together with another one, which leaves its configuration.
            await session.run("dpkg", "--purge", wanted.name, timeout=120)
    if was_there:
        return
    left = {
        "accounts": sorted(set(after.accounts) - set(before.accounts) - await _still_used(session), reverse=True),
        "ids": [
            line for line in after.ids if line not in before.ids and line.split(":")[1] in (*about.accounts, "root")
        ],
        "sysctls": before.sysctls,
        "emptied": [folder for folder in about.emptied if folder not in before.folders],
        "folders": [folder for folder in (about.state, *about.leftovers) if folder not in before.folders],
    }
    await session.run("python3", script=_TAKE_AWAY, stdin=json.dumps(left), timeout=60)
    await session.run("systemctl", "daemon-reload", check=False)
    await session.run("systemctl", "reset-failed", check=False)


async def _still_used(session: Session) -> set[str]:
    """Return accounts whose own package has stayed: somebody else uses it by now."""
    facts = await package.observe(session, package.PackageInputs(host=session.machine, name="dnsmasq-base"))
    return {f"user:{daemons.DNSMASQ}", f"group:{daemons.DNSMASQ}"} if facts.present else set()


async def _instances(session: Session, inputs: DaemonInputs) -> list[str]:
    try:
        (answer,) = await Api(session, inputs.daemon).query(Request("GET", at("instances")))
    except (NoAnswer, HearthError):
        # What does not answer can't be asked; its folder says whether anything is lost.
        found = await session.stat(f"{ABOUT[inputs.daemon].state}/storage-pools", entries=True)
        return ["storage pools that nobody can list now"] if found and found.entries else []
    return names_in(answer.listed)


def by_hand(inputs: DaemonInputs) -> str:
    about = daemons.ABOUT[inputs.daemon]
    return f"systemctl stop {' '.join(about.units)}; apt-get purge {shlex.join(about.packages)}"


KIND = Kind(
    token="hearth:lxd:Daemon",
    inputs=DaemonInputs,
    facts=DaemonFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("daemon",),
    identify=lambda inputs: f"daemon/{inputs.daemon}",
    parse=lambda identity: {"daemon": identity.removeprefix("daemon/")},
    widen=widen,
    outputs=("version",),
    locks=lambda _inputs: ("packages", "lxd"),
    deadline=900.0,
    by_hand=by_hand,
)
