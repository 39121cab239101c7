"""A package of Debian or Ubuntu, installed with apt.

Manages that the package is there, and its version and whether apt may change it where that is asked for; not its
configuration or its services. A package that was there before stays on destroy, with its version where that can still
be had; so does one that was only unpacked, configured by then. One that Hearth installed is purged, with the packages
that came along and that nobody else needs. Upgrades of other packages that came of an installation are not taken back.
"""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from providers.errors import HearthError, InvalidInput, NotConverged
from providers.kind import Facts, Inputs, Kind
from providers.kinds.package import apt, brought
from providers.kinds.package.brought import Brought
from providers.machine.session import Completed, Session

_UNKNOWN = re.compile(r"Unable to locate package|no installation candidate|Version '.*' for '.*' was not found")
_THERE = ("installed", "triggers-awaited", "triggers-pending")
_HALF = ("unpacked", "half-configured", "half-installed")


def _package_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?", value):
        raise ValueError("must be a Debian package name (small letters, digits, '+', '-', '.'); one Package for each")
    return value


def _version(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+:~-]*\*?", value):
        raise ValueError(
            "must be a version as apt has it (apt-cache policy), as '5.4.2+ds1-2', or its beginning, as '5.4*'"
        )
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
    version: Annotated[
        str | None,
        AfterValidator(_version),
        Field(description="The version, as apt has it; with '*' at its end how it begins. It may be an older one."),
    ] = None
    hold: bool | None = Field(
        default=None,
        description="Whether apt keeps the version that is there, also when all is upgraded (apt-mark hold).",
    )


class PackageFacts(Facts):
    version: str = Field(default="", description="The installed version; as it is wished where dpkg finds both equal.")
    hold: bool = Field(default=False, description="Whether apt is told to keep it.")
    exact: str = Field(default="", description="The installed version, as dpkg writes it.")
    unfinished: bool = Field(default=False, description="Unpacked, and not yet configured: there, and not usable.")
    automatic: bool = Field(default=False, description="Whether apt holds it for a mere dependency of others.")
    configured: bool = Field(default=False, description="Removed, but its configuration files are still there.")


def facts_of(query: str, states: str) -> PackageFacts:
    r"""Read what dpkg and apt say of a package.

    `query` is the answer to `dpkg-query -f '${db:Status-Status}\t${Version}\t${db:Status-Want}'`, a line for each
    architecture, and `states` the package's paragraph of apt's extended_states.
    """
    lines = [(*line.split("\t"), "", "")[:3] for line in query.splitlines() if line.strip()]
    automatic = "Auto-Installed: 1" in states
    for status, version, want in lines:
        if status in _THERE:
            held = want == "hold"
            return PackageFacts(present=True, version=version, exact=version, automatic=automatic, hold=held)
    for status, version, want in lines:
        if status in _HALF:
            held = want == "hold"
            return PackageFacts(present=False, exact=version, automatic=automatic, hold=held, unfinished=True)
    return PackageFacts(present=False, configured=any(status == "config-files" for status, _, _ in lines))


async def observe(session: Session, inputs: PackageInputs) -> PackageFacts:
    bare = inputs.name.partition(":")[0]
    form = "${db:Status-Status}\\t${Version}\\t${db:Status-Want}\\n"
    query, states = await asyncio.gather(
        session.run("dpkg-query", "-W", "-f", form, inputs.name, check=False),
        session.run("grep", "-x", "-A3", f"Package: {bare}", "/var/lib/apt/extended_states", check=False),
    )
    if query.status == 127:
        raise HearthError(
            f"{session.machine} has no dpkg, so it has no Debian packages",
            remedy="a Package is for Debian and Ubuntu; install the software there in another way, with a Script",
        )
    facts = facts_of(query.stdout if query.ok else "", states.stdout)
    if inputs.version is None or not facts.present or not await _is(session, facts.exact, inputs.version):
        return facts
    return facts.model_copy(update={"version": inputs.version})


async def _is(session: Session, found: str, wished: str) -> bool:
    """Return whether a version is the wished one. dpkg says so: `1.0` is `0:1.0`."""
    if wished.endswith("*"):
        return found.startswith(wished[:-1])
    return found == wished or (await session.run("dpkg", "--compare-versions", found, "eq", wished, check=False)).ok


