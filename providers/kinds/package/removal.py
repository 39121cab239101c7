"""The way back of a package: away with what came along with it, or at the version of before."""

from __future__ import annotations

import asyncio

from providers.kinds.package import apt, brought
from providers.kinds.package.brought import Brought
from providers.kinds.package.facts import PackageFacts, PackageInputs, is_version, observe, packages_there
from providers.machine.session import Session


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
    now, there = await asyncio.gather(observe(session, inputs), packages_there(session))
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
    hold = now.hold if inputs.hold is None else before.hold
    if before.unfinished:
        session.warn(f"{inputs.name} was only unpacked on {session.machine}: it stays, configured by now")
    elif inputs.version is not None and not await is_version(session, now.exact, before.exact or before.version):
        await _version_back(session, inputs.name, now.exact, before.exact or before.version, record)
    now = await observe(session, inputs)  # with another version apt forgets what it was to hold
    if now.hold != hold:
        await session.run("apt-mark", "hold" if hold else "unhold", inputs.name)
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
