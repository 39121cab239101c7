"""What a unit makes on the side: the network of a `.network` file, the folder on which a `.mount` unit mounts.

systemd and podman leave it when the unit goes. It is Hearth's to remove only where it was not there before the unit.
"""

from __future__ import annotations

import re

from providers.errors import HearthError
from providers.kinds.unit import systemd
from providers.kinds.unit.settings import UnitInputs
from providers.machine.session import Account, Session


def network_of(inputs: UnitInputs) -> str:
    """Return the name of the network that a `.network` file makes."""
    own = re.findall(r"^\s*NetworkName\s*=\s*(\S+)\s*$", inputs.text or "", re.MULTILINE)
    return own[-1] if own else f"systemd-{inputs.name.removesuffix('.network')}"


def mounts_on(inputs: UnitInputs) -> str | None:
    """Return the folder that a unit of Hearth's mounts on, which systemd makes where it is missing."""
    if inputs.text is None or not inputs.name.endswith((".mount", ".automount")):
        return None
    return systemd.path_of(inputs.name)  # its Where= must say the same, in whatever form: systemd.mount(5)


async def made_aside(session: Session, inputs: UnitInputs, account: Account | None) -> str:
    """Return its name, where it is there already; "" where not, or where the unit makes none.

    Read from the disk: podman, asked as the account, would leave a process behind.
    """
    if inputs.name.endswith(".network"):
        home = None if account is None else inputs.home or account.home
        folder = "/etc/containers/networks" if home is None else f"{home}/.local/share/containers/storage/networks"
        name = network_of(inputs)
        return name if await session.stat(f"{folder}/{name}.json") is not None else ""
    folder = mounts_on(inputs)
    return folder if folder is not None and await session.stat(folder) is not None else ""


async def remove_aside(session: Session, inputs: UnitInputs) -> None:
    """Remove what the unit has made; a folder only where nothing is in it."""
    if inputs.name.endswith(".network"):
        # A stopped network service leaves its network; podman before 5.5 can't be told otherwise.
        name = network_of(inputs)
        done = await session.run("podman", "network", "rm", name, user=inputs.user, check=False)
        if not done.ok and done.status != 127 and "not found" not in done.stderr:
            session.warn(f"the network {name} stays on {session.machine}: {done.stderr.strip()}")
    elif (folder := mounts_on(inputs)) is not None:
        try:
            await session.remove(folder)
        except HearthError as error:
            session.warn(f"{folder} on {session.machine}, made for {inputs.name}, stays: {error.summary}")
