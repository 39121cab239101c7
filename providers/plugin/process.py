"""The plugin's process, from its first request to its last.

It ends with its engine. An engine killed by SIGKILL says nothing, so its process is watched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from providers.kinds.table import FORMERLY, TABLE
from providers.plugin.adapter import Adapter, serve


async def _over(engine: int) -> None:
    """Done when the engine asks us to end (SIGINT, then SIGKILL 5 s later), or is no longer our parent."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    while os.getppid() == engine:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asked.wait(), 0.5)
            return


async def _main() -> None:
    engine = os.getppid()
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    adapter = Adapter(TABLE, addresses[0] if addresses else "", Path.cwd(), FORMERLY)
    await serve(adapter, lambda port: print(port, flush=True), _over(engine))


def run() -> None:
    """Serve one engine."""
    logging.basicConfig(
        level=os.environ.get("HEARTH_LOG", "WARNING"), stream=sys.stderr, format="%(name)s: %(message)s"
    )
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
