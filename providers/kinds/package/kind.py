"""A package of Debian or Ubuntu, installed with apt.

Manages that the package is there, and its version and whether apt may change it where that is asked for; not its
configuration or its services. A package that was there before stays on destroy, with its version where that can still
be had; so does one that was only unpacked, configured by then. One that Hearth installed is purged, with the packages
that came along and that nobody else needs. Upgrades of other packages that came of an installation are not taken back.
"""

from __future__ import annotations

import re

from providers.errors import InvalidInput, Untouched
from providers.kind import Kind
from providers.kinds import reasons
from providers.kinds.package import apt, brought
from providers.kinds.package.facts import PackageFacts, PackageInputs, observe, packages_there
from providers.kinds.package.removal import restore
from providers.machine.session import Completed, Session
from toolchain.lines import lines_in

_UNKNOWN = re.compile(r"Unable to locate package|no installation candidate|Version '.*' for '.*' was not found")


async def apply(session: Session, inputs: PackageInputs, facts: PackageFacts) -> None:
    if not facts.present or (inputs.version is not None and facts.version != inputs.version):
        await apt.wait_for_locks(session)
        if not facts.present:
            await _refuse_virtual(session, inputs.name)
        await apt.repair(session)
        await _install(session, inputs, facts)
        if facts.automatic:  # it was a mere dependency of others, and is so still
            await session.run("apt-mark", "auto", inputs.name)
        held = False  # with another version apt forgets it
    else:
        held = facts.hold
    wished = facts.hold if inputs.hold is None else inputs.hold
    if wished != held:
        await session.run("apt-mark", "hold" if wished else "unhold", inputs.name)


async def _refuse_virtual(session: Session, name: str) -> None:
    """Raise InvalidInput for a name that others provide and nothing has.

    apt would install one of them in its stead, and the package would never be there by the name that was asked for.
    """
    # Of a name that is provided by one package alone apt tells nothing, and ends well all the same.
    if (await session.run("apt-cache", "--no-all-versions", "show", name, check=False)).stdout.strip():
        return
    listed = (await session.run("apt-cache", "showpkg", name, check=False)).stdout
    _, _, reverse = listed.partition("Reverse Provides:")
    providers = sorted({line.split()[0] for line in lines_in(reverse) if line.strip()})
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
    there = await packages_there(session)
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
    now = await packages_there(session)
    await brought.keep(session, installing.installed(now) if done.ok or now - there else record)
    if not done.ok and _UNKNOWN.search(done.stderr):
        await _refuse_virtual(session, inputs.name)
        known = [line.split("|")[1].strip() for line in await _madison(session, inputs.name) if line.count("|") > 1]
        versions = f" It has: {', '.join(known)}." if known and inputs.version is not None else ""
        raise Untouched(
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
    return lines_in((await session.run("apt-cache", "madison", name, check=False)).stdout)


def _lists_at_fault(name: str, done: Completed) -> str:
    """Return why a failed installation may succeed with newer package lists; empty where they are not to blame."""
    if _UNKNOWN.search(done.stderr):
        return f"apt does not know {name} yet"
    if re.search(r"404 +Not Found|Hash Sum mismatch", done.stderr + done.stdout):
        return "the package lists are too old"
    return ""


async def explain(session: Session, inputs: PackageInputs, facts: PackageFacts) -> str:
    """Return why a package is not as wished."""
    return await reasons.package(session, inputs.name)


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
    explain=explain,
    by_hand=lambda inputs: f"apt-get purge {inputs.name}",
)
