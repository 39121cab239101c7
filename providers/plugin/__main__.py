"""The executable behind `pulumi-resource-hearth`: the engine starts it, reads its port, and talks to it.

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

from providers.kinds import KINDS
from providers.plugin.adapter import Adapter, serve


async def _engine_gone(engine: int) -> None:
    """Done when the process that started us is no longer our parent."""
    while os.getppid() == engine:
        await asyncio.sleep(0.5)


async def _main() -> None:
    engine = os.getppid()
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    adapter = Adapter(KINDS, addresses[0] if addresses else "", Path.cwd())
    # Ctrl-C reaches the whole process group; the engine decides when we end.
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    await serve(adapter, lambda port: print(port, flush=True), _engine_gone(engine))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