async def apply(session: Session, inputs: PackageInputs, facts: PackageFacts) -> None:
    if not facts.present or (inputs.version is not None and facts.version != inputs.version):
        await apt.wait_for_locks(session)
        if not facts.present:
            await _refuse_virtual(session, inputs.name)
        await apt.repair(session)
        await _install(session, inputs, facts)
        if facts.automatic:  # it was a mere dependency of others, and is so still
            await session.run("apt-mark", "auto", inputs.name)
    if inputs.hold is not None and inputs.hold != facts.hold:
        await session.run("apt-mark", "hold" if inputs.hold else "unhold", inputs.name)


async def _refuse_virtual(session: Session, name: str) -> None:
    """Raise InvalidInput for a name that others provide and nothing has.

    apt would install one of them in its stead, and the package would never be there by the name that was asked for.
    """
    if (await session.run("apt-cache", "--no-all-versions", "show", name, check=False)).ok:
        return
    listed = (await session.run("apt-cache", "showpkg", name, check=False)).stdout
    _, _, reverse = listed.partition("Reverse Provides:")
    providers = sorted({line.split()[0] for line in reverse.splitlines() if line.strip()})
    if providers:
        raise InvalidInput(
            f"{name} is no package for apt on {session.machine} but a name that others provide:"
            f" {', '.join(providers[:8])}{' ...' if len(providers) > 8 else ''}; nothing was changed",
            remedy=f"name the one that you want, as {providers[0]}",
        )


async def _install(session: Session, inputs: PackageInputs, facts: PackageFacts) -> None:
    wanted = inputs.name if inputs.version is None else f"{inputs.name}={inputs.version}"
    recommends = "--install-recommends" if inputs.recommends else "--no-install-recommends"
    changes = ("--allow-downgrades", "--allow-change-held-packages") if inputs.version is not None else ()
    install = ("--yes", recommends, *changes, "install", wanted)
    there = await _there(session)
    record = (await brought.read(session)).installed(there)
    # Written down first: an installation that is cut short is taken back all the same.
    ours = not facts.present and not facts.unfinished
    installing = record.installing(inputs.name, inputs.recommends, there, ours=ours)
    await brought.keep(session, installing)
    session.progress(f"installing {wanted} on {session.machine}")
    done = await apt.apt_get(session, *install, check=False)
    if not done.ok and (why := _lists_at_fault(inputs.name, done)):
        session.progress(f"apt-get update on {session.machine}: {why}")
        await apt.apt_get(session, "update")
        done = await apt.apt_get(session, *install, check=False)
    now = await _there(session)
    await brought.keep(session, installing.installed(now) if done.ok or now - there else record)
    if not done.ok and _UNKNOWN.search(done.stderr):
        await _refuse_virtual(session, inputs.name)
        known = [line.split("|")[1].strip() for line in await _madison(session, inputs.name) if line.count("|") > 1]
        versions = f" It has: {', '.join(known)}." if known and inputs.version is not None else ""
        raise NotConverged(
            f"apt on {session.machine} knows no package {wanted!r}, also after `apt-get update`; nothing was changed."
            f"{versions}",
            detail=done.stderr,
            remedy="check the name (apt-cache search there) and the version (apt-cache policy), or add the source that"
            " has it to /etc/apt/sources.list.d",
        )
    if not done.ok:
        raise apt.failure(session.machine, install, done)


async def _madison(session: Session, name: str) -> list[str]:
    """Return `name | version | source` of each version that can be had."""
    return (await session.run("apt-cache", "madison", name, check=False)).stdout.splitlines()


def _lists_at_fault(name: str, done: Completed) -> str:
    """Return why a failed installation may succeed with newer package lists; empty where they are not to blame."""
    if _UNKNOWN.search(done.stderr):
        return f"apt does not know {name} yet"
    if re.search(r"404 +Not Found|Hash Sum mismatch", done.stderr + done.stdout):
        return "the package lists are too old"
    return ""


async def _there(session: Session) -> frozenset[str]:
    """Return all packages on the machine by the names that apt gives them, those half installed among them."""
    architecture, listed = await asyncio.gather(
        session.run("dpkg", "--print-architecture"),
        session.run("dpkg-query", "-W", "-f", "${db:Status-Status}\\t${Package}\\t${Architecture}\\n"),
    )
    return frozenset(names_of(listed.stdout, architecture.stdout.strip()))


def names_of(listed: str, native: str) -> list[str]:
    """Read dpkg's `status<TAB>name<TAB>architecture`: the names of what is there, as apt's plans have them."""
    fields = [line.split("\t") for line in listed.splitlines()]
    return [
        name if architecture in {native, "all"} else f"{name}:{architecture}"
        for status, name, architecture in fields
        if status not in {"not-installed", "config-files"}
    ]


