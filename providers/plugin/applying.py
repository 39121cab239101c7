"""An `apply` under way behind the record of what was there before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic

from providers.errors import ConnectionLost, DeadlineExceeded, HearthError
from providers.machine.record import Record
from providers.plugin.desired_state import FactsT


class Applying(Generic[FactsT]):
    """An `apply` whose requests go out behind the record's, without waiting for the answer to that.

    The machine carries none of them out where the record could not be written; then `apply` is run once more, after it
    could be.
    """

    def __init__(self, apply: Callable[[], Awaitable[FactsT | None]]) -> None:
        self._apply = apply
        self._task: asyncio.Future[FactsT | None] = asyncio.ensure_future(self._run())

    async def _run(self) -> FactsT | None:
        return await self._apply()

    async def after(self, record: Record) -> bool:
        """Wait until the record is written; False where it can't be: nothing was changed, and `done` says why."""
        try:
            good = await record.held()
        except HearthError as error:
            await self._give_up()
            self._task = asyncio.get_running_loop().create_future()
            self._task.set_exception(error)
            return isinstance(error, ConnectionLost | DeadlineExceeded)
        except BaseException:
            await self._give_up()
            raise
        if not good:
            await self._give_up()
            self._task = asyncio.ensure_future(self._run())
        return True

    async def done(self) -> FactsT | None:
        """Wait until it is applied: what is there now, where the kind knows that already."""
        try:
            return await self._task
        finally:
            await self._give_up()

    async def _give_up(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
