"""Brings the tables back into a database that was found empty: a new one in the place of one that is gone."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from sqlalchemy import make_url

import foundation
from foundation.logs import get_logger
from todo_backend.about import ROOT
from todo_backend.config import Settings
from todo_backend.renewal import Passwords

SHARED = Path(foundation.__file__).resolve().parent.parent
"""Where the foundation is: beside us in the image, in a folder of its own in a clone."""
AGAIN_SECONDS = 10.0
"""From the end of one try to the next: probes ask every few seconds, and a user without the right fails each time."""
STOP_SECONDS = 5.0


class Recovery:
    """Runs `todo-backend migrate` as a process of its own, one at a time: while it works, probes are answered.

    Every replica may do so at the same moment: the migration takes a lock, and one of them does the work.
    """

    def __init__(self, settings: Settings, passwords: Passwords | None = None) -> None:
        self._settings = settings
        self._passwords = passwords or Passwords(settings.database)
        self._task: asyncio.Task[None] | None = None
        self._ended = float("-inf")

    def begin(self) -> None:
        """Start a try, unless one is under way or has just ended."""
        under_way = self._task is not None and not self._task.done()
        if under_way or time.monotonic() - self._ended < AGAIN_SECONDS:
            return
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        log = get_logger()
        log.warning("database_empty", next="its tables are made by `todo-backend migrate`")
        settings = self._settings
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), str(SHARED), os.environ.get("PYTHONPATH")))),
            "DATABASE_URL": self._address(),
            "DATABASE_CA": settings.database_ca or "",
            "LOG_LEVEL": settings.log_level,
            # It has just answered; where it goes away again, the next probe finds that out.
            "MIGRATE_WAIT": "0",
        }
        command = (sys.executable, "-m", "todo_backend", "migrate")
        process = None
        try:
            process = await asyncio.create_subprocess_exec(*command, env=environment)
            code = await process.wait()
            (log.info if code == 0 else log.error)("recovery_ended", code=code)
        except OSError as error:
            log.error("recovery_failed", reason=type(error).__name__)
        except asyncio.CancelledError:
            if process is not None:
                await _end(process)
            raise
        finally:
            self._ended = time.monotonic()

    def _address(self) -> str:
        """DATABASE_URL as it was given, or with the password that the database has taken since."""
        given = self._settings.database_url.get_secret_value()
        password = self._passwords.url().password
        if password == self._settings.database.url.password:
            return given
        return make_url(given).set(password=password).render_as_string(hide_password=False)

    async def close(self) -> None:
        """Give up what is under way: a migration that is ended leaves nothing behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
