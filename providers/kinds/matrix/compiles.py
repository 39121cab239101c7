"""Whether a plugin's Python compiles, asked of the machine's own Python before anything is uploaded.

maubot 0.6.0 does not get over a module that does not: it answers 500, leaves the archive in its folder, and its next
start ends there, with every bot (docs/adr/0054). The operator's Python may be older than the machine's, so it is not
asked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from providers.errors import InvalidInput
from providers.machine.session import Session

if TYPE_CHECKING:
    from providers.kinds.matrix.archive import Archive

PROBE = (Path(__file__).with_name("compile_probe.py")).read_text()
SHOWN = 5
"""Files that are named; the rest is a number."""


async def must_compile(session: Session, archive: Archive) -> None:
    """Raise InvalidInput with file and line of what the machine's Python does not take of a plugin's modules."""
    script = f"FILES = {list(archive.python_files)!r}\n{PROBE}"
    done = await session.run("python3", "-I", script=script, stdin=archive.content)
    found = cast(dict[str, Any], json.loads(done.stdout))
    mistakes = cast(list[str], found["mistakes"])
    if not mistakes:
        return
    more = f" and {len(mistakes) - SHOWN} files more" if len(mistakes) > SHOWN else ""
    raise InvalidInput(
        f"the plugin {archive.plugin} is no Python that {session.machine} takes (Python {found['python']}): "
        f"{'; '.join(mistakes[:SHOWN])}{more}; nothing was uploaded",
        remedy="put the file right, then run up again: what was there before still runs",
    )
