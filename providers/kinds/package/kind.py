"""A package of Debian or Ubuntu, installed with apt.

Manages that the package is there; not its version, its configuration or its services. A package that was there before
stays on destroy. One that Hearth installed is purged, with the packages that came along and that nobody else needs.
Upgrades of other packages that an installation asked for are not taken back.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, Field

from providers.errors import HearthError, WishNotFulfilled
from providers.kind import Facts, Inputs, Kind
from providers.kinds.package import apt
from providers.machine.session import Completed, Session

FOLDER = "/var/lib/hearth"
BROUGHT = f"{FOLDER}/packages.json"
"""What Hearth brought onto the machine. Packages share dependencies and go in any order: one list."""
_UNKNOWN = re.compile(r"Unable to locate package|no installation candidate")


def _package_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?", value):
        raise ValueError("must be a Debian package name (small letters, digits, '+', '-', '.'); one Package for each")
    return value


class PackageInputs(Inputs):
    name: Annotated[
        str,
        AfterValidator(_package_name),
        Field(description="Name of the package, as apt knows it. A change replaces the resource."),
    ]
    recommends: bool = Field(
        default=False, description="Whether what the package recommends comes along when it is installed."
    )


class PackageFacts(Facts):
    version: str = Field(default="", description="The installed version.")
    automatic: bool = Field(default=False, description="Whether apt holds it for a mere dependency of others.")
    configured: bool = Field(default=False, description="Removed, but its configuration files are still there.")


@dataclass(frozen=True)
class Brought:
    """Packages that Hearth brought in: those asked for (name -> with what they recommend), and all that came.

    While one is being installed, what came is all that was not there `before`: known also where it was cut short.
    """

    asked: dict[str, bool] = field(default_factory=dict)
    came: frozenset[str] = frozenset()
    before: frozenset[str] | None = None

    @classmethod
    def parse(cls, text: str) -> Brought:
        found = json.loads(text)
        before = found.get("before")
        return cls(found["asked"], frozenset(found["came"]), None if before is None else frozenset(before))

    def text(self) -> str:
        record: dict[str, object] = {"asked": dict(sorted(self.asked.items())), "came": sorted(self.came)}
        if self.before is not None:
            record["before"] = sorted(self.before)
        return json.dumps(record, indent=1) + "\n"

    def installing(self, name: str, recommends: bool, before: frozenset[str]) -> Brought:
        return Brought({**self.asked, name: recommends}, self.came, before)

    def installed(self, now: frozenset[str]) -> Brought:
        return self if self.before is None else Brought(self.asked, self.came | (now - self.before))

    def without(self, name: str, gone: frozenset[str]) -> Brought:
        asked = {key: value for key, value in self.asked.items() if key != name and key not in gone}
        # With the last of ours gone, what is left of all that came is needed by others, and is theirs now.
        return Brought(asked, self.came - gone if asked else frozenset())


def facts_of(query: str, states: str) -> PackageFacts:
    """From `dpkg-query -f '${db:Status-Status}\\t${Version}'` and the package's paragraph of apt's extended_states."""
    status, _, version = query.strip().partition("\t")
    if status == "config-files":
        return PackageFacts(present=False, configured=True)
    if status != "installed":
        return PackageFacts(present=False)
    return PackageFacts(present=True, version=version, automatic="Auto-Installed: 1" in states)


async def observe(session: Session, inputs: PackageInputs) -> PackageFacts:
    bare = inputs.name.partition(":")[0]
    query, states = await asyncio.gather(
        session.run("dpkg-query", "-W", "-f", "${db:Status-Status}\\t${Version}\\n", inputs.name, check=False),
        session.run("grep", "-x", "-A3", f"Package: {bare}", "/var/lib/apt/extended_states", check=False),
    )
    if query.status == 127:
        raise HearthError(
            f"{session.machine} has no dpkg, so it has no Debian packages",
            remedy="a Package is for Debian and Ubuntu; install the software there in another way, with a Script",
        )
    return facts_of(query.stdout if query.ok else "", states.stdout)


async def apply(session: Session, inputs: PackageInputs, facts: PackageFacts) -> None:
    if facts.present:
        return
    recommends = "--install-recommends" if inputs.recommends else "--no-install-recommends"
    install = ("--yes", recommends, "install", inputs.name)
    await apt.wait_for_locks(session)
    await apt.repair(session)
    there = await _there(session)
    brought = (await _brought(session)).installed(there)
    # Written down first: an installation that is cut short is taken back all the same.
    installing = brought.installing(inputs.name, inputs.recommends, there)
    await _keep(session, installing)
    session.progress(f"installing {inputs.name} on {session.machine}")
    done = await apt.apt_get(session, *install, check=False)
    if not done.ok and (why := _lists_at_fault(inputs.name, done)):
        session.progress(f"apt-get update on {session.machine}: {why}")
        await apt.apt_get(session, "update")
        done = await apt.apt_get(session, *install, check=False)
    now = await _there(session)
    await _keep(session, installing.installed(now) if done.ok or now - there else brought)
    if not done.ok and _UNKNOWN.search(done.stderr):
        raise WishNotFulfilled(
            f"apt on {session.machine} knows no package {inputs.name!r}, also after `apt-get update`; nothing was"
            " changed",
            detail=done.stderr,
            remedy="check the name (apt-cache search there), or add the source that has it to /etc/apt/sources.list.d",
        )
    if not done.ok:
        raise apt.failure(session.machine, install, done)


def _lists_at_fault(name: str, done: Completed) -> str:
    """Why a failed installation may succeed with newer package lists; empty where they are not to blame."""
    if _UNKNOWN.search(done.stderr):
        return f"apt does not know {name} yet"
    if re.search(r"404 +Not Found|Hash Sum mismatch", done.stderr + done.stdout):
        return "the package lists are too old"
    return ""


async def _there(session: Session) -> frozenset[str]:
    """All packages on the machine by the names that apt gives them, those half installed among them."""
    architecture, listed = await asyncio.gather(
        session.run("dpkg", "--print-architecture"),
        session.run("dpkg-query", "-W", "-f", "${db:Status-Status}\\t${Package}\\t${Architecture}\\n"),
    )
    return frozenset(names_of(listed.stdout, architecture.stdout.strip()))


def names_of(listed: str, native: str) -> list[str]:
    """From dpkg's `status<TAB>name<TAB>architecture`: the names of what is there, as apt's plans have them."""
    fields = [line.split("\t") for line in listed.splitlines()]
    return [
        name if architecture in {native, "all"} else f"{name}:{architecture}"
        for status, name, architecture in fields
        if status not in {"not-installed", "config-files"}
    ]


async def _brought(session: Session) -> Brought:
    found = await session.stat(BROUGHT, content=True)
    return Brought() if found is None or not found.content else Brought.parse(found.content.decode())


async def _keep(session: Session, brought: Brought) -> None:
    if brought.asked or brought.came:
        await session.make_directory(FOLDER, mode="0700", owner="root", group="root")
        await session.write(BROUGHT, brought.text().encode(), mode="0600", owner="root", group="root")
        return
    await session.remove(BROUGHT)
    folder = await session.stat(FOLDER, entries=True)
    if folder is not None and not folder.entries:
        await session.remove(FOLDER)


async def restore(session: Session, inputs: PackageInputs, before: PackageFacts) -> None:
    now, brought = await asyncio.gather(observe(session, inputs), _brought(session))
    if before.present:  # it stays; where somebody removed it by hand, that is their decision
        if now.present and now.automatic != before.automatic:
            await session.run("apt-mark", "auto" if before.automatic else "manual", inputs.name)
        return
    if not now.present and inputs.name not in brought.asked:
        return
    await apt.wait_for_locks(session)
    await apt.repair(session)
    now, there = await asyncio.gather(observe(session, inputs), _there(session))
    brought = brought.installed(there)
    verb = "remove" if before.configured else "purge"
    alone, wide = await asyncio.gather(_can_go(session, inputs.name), _plan_wide_removal(session, inputs.name, brought))
    if not alone and (now.present or (now.configured and not before.configured)):
        plan = apt.parse_plan((await apt.apt_get(session, "--simulate", "--yes", verb, inputs.name)).stdout)
        others = plan.gone - {inputs.name}
        if others or plan.new:
            await _leave(session, inputs.name, brought, others, plan.new)
            return
    gone = await _purge(session, inputs.name, verb, (wide.gone & brought.came) | {inputs.name})
    await _keep(session, brought.without(inputs.name, gone))


async def _can_go(session: Session, *names: str) -> bool:
    """Whether all that stays installed can do without these. dpkg knows at once; apt weighs all packages of Debian."""
    return (await session.run("dpkg", "--no-act", "--purge", *names, check=False)).ok


async def _plan_wide_removal(session: Session, name: str, brought: Brought) -> apt.Plan:
    """What would go with a package, if all went that nobody needs any more."""
    left = {key: value for key, value in brought.asked.items() if key != name}
    important = "true" if any(left.values()) else "false"
    # What somebody merely recommends or suggests is not needed by them: else a machine never is as it was.
    options = (
        "-o", f"APT::AutoRemove::RecommendsImportant={important}", "-o", "APT::AutoRemove::SuggestsImportant=false",
    )  # fmt: skip
    done = await apt.apt_get(session, *options, "--simulate", "--yes", "--auto-remove", "purge", name)
    return apt.parse_plan(done.stdout)


async def _leave(
    session: Session, name: str, brought: Brought, others: frozenset[str], instead: frozenset[str]
) -> None:
    """Others need it: it becomes a dependency of theirs, and goes with the last of them that Hearth brought."""
    await session.run("apt-mark", "auto", name)
    foreign = others - brought.came
    if not foreign and not instead:
        await _keep(session, brought.without(name, frozenset()))
        return
    needed = ", ".join(sorted(foreign or instead))
    session.warn(
        f"{name} stays on {session.machine}: {needed} was installed later by somebody else and needs it."
        f" When that is gone, `apt-get purge {name}` removes it."
    )
    await _keep(session, brought.without(name, frozenset({name})))


async def _purge(session: Session, name: str, verb: str, names: frozenset[str]) -> frozenset[str]:
    """Remove a package and those of `names` that nobody needs any more; the names that are gone."""
    if len(names) > 1 and not await _can_go(session, *sorted(names)):
        names = frozenset({name})
    session.progress(f"removing {name} from {session.machine} ({len(names)} packages)")
    if verb == "remove":
        await apt.apt_get(session, "--yes", "remove", name)
        names -= {name}
    if names:
        await apt.apt_get(session, "--yes", "purge", *sorted(names))
    return frozenset(names | {name})


KIND = Kind(
    token="hearth:host:Package",
    inputs=PackageInputs,
    facts=PackageFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: inputs.name,
    parse=lambda identity: {"name": identity},
    locks=lambda _inputs: ("packages",),
    deadline=600.0,
    by_hand=lambda inputs: f"apt-get purge {inputs.name}",
)
