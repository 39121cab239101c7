"""Which functions of which PCI devices are kept from a machine with its graphics cards: pure functions.

Cards are named by their PCI addresses: two equal cards have the same ids, and by ids alone both would be taken. A
virtual machine gets an IOMMU group whole or not at all, so what is in a card's group goes along, but for bridges; what
the machine itself needs (disks, network cards, other displays, USB) does not, and its card is refused then.

Sources: Linux Documentation/driver-api/vfio.rst; PCI Code and ID Assignment Specification (classes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VFIO = "vfio-pci"
BRIDGE_CLASS = "0x06"
CARD_CLASSES = ("0x03", "0x12")
"""Displays (VGA, 3D, others) and processing accelerators."""
OWN_CLASSES = {"0x01": "storage", "0x02": "a network card"}
"""What a machine needs itself, also where it is a function of the card's own slot."""
NEIGHBOUR_CLASSES = {**OWN_CLASSES, "0x03": "another display", "0x0c03": "USB"}
"""What a machine needs itself, where it only shares a card's group."""


@dataclass(frozen=True)
class Function:
    """A function of a PCI device, as sysfs has it."""

    address: str
    device_class: str
    """As 0x030000: a display controller."""
    group: str
    """Number of its IOMMU group; empty where there is none."""
    driver: str = ""
    console: str = ""
    """How the machine's own console is on it; empty where it is not."""
    vendor: str = ""
    """As 0x10de: NVIDIA."""
    parts: tuple[str, ...] = ()
    """What the machine knows of it by name: sda, enp1s0."""

    @property
    def slot(self) -> str:
        """The device that it is a function of."""
        return self.address.rpartition(".")[0]

    @property
    def shown(self) -> str:
        """Its address, with what a person knows it by."""
        return f"{self.address} ({', '.join(self.parts)})" if self.parts else self.address


class NotReservable(ValueError):
    """A card can't be kept for virtual machines; the message is `what; remedy`."""


def functions_in(found: Mapping[str, Any]) -> list[Function]:
    """Read what gpu_machine.py tells of the functions."""
    return [
        Function(
            each["address"],
            each["class"],
            each["group"],
            each["driver"],
            each["console"],
            each["vendor"],
            tuple(sorted(each["parts"])),
        )
        for each in found["functions"]
    ]


def of_cards(cards: Sequence[str], functions: Sequence[Function]) -> list[str]:
    """Return the addresses of every function of some cards, each card's first one first."""
    return [each.address for card in cards for each in functions if each.slot == card.rpartition(".")[0]]


def to_reserve(
    cards: Sequence[str], functions: Sequence[Function], *, console: bool = False, off: bool = False
) -> list[str]:
    """Return all functions that go with some cards.

    Their other functions, and the rest of their IOMMU groups but for bridges. `off`: the IOMMU is there and not
    switched on yet, so that no group is known.

    Raises NotReservable where a card is not there, is none, has no group, shares it with what the machine needs, or
    drives the console and that was not allowed.
    """
    known = {each.address: each for each in functions}
    slots = {card.rpartition(".")[0] for card in cards}
    found: set[str] = set()
    for card in cards:
        if card not in known:
            raise NotReservable(f"there is no PCI device {card}; `lspci -D` on the machine shows what there is")
        if not known[card].device_class.startswith(CARD_CLASSES):
            raise NotReservable(
                f"{known[card].shown} is no graphics card (its class is {known[card].device_class}); name the function"
                " that `lspci -D` on the machine shows as VGA, 3D or display controller"
            )
        own = [each for each in functions if each.slot == known[card].slot]
        if not off and any(not each.group for each in own):
            raise NotReservable(
                f"{card} is in no IOMMU group; switch on VT-d or AMD-Vi in the firmware, and restart the machine"
            )
        groups = {each.group for each in own} - {""}
        together = [each for each in functions if each in own or each.group in groups]
        together = [each for each in together if not each.device_class.startswith(BRIDGE_CLASS)]
        _refuse_what_the_machine_needs(card, together, slots)
        shown = [each for each in together if each.console]
        if shown and not console:
            raise NotReservable(
                f"{shown[0].address} drives the machine's own console ({shown[0].console}), which would go dark; allow"
                " it with `console-gpu: true`"
            )
        found |= {each.address for each in together}
    return sorted(found)


def _refuse_what_the_machine_needs(card: str, together: Sequence[Function], slots: set[str]) -> None:
    needed: list[str] = []
    for each in together:
        classes = OWN_CLASSES if each.slot in slots else NEIGHBOUR_CLASSES
        needed += [f"{each.shown}, {what}" for start, what in classes.items() if each.device_class.startswith(start)]
    if needed:
        raise NotReservable(
            f"the IOMMU group of {card} holds what the machine itself needs: {'; '.join(needed)}".replace("; ", " and ")
            + "; put the card into another slot of the machine, whose group it has for itself"
        )


def waiting(cards: Sequence[str], functions: Sequence[Function], reserved: Sequence[str]) -> str:
    """Tell why a restart of the machine is needed before its cards are kept; empty where they are."""
    known = {each.address: each for each in functions}
    if any(not known[each].group for each in of_cards(cards, functions)):
        return "the IOMMU is not on before that"
    held = [known[each] for each in reserved if each in known and known[each].driver != VFIO]
    if not held:
        return ""
    return "; ".join(f"{each.address} has {each.driver or 'no driver'} until then" for each in held)
