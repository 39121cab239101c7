"""What is called on a machine while an interface goes into a bridge or out of it, by what configures its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from providers.kinds.lxd.bridge_files import Renderer


@dataclass(frozen=True)
class BridgeCommands:
    """What is called for a change of the network; NIC and NAME stand for the interface and the bridge."""

    into: list[list[str]]
    """Once the new files are there."""
    undo: list[list[str]]
    """Once the old ones are back."""
    again: list[list[str]]
    """Once the bridge is gone, too."""
    before: list[list[str]] = field(default_factory=list[list[str]])
    """While the old files are there: ifdown stops a client of DHCP only where its stanza is there still."""
    leave: list[list[str]] = field(default_factory=list[list[str]])
    """The same for the way back, while the new files are there."""

    def of(self, nic: str, name: str) -> BridgeCommands:
        """Return the commands for one interface and its bridge."""
        names = {"NIC": nic, "NAME": name}

        def named(group: list[list[str]]) -> list[list[str]]:
            return [[names.get(word, word) for word in words] for words in group]

        return BridgeCommands(
            named(self.into), named(self.undo), named(self.again), named(self.before), named(self.leave)
        )


FLUSH, READ_AGAIN = ["ip", "addr", "flush", "dev", "NIC"], ["networkctl", "reload"]
CONFIGURE_AGAIN = [READ_AGAIN, ["networkctl", "reconfigure", "NIC"]]
COMMANDS: dict[Renderer, BridgeCommands] = {
    "networkd": BridgeCommands([READ_AGAIN, FLUSH], [READ_AGAIN], CONFIGURE_AGAIN),
    "netplan": BridgeCommands(
        [["netplan", "generate"], READ_AGAIN, FLUSH], [["netplan", "generate"], READ_AGAIN], CONFIGURE_AGAIN
    ),
    "ifupdown": BridgeCommands(
        [FLUSH, ["ifup", "NAME"]],
        [],
        [["ifup", "--force", "NIC"]],
        before=[["-", "ifdown", "--force", "NIC"]],
        leave=[["-", "ifdown", "--force", "NAME"]],
    ),
}


def up_again(nic: str, name: str, addresses: Sequence[str], gateway: str | None, *, dhcp: bool) -> list[list[str]]:
    """Return what ifupdown is called with for a bridge that is there: ifup takes it for configured, or adds twice.

    A client of DHCP that is running refuses a second one, and asks again by itself.
    """
    gone = [["-", "ip", "addr", "del", each, "dev", name] for each in addresses]
    if gateway:
        gone.append(["-", "ip", "route", "del", "default", "via", gateway, "dev", name])
    up = ["ifup", "--force", name]
    return [[nic if word == "NIC" else word for word in FLUSH], *gone, ["-", *up] if dhcp else up]
