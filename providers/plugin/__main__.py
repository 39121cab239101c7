"""The executable behind `pulumi-resource-hearth`: the engine starts it, reads its port, and talks to it.

Each command starts it anew, once or twice, so what a start costs is what a command costs that has nothing to do.
"""

from __future__ import annotations

import gc
import os
import sys

COLLECT_AFTER = 100_000
"""Objects more than before, until Python looks for garbage. What a start loads is none, and Python's own 700 make it go
through all of that again and again, for a tenth of the start."""


def main() -> None:
    """Serve until the engine ends it."""
    gc.set_threshold(COLLECT_AFTER)
    from providers.plugin.process import run  # only now: it is what is loaded

    run()
    # At once: to take apart all that was loaded takes Python a tenth of a start again, and nobody needs that.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
