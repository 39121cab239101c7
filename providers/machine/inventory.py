"""The machines that the settings name, their connections, and one operation on one of them at a time per thing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from config.hosts import Host, Machines
from providers.errors import ConnectionFailed, ConnectionLost, InvalidInput
from providers.machine.ssh_session import SshSession, Tell

if TYPE_CHECKING:
    from providers.machine.connection import Connection

Result = TypeVar("Result")
Looked = TypeVar("Looked")


@dataclass(frozen=True)
class Placement:
    """Where a resource is, as its state remembers it (output `machine`)."""

    id: str
    """The machine's own id (machine-id(5))."""
    address: str
    port: int | None
    user: str | None

    def output(self) -> dict[str, Any]:
        found = {"id": self.id, "address": self.address, "port": self.port, "user": self.user}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def of(cls, state: Any) -> Placement | None:
        """Read the output `machine` of a state; None where there is none."""
        if not isinstance(state, dict) or "id" not in state:
            return None
        return cls(state["id"], state["address"], state.get("port"), state.get("user"))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]


class Inventory:
    """Every machine of `hearth:hosts`, connected to when first used."""

    def __init__(self, machines: Machines, project: Path) -> None:
        self.machines = machines
        config = machines.ssh_config_file(project)
        # The usual file need not be there; one that the settings name must, and connecting says so.
        usual = machines.ssh_config == Machines.model_fields["ssh_config"].default
        self._ssh_config = None if usual and not config.is_file() else str(config)
        self._connections: dict[tuple[str, Host], Connection] = {}
        self._said: set[str] = set()

    def host(self, name: str) -> Host:
        try:
            return self.machines.hosts[name]
        except KeyError:
            known = ", ".join(sorted(self.machines.hosts)) or "none at all"
            raise InvalidInput(
                f"the machine {name!r} is not in hearth:hosts (there: {known}), so nothing can be done on it",
                remedy="add it to hearth:hosts of this stack, or correct the name",
            ) from None

    def is_at(self, name: str, where: Placement) -> bool:
        """Return whether the settings still give a machine the address at which the state says that it is."""
        host = self.machines.hosts.get(name)
        return host is not None and (host.address or name, host.port, host.user) == (
            where.address,
            where.port,
            where.user,
        )

    def connection(self, name: str, where: Placement | None = None) -> Connection:
        """Return the connection to a machine: where the settings say that it is, or where a state says that it was."""
        if where is None or self.is_at(name, where):
            host = self.host(name)
        else:
            known = self.machines.hosts.get(name, Host())
            address = where.address
            host = known.model_copy(update={"address": address, "port": where.port, "user": where.user})
        address = host.address or name
        if self.machines.is_lost(address):
            raise InvalidInput(
                f"the machine {name} ({address}) is declared lost in hearth:lost, so nothing can be done on it",
                remedy="take its address out of hearth:lost, or what is still wished for there out of the settings",
            )
        key = (name, host)
        if key not in self._connections:
            # Loads asyncssh, a fifth of the plugin's start: a run that connects nowhere goes without.
            from providers.machine.connection import Connection

            self._connections[key] = Connection(name, host, self._ssh_config)
            self._connections[key].find = self.connection
        return self._connections[key]

    def say_once(self, tell: Tell, message: str) -> None:
        """Say what concerns many resources on behalf of one of them."""
        if message not in self._said:
            self._said.add(message)
            tell(message)

    async def where(self, name: str, connection: Connection) -> Placement:
        host = connection.host
        return Placement(await connection.machine_id(), host.address or name, host.port, host.user)

    async def close(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))


async def _looked_while_locking(
    session: SshSession, locks: Sequence[str], look: Callable[[SshSession], Awaitable[Looked]]
) -> tuple[Looked] | None:
    """Take locks and look, in one exchange; None where another has one of them: what was seen counts for nothing."""
    locking = session.try_lock(locks)

    async def looking() -> Looked:
        return await look(session)

    seeing = asyncio.ensure_future(looking())
    try:
        if await locking:
            return (await seeing,)
    finally:
        if not seeing.done():
            seeing.cancel()
        await asyncio.gather(seeing, return_exceptions=True)
    return None


async def operate(
    connection: Connection,
    work: Callable[[SshSession], Awaitable[Result]],
    *,
    deadline: float,
    locks: Sequence[str] = (),
    progress: Tell,
    warn: Tell,
) -> Result:
    """Do one piece of work on a machine, as `look_and_work` does, where there is nothing to look at first."""

    async def nothing(_session: SshSession) -> None:
        return

    async def only(session: SshSession, _looked: None) -> Result:
        return await work(session)

    return await look_and_work(connection, nothing, only, deadline=deadline, locks=locks, progress=progress, warn=warn)


async def look_and_work(
    connection: Connection,
    look: Callable[[SshSession], Awaitable[Looked]],
    work: Callable[[SshSession, Looked], Awaitable[Result]],
    *,
    deadline: float,
    locks: Sequence[str] = (),
    progress: Tell,
    warn: Tell,
) -> Result:
    """Look, and do one piece of work on a machine with what was seen, alone with what `locks` names.

    `look` changes nothing. It goes with the request for the locks, and is done again where those were not free.
    Where the connection drops it is all done again, for as long as an outage may last.

    `deadline` is in seconds and counts from when the work has its worker and its locks; each try has it anew.
    """
    ordered = sorted(set(locks))  # everybody in one order, so that no two wait for each other
    async with contextlib.AsyncExitStack() as stack:
        for name in ordered:
            await stack.enter_async_context(connection.locks.setdefault(name, asyncio.Lock()))
        give_up: float | None = None
        pause = 0.5
        while True:
            try:
                async with connection.calm.work(), connection.worker() as worker:
                    connection.outage.ended()
                    session = SshSession(
                        connection.name, worker, time.monotonic() + deadline, progress, warn, connection
                    )
                    if not ordered:
                        return await work(session, await look(session))
                    try:
                        looked = await _looked_while_locking(session, ordered, look)
                        if looked is None:
                            await session.lock(ordered)
                            session = SshSession(
                                connection.name, worker, time.monotonic() + deadline, progress, warn, connection
                            )
                            looked = (await look(session),)
                        return await work(session, looked[0])
                    finally:
                        worker.tell("unlock")
            except (ConnectionLost, ConnectionFailed) as error:
                outage = connection.outage
                if isinstance(error, ConnectionFailed) and not outage.under_way and give_up is None:
                    raise
                new = not outage.under_way
                give_up = outage.begun() if give_up is None else min(give_up, outage.begun())
                left = give_up - time.monotonic()
                if pause > left:
                    raise outage.given_up(error) from None
                if new:
                    progress(
                        f"the connection to {connection.label} has dropped; trying again, for {left:.0f} s at most"
                    )
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
