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

from providers.errors import HearthError, InvalidInput
from providers.kind import Kind
from providers.kinds.unit import systemd
from providers.kinds.unit.check import check_text
from providers.kinds.unit.facts import (
    FOLDER,
    PENDING,
    STAMPS,
    UNFINISHED,
    UnitFacts,
    UnitInputs,
    differs,
    digest,
    folder_of,
    observe,
    stamp_of,
)
from providers.kinds.unit.made_folders import make_folders, remove_if_empty, remove_made_folders
from providers.kinds.unit.systemd import Manager
from providers.machine.session import Session


async def apply(session: Session, inputs: UnitInputs, facts: UnitFacts) -> None:
    manager = Manager(session, inputs.user)
    changed = inputs.text is not None and inputs.text != facts.text
    if changed and facts.path:
        await check_text(session, inputs, facts.path.rpartition("/")[0])
    if not facts.manager_up:
        await manager.ready()
        facts = await observe(session, inputs)
    if inputs.text is None and not facts.known:
        facts = await _reloaded(manager, inputs)
    if changed:
        await _write(session, inputs, facts)
    elif facts.masked and (inputs.enabled or inputs.running):
        runtime = ("--runtime",) if facts.file_state == "masked-runtime" else ()
        await manager.ctl("unmask", *runtime, facts.service)
    # A unit that is new to the manager is read when it is first asked for. A reload reads all the others anew too,
    # which takes longer than everything else together.
    fresh = not facts.known and facts.active_state in ("", "inactive")
    new = changed and fresh and manager.reads_new(inputs.name, inputs.text or "")
    relinked = await _set_enabled(manager, inputs, facts, changed=changed, new=new)
    if (changed and not new) or relinked or facts.needs_reload:
        await manager.reload()
    await _set_running(manager, inputs, facts, changed)
    if inputs.restart_on is not None:
        await _stamp(session, inputs, digest(inputs.restart_on))
    elif facts.restart_on is not None or (changed and facts.active):
        await session.remove(stamp_of(inputs))


async def _reloaded(manager: Manager, inputs: UnitInputs) -> UnitFacts:
    """What the manager knows after it has looked again. Raises InvalidInput where it is no such unit."""
    await manager.reload()
    facts = await observe(manager.session, inputs)
    if not facts.known:
        raise InvalidInput(
            f"there is no unit {facts.service} on {manager.label}; nothing was changed",
            remedy="correct its name, give its text, or let it depend on the Package that brings it",
        )
    return facts


async def _write(session: Session, inputs: UnitInputs, facts: UnitFacts) -> None:
    if facts.active:  # a restart that an interrupted `up` still owes is known by this
        await _stamp(session, inputs, PENDING)
    owner, group = "root", "root"
    if inputs.user is not None and (account := await session.account(inputs.user)) is not None:
        owner, group = account.name, account.group
    await make_folders(session, facts.path.rpartition("/")[0], owner=owner, group=group)
    await session.write(facts.path, (inputs.text or "").encode(), mode="0644", owner=owner, group=group)


async def _set_enabled(manager: Manager, inputs: UnitInputs, facts: UnitFacts, *, changed: bool, new: bool) -> bool:
    """Whether links were changed that the manager knows."""
    if systemd.is_quadlet(inputs.name) or inputs.enabled is None:
        return False
    if inputs.enabled and facts.enabled and changed:
        verb = "reenable"  # the new text may be wanted by something else
    elif inputs.enabled != facts.enabled:
        verb = "enable" if inputs.enabled else "disable"
    else:
        return False
    await manager.ctl(systemd.BEHIND_ITS_BACK if new else "--no-reload", verb, facts.service)
    return not new


async def _set_running(manager: Manager, inputs: UnitInputs, facts: UnitFacts, changed: bool) -> None:
    service = systemd.service_of(inputs.name, inputs.text) if inputs.text is not None else facts.service
    if systemd.is_template(service):
        return
    if service != facts.service and facts.active:  # a new ServiceName=: the old service has no file any more
        await manager.ctl("stop", facts.service)
    asked = inputs.restart_on is not None and facts.restart_on not in (None, [digest(inputs.restart_on)])
    if inputs.running is False:
        if facts.active:
            await manager.ctl("stop", service)
    elif facts.active and service == facts.service and (changed or asked):
        await _restart(manager, inputs, facts)
    elif inputs.running and not facts.running:
        await manager.start(service, inputs.start_timeout, settle=systemd.starts_at_once(inputs.name, inputs.text))


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
    private = {"mode": "0700", "owner": "root", "group": "root"}
    await asyncio.gather(
        session.make_directory(FOLDER, **private),
        session.make_directory(STAMPS, **private),
        session.write(stamp_of(inputs), f"{text}\n".encode(), mode="0600", owner="root", group="root"),
    )


