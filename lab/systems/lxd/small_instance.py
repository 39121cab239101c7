"""Two images that are small enough for a machine whose processor software emulates: busybox, as either type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.docker import cli

if TYPE_CHECKING:
    from lab.machine import Machine
    from lab.maker import Maker

RECIPE = "small-instance"
TYPES = ("container", "virtual-machine")
SEND_SECONDS = 600
# An archive within the archive that `docker cp` writes.
_SEND = 'docker cp "$1:$2" - | tar -x -O | ssh -F "$3" -l root "$4" "cat > $2"'


def put(lab: Maker, machine: Machine) -> dict[str, str]:
    """Lay the images' archives on a machine, over its network; type -> path there."""
    source = cli.docker("create", lab.images.ensure(RECIPE), "true").stdout.strip()
    paths = {each: f"/srv/{each}.tar" for each in TYPES}
    try:
        for path in paths.values():
            words = ["sh", "-c", _SEND, "sh", source, path, str(machine.ssh_config), machine.name]
            cli.run(words, timeout=SEND_SECONDS)
    finally:
        cli.docker("rm", "--force", source)
    return paths
