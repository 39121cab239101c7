"""A restart of a machine in the middle of a run: alone there, once, and waited for.

Whoever restarts a machine waits until nothing else of this run is at work on it; what comes meanwhile waits until the
machine is back. The connection then drops, as in any other outage, and the operation is done again on the restarted
machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from providers.errors import NotConverged

if TYPE_CHECKING:
    from providers.machine.session import Session

BOOT_ID = "/proc/sys/kernel/random/boot_id"
RESTART_SECONDS = 900.0
"""Seconds that a machine may take to come back: a server's firmware looks at its memory for minutes."""


class Calm:
    """Of one machine: who is at work on it, and whether somebody is about to restart it."""

    def __init__(self) -> None:
        self._at_work = 0
        self._restarting = False
        self._changed = asyncio.Condition()
        self.boot = ""
        """The boot that a restart of this run ended, or is about to; empty where there was none."""

    @asynccontextmanager
    async def work(self) -> AsyncGenerator[None]:
        """Be at work on the machine; wait first while it is about to be restarted."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._restarting)
            self._at_work += 1
        try:
            yield
        finally:
            async with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Within `work`: wait until nobody else is at work, and let nobody begin."""
        async with self._changed:
            self._restarting = True
            await self._changed.wait_for(lambda: self._at_work == 1)
        try:
            yield
        finally:
            async with self._changed:
                self._restarting = False
                self._changed.notify_all()


async def restart(session: Session, calm: Calm, announce: Callable[[float], None]) -> bool:
    """Restart the machine of a session, and wait until the connection drops: that error is the way out.

    Returns False where this run has restarted it already. `announce` is told for how many seconds it may be away.

    Raises NotConverged where a restart would end this run itself.
    """
    boot = (await session.run("cat", BOOT_ID)).stdout.strip()
    if calm.boot not in ("", boot):
        return False
    if boot == Path(BOOT_ID).read_text().strip():
        raise NotConverged(
            f"{session.machine} has to be restarted, and it is the machine on which this runs, or shares its kernel",
            remedy="restart it by hand, then run up again: it goes on from there",
        )
    async with calm.alone():
        announce(RESTART_SECONDS)
        if not calm.boot:
            calm.boot = boot
            # It may go down before it has answered.
            await session.run("systemctl", "reboot", check=False)
        while True:
            await session.run("sleep", "1", check=False)
