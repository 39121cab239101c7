"""A systemd unit: its text, whether it is enabled, whether it runs; of the system or of an account's own manager.

Manages unit files in /etc/systemd/system or ~/.config/systemd/user, and Quadlet source files in
/etc/containers/systemd or ~/.config/containers/systemd with the service that Quadlet makes of them. Without a text it
manages the state of a unit that comes from elsewhere. Does not manage drop-ins (a File does). A changed text, or a
change in `restart_on`, restarts what was running. On destroy the unit file, enabled state and running state of before
come back; volumes that Quadlet made stay, since they hold data.
"""

from __future__ import annotations

import asyncio
import shlex

from providers.errors import InvalidInput
from providers.kind import Kind
from providers.kinds import reasons
from providers.kinds.unit import systemd
from providers.kinds.unit.check import (
    check_text,
    refuse_what_can_not_be_enabled,
    refuse_what_is_not_ours,
    warn_of_drop_ins,
)
from providers.kinds.unit.facts import (
    PENDING,
    STAMPS,
    UnitFacts,
    differs,
    digest,
    folder_of,
    observe,
    stamp_of,
)
from providers.kinds.unit.lockout import check_way_in
from providers.kinds.unit.made_folders import make_folders
from providers.kinds.unit.overruled import can_make_room, make_room, refuse, winner
from providers.kinds.unit.restore import restore
from providers.kinds.unit.settings import UnitInputs
from providers.kinds.unit.started_for import look, stamp_text
from providers.kinds.unit.systemd import Manager
from providers.machine.own_folder import PRIVATE, make_own_folder
from providers.machine.session import Session


async def apply(session: Session, inputs: UnitInputs, facts: UnitFacts) -> None:
    manager = Manager(session, inputs.user)
    changed = inputs.text is not None and (inputs.text != facts.file_text or facts.stamp == PENDING)
    if changed and facts.path:
        await check_text(session, inputs, facts.path.rpartition("/")[0])
    await check_way_in(session, inputs, facts, changed=changed)
    if not facts.manager_up:
        await manager.ready()
        facts = await observe(session, inputs)
    stale = facts.needs_reload
    if (stale and not changed) or (inputs.text is None and not facts.known):
        facts = await _reloaded(manager, inputs)
    refuse_what_is_not_ours(session, inputs, facts)
    if inputs.enabled and not facts.enabled and not changed and not systemd.is_quadlet(inputs.name):
        refuse_what_can_not_be_enabled(session, inputs, facts)
    moved = False
    if (other := winner(inputs, facts)) and await session.stat(other) is None:
        facts = await _reloaded(manager, inputs)  # it has gone, and the manager has not looked since
        other = winner(inputs, facts)
    if other:
        if not can_make_room(facts, other):
            refuse(session, inputs, facts, other)
        await make_room(session, inputs, other)
        facts, moved = await _reloaded(manager, inputs), True
    await warn_of_drop_ins(session, inputs, facts)
    if changed:
        await _write(session, inputs, facts)
    elif inputs.text is not None and facts.obstacles:
        owner, group = await _owner(session, inputs)
        await session.set_attributes(facts.path, mode="0644", owner=owner, group=group)
    elif facts.masked and (inputs.enabled or inputs.running):
        runtime = ("--runtime",) if facts.file_state == "masked-runtime" else ()
        await manager.ctl("unmask", *runtime, facts.id or facts.service)
    # A unit that is new to the manager is read when it is first asked for. A reload reads all the others anew too,
    # which takes longer than everything else together.
    fresh = not facts.known and facts.active_state in ("", "inactive")
    new = changed and fresh and manager.reads_new(inputs.name, inputs.text or "")
    relinked = await _set_enabled(manager, inputs, facts, changed=changed, new=new)
    if (changed and not new) or relinked or (facts.obstacles and systemd.is_quadlet(inputs.name)):
        await manager.reload()
    await _set_running(manager, inputs, facts, changed=changed or moved, stale=stale)
    if inputs.restart_on is not None or inputs.restart_on_files:
        mark = "" if inputs.restart_on is None else digest(inputs.restart_on)
        await _stamp(session, inputs, stamp_text(mark, await _read_by_now(manager, inputs)))
    elif facts.stamp is not None or (changed and facts.active):
        await session.remove(stamp_of(inputs))


async def _reloaded(manager: Manager, inputs: UnitInputs) -> UnitFacts:
    """Return what the manager knows after it has looked again. Raises InvalidInput where it is no such unit."""
    await manager.reload()
    facts = await observe(manager.session, inputs)
    if inputs.text is None and not facts.known:
        raise InvalidInput(
            f"there is no unit {facts.service} on {manager.label}; nothing was changed",
            remedy="correct its name, give its text, or let it depend on the Package that brings it",
        )
    return facts


async def _write(session: Session, inputs: UnitInputs, facts: UnitFacts) -> None:
    if facts.active:  # a restart that an interrupted `up` still owes is known by this
        await _stamp(session, inputs, f"{PENDING}\n")
    owner, group = await _owner(session, inputs)
    await make_folders(session, facts.path.rpartition("/")[0], owner=owner, group=group)
    await session.write(facts.path, (inputs.text or "").encode(), mode="0644", owner=owner, group=group)


async def _owner(session: Session, inputs: UnitInputs) -> tuple[str, str]:
    """Return whose the unit's file is."""
    account = None if inputs.user is None else await session.account(inputs.user)
    return ("root", "root") if account is None else (account.name, account.group)