async def restore(session: Session, inputs: PackageInputs, before: PackageFacts) -> None:
    now, record = await asyncio.gather(observe(session, inputs), brought.read(session))
    if before.present or before.unfinished:  # it stays; where somebody removed it by hand, that is their decision
        if now.present:
            await _change_back(session, inputs, now, before, record)
        return
    if not now.present and inputs.name not in record.asked:
        return
    await apt.wait_for_locks(session)
    await apt.repair(session)
    now, there = await asyncio.gather(observe(session, inputs), _there(session))
    if now.hold:
        await session.run("apt-mark", "unhold", inputs.name)
    record = record.installed(there)
    verb = "remove" if before.configured else "purge"
    alone, wide = await asyncio.gather(_can_go(session, inputs.name), _plan_wide_removal(session, inputs.name, record))
    if not alone and (now.present or (now.configured and not before.configured)):
        plan = apt.parse_plan((await apt.apt_get(session, "--simulate", "--yes", verb, inputs.name)).stdout)
        others = plan.gone - {inputs.name}
        if others or plan.new:
            await _leave(session, inputs.name, record, others, plan.new)
            return
    gone = await _purge(session, inputs.name, verb, (wide.gone & record.came) | {inputs.name})
    await brought.keep(session, record.without(inputs.name, gone))


async def _change_back(
    session: Session, inputs: PackageInputs, now: PackageFacts, before: PackageFacts, record: Brought
) -> None:
    """Version, hold and mark of a package that was there before."""
    if before.unfinished:
        session.warn(f"{inputs.name} was only unpacked on {session.machine}: it stays, configured by now")
    elif inputs.version is not None and not await _is(session, now.exact, before.exact or before.version):
        await _version_back(session, inputs.name, now.exact, before.exact or before.version, record)
    if inputs.hold is not None and now.hold != before.hold:
        await session.run("apt-mark", "hold" if before.hold else "unhold", inputs.name)
    now = await observe(session, inputs)
    if now.automatic != before.automatic:
        await session.run("apt-mark", "auto" if before.automatic else "manual", inputs.name)


async def _version_back(session: Session, name: str, now: str, version: str, record: Brought) -> None:
    await apt.wait_for_locks(session)
    options = ("--yes", "--allow-downgrades", "--allow-change-held-packages")
    install = (*options, "--no-install-recommends", "install", f"{name}={version}")
    done = await apt.apt_get(session, *install, check=False)
    if not done.ok:
        session.warn(
            f"{name} stays at {now} on {session.machine}: its version of before, {version}, can't be had there any more"
            f" ({apt.failure(session.machine, install, done).detail.strip() or 'apt-get failed'})"
        )
        return
    # What came along with the other version, and nobody needs now.
    plan = apt.parse_plan((await apt.apt_get(session, "--simulate", "--yes", "autoremove")).stdout)
    unneeded = sorted(plan.gone & record.came)
    if unneeded:
        await apt.apt_get(session, "--yes", "purge", *unneeded)
        await brought.keep(session, record.without("", frozenset(unneeded)))


async def _can_go(session: Session, *names: str) -> bool:
    """Return whether all that stays installed can do without these.

    dpkg knows at once; apt weighs all packages of Debian.
    """
    return (await session.run("dpkg", "--no-act", "--purge", *names, check=False)).ok


async def _plan_wide_removal(session: Session, name: str, record: Brought) -> apt.Simulation:
    """Return what would go with a package, if all went that nobody needs any more."""
    left = {key: value for key, value in record.asked.items() if key != name}
    important = "true" if any(left.values()) else "false"
    # What somebody merely recommends or suggests is not needed by them: else a machine never is as it was.
    options = (
        "-o", f"APT::AutoRemove::RecommendsImportant={important}", "-o", "APT::AutoRemove::SuggestsImportant=false",
    )  # fmt: skip
    done = await apt.apt_get(session, *options, "--simulate", "--yes", "--auto-remove", "purge", name)
    return apt.parse_plan(done.stdout)


async def _leave(session: Session, name: str, record: Brought, others: frozenset[str], instead: frozenset[str]) -> None:
    """Others need it: it becomes a dependency of theirs, and goes with the last of them that Hearth brought."""
    await session.run("apt-mark", "auto", name)
    foreign = others - record.came
    if not foreign and not instead:
        await brought.keep(session, record.without(name, frozenset()))
        return
    needed = ", ".join(sorted(foreign or instead))
    session.warn(
        f"{name} stays on {session.machine}: {needed} was installed later by somebody else and needs it."
        f" When that is gone, `apt-get purge {name}` removes it."
    )
    await brought.keep(session, record.without(name, frozenset({name})))


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