async def restore(session: Session, inputs: UnitInputs, before: UnitFacts) -> None:
    now = await observe(session, inputs)
    if not now.path:
        return  # its account is gone, and all of it with the account
    manager = Manager(session, inputs.user)
    try:
        if not now.manager_up:
            await manager.ready()
            now = await observe(session, inputs)
    except HearthError:
        await _restore_without_manager(session, inputs, now, before)
    else:
        await _restore(manager, inputs, now, before)
    await session.remove(stamp_of(inputs))
    await remove_if_empty(session, STAMPS)
    await remove_made_folders(session, now.path.rpartition("/")[0])


def _same_file(now: UnitFacts, before: UnitFacts) -> bool:
    text = None if now.text is None else now.text.removesuffix(UNFINISHED)
    return (text, now.link) == (before.text, before.link)


async def _restore(manager: Manager, inputs: UnitInputs, now: UnitFacts, before: UnitFacts) -> None:
    session = manager.session
    plain = not systemd.is_quadlet(inputs.name)
    gone = not before.known and not before.text and not before.link
    refile = inputs.text is not None and not _same_file(now, before)
    if now.active and not before.active and (gone or inputs.running is not None):
        await manager.ctl("stop", now.service)
    unlink = now.enabled and not before.enabled and plain and (gone or inputs.enabled is not None)
    quietly = gone and manager.reads_new(inputs.name, inputs.text or "")
    if unlink:
        await manager.ctl(systemd.BEHIND_ITS_BACK if quietly else "--no-reload", "disable", now.service)
    if refile:
        await _put_back(session, now, before)
    if refile or unlink:
        forgotten = quietly and (await manager.show(now.service)).get("LoadState") == "not-found"
        if not forgotten:
            await manager.reload()
    if before.masked and not before.link and not now.masked:
        runtime = ("--runtime",) if before.file_state == "masked-runtime" else ()
        await manager.ctl("mask", *runtime, before.service)
    elif before.enabled and plain and (refile or (inputs.enabled is not None and not now.enabled)):
        runtime = ("--runtime",) if before.file_state == "enabled-runtime" else ()
        await manager.ctl("enable", *runtime, before.service)
    if before.active and (refile or inputs.running is not None or inputs.text is not None):
        if refile and now.active:
            await manager.start(before.service, inputs.start_timeout, restart=True)
        elif not now.active:
            await manager.start(before.service, inputs.start_timeout)
    elif now.active_state == "failed" and before.active_state != "failed":
        await manager.ctl("reset-failed", now.service, check=False)
    if not before.active and inputs.name.endswith(".network"):
        await _remove_network(session, inputs)


async def _put_back(session: Session, now: UnitFacts, before: UnitFacts) -> None:
    if before.text is not None:
        content = before.text.encode()
        await session.write(now.path, content, mode=before.mode, owner=before.owner, group=before.group)
    elif before.link:
        await session.symlink(now.path, before.link)
    else:
        await session.remove(now.path)


async def _restore_without_manager(session: Session, inputs: UnitInputs, now: UnitFacts, before: UnitFacts) -> None:
    """The account's manager does not run, so nothing of it does: only files are left."""
    if inputs.text is not None and not _same_file(now, before):
        await _put_back(session, now, before)
    if not before.enabled:
        folder = now.path.rpartition("/")[0]
        links = ("find", folder, "-mindepth", "2", "-type", "l", "-name", inputs.name, "-delete")
        await session.run(*links, user=inputs.user, check=False)
        empty = ("find", folder, "-mindepth", "1", "-type", "d", "-name", "*.wants", "-empty", "-delete")
        await session.run(*empty, user=inputs.user, check=False)


async def _remove_network(session: Session, inputs: UnitInputs) -> None:
    """A stopped network service leaves its network; podman before 5.5 can't be told otherwise."""
    name = f"systemd-{inputs.name.removesuffix('.network')}"
    for line in (inputs.text or "").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "NetworkName":
            name = value.strip()
    done = await session.run("podman", "network", "rm", name, user=inputs.user, check=False)
    if not done.ok and done.status != 127 and "not found" not in done.stderr:
        session.warn(f"the network {name} stays on {session.machine}: {done.stderr.strip()}")


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
    identity=("user", "name"),
    identify=identify,
    parse=parse,
    outputs=("service", "path"),
    # No lock for the whole manager: systemd takes reloads and jobs one after another by itself, and one slow start
    # must not hold up every other unit.
    locks=lambda inputs: (f"unit:{identify(inputs)}",),
    deadline=600.0,
    differs=differs,
    by_hand=by_hand,
)