async def _set_enabled(manager: Manager, inputs: UnitInputs, facts: UnitFacts, *, changed: bool, new: bool) -> bool:
    """Return whether links were changed that the manager knows."""
    if systemd.is_quadlet(inputs.name) or inputs.enabled is None:
        return False
    if inputs.enabled and facts.enabled and changed:
        verb = "reenable"  # the new text may be wanted by something else
    elif inputs.enabled != facts.enabled:
        verb = "enable" if inputs.enabled else "disable"
    else:
        return False
    # systemctl takes no alias here: the unit's own name is in its `Id`.
    name = facts.service if inputs.text is not None else facts.id or facts.service
    await manager.ctl(systemd.BEHIND_ITS_BACK if new else "--no-reload", verb, name)
    return not new


async def _set_running(manager: Manager, inputs: UnitInputs, facts: UnitFacts, *, changed: bool, stale: bool) -> None:
    service = systemd.service_of(inputs.name, inputs.text) if inputs.text is not None else facts.service
    if systemd.is_template(service):
        return
    if service != facts.service and facts.active:  # a new ServiceName=: the old service has no file any more
        await manager.ctl("stop", facts.service)
    asked = facts.active and (
        inputs.restart_on_files != facts.restart_on_files
        or (inputs.restart_on is not None and (stale or await _owes_restart(manager, inputs, facts)))
    )
    if inputs.running is False:
        if facts.active:
            await manager.ctl("stop", service)
    elif facts.active and service == facts.service and (changed or asked):
        await _restart(manager, inputs, facts)
    elif inputs.running and not facts.running:
        await manager.start(service, inputs.start_timeout, settle=systemd.starts_at_once(inputs.name, inputs.text))


async def _read_by_now(manager: Manager, inputs: UnitInputs) -> dict[str, str]:
    """Return what is in the unit's files now that it has been started for."""
    if not inputs.restart_on_files:
        return {}
    service = systemd.service_of(inputs.name, inputs.text)
    return dict((await look(manager, service, inputs.restart_on_files, {})).digests)


async def _owes_restart(manager: Manager, inputs: UnitInputs, facts: UnitFacts) -> bool:
    """Return whether the unit runs with older files than it is to run with, its drop-ins among them."""
    if facts.stamp is not None:
        return facts.stamp != digest(inputs.restart_on or [])
    files = [path for path in (facts.fragment, *facts.drop_ins) if path]
    return bool(files) and await manager.started_before(facts.service, files)


async def _restart(manager: Manager, inputs: UnitInputs, facts: UnitFacts) -> None:
    if not inputs.name.endswith(".socket"):
        settle = systemd.starts_at_once(inputs.name, inputs.text)
        await manager.start(facts.service, inputs.start_timeout, restart=True, settle=settle)
        return
    # A socket can't be opened anew while the service that it belongs to holds it.
    services = facts.triggers.split()
    states = [await manager.show(service) for service in services]
    ran = [each for each, state in zip(services, states, strict=True) if state.get("ActiveState") in systemd.ACTIVE]
    if ran:
        await manager.ctl("stop", *ran)
    await manager.start(inputs.name, inputs.start_timeout, restart=True)
    for service in ran:
        await manager.start(service, inputs.start_timeout)


async def _stamp(session: Session, inputs: UnitInputs, text: str) -> None:
    """Keep what the unit was last restarted for; a unit without `restart_on` needs no such note."""
    await asyncio.gather(
        make_own_folder(session),
        session.make_directory(STAMPS, **PRIVATE),
        session.write(stamp_of(inputs), text.encode(), mode="0600", owner="root", group="root"),
    )


async def explain(session: Session, inputs: UnitInputs, facts: UnitFacts) -> str:
    """Return why a unit is not as wished: what keeps its file from its effect, or what its manager says."""
    if facts.obstacles:
        return facts.obstacles[0]
    if inputs.enabled is not None and facts.enabled != inputs.enabled:
        return f"systemd calls its file {facts.file_state or 'unknown'}, and no link says that it starts at boot"
    return await reasons.unit(session, facts.service, inputs.user)


def identify(inputs: UnitInputs) -> str:
    return f"user/{inputs.user}/{inputs.name}" if inputs.user else f"system/{inputs.name}"


def parse(identity: str) -> dict[str, str]:
    scope, _, rest = identity.partition("/")
    if scope == "system" and "/" not in rest:
        return {"name": rest}
    user, separator, name = rest.partition("/")
    if scope != "user" or not separator:
        raise ValueError("a Unit is machine/system/NAME or machine/user/ACCOUNT/NAME")
    return {"user": user, "name": name}


def by_hand(inputs: UnitInputs) -> str:
    scope = f" --user -M {inputs.user}@" if inputs.user else ""
    service = shlex.quote(systemd.service_of(inputs.name, inputs.text))
    ended = f"systemctl{scope} {'stop' if systemd.is_quadlet(inputs.name) else 'disable --now'} {service}"
    if inputs.text is None:
        return ended
    folder = folder_of(inputs, f"~{inputs.user}" if inputs.user else None)
    return f"{ended}; rm {folder}/{shlex.quote(inputs.name)}; systemctl{scope} daemon-reload"


KIND = Kind(
    token="hearth:host:Unit",
    inputs=UnitInputs,
    facts=UnitFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("user", "name", "home"),
    identify=identify,
    parse=parse,
    outputs=("service", "path"),
    # No lock for the whole manager: systemd takes reloads and jobs one after another by itself, and one slow start
    # must not hold up every other unit.
    locks=lambda inputs: (f"unit:{identify(inputs)}",),
    deadline=600.0,
    differs=differs,
    explain=explain,
    unkeepable=lambda facts: facts.unreadable,
    by_hand=by_hand,
)
