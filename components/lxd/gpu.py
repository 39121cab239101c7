"""Graphics cards: kept from their machines, and handed to virtual machines as devices of LXD's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi import Output, ResourceOptions

from components.lxd import gpu_driver
from components.lxd.deployed import DeployedCards
from config.systems.lxd import Lxd
from providers.resources.host import Script
from providers.resources.lxd import GpuReservation

Device = dict[str, str]
CARD_KEYS = {"type": "gpu", "gputype": "physical"}
"""LXD's device of a card. Source: LXD documentation, type gpu, gputype physical: `pci`."""


def reserve(parent: pulumi.Resource, name: str, settings: Lxd) -> dict[str, GpuReservation]:
    """Member -> the reservation of its cards, where it has any. It comes before all else there: it may restart it."""
    return {
        member: GpuReservation(
            f"{name}-gpus-{member}",
            host=settings.host_of(member),
            cards=list(wanted.gpus),
            console=wanted.console_gpu,
            restart=wanted.restart,
            opts=ResourceOptions(parent=parent),
        )
        for member, wanted in settings.members.items()
        if wanted.gpus
    }


def devices(cards: Sequence[str], functions: Sequence[str]) -> dict[str, Device]:
    """Return LXD's devices that hand cards to a virtual machine, by name, from all functions of its machine's cards.

    A card is a `gpu`; each other function of it a `pci`, the audio one among them (canonical/lxd#12643).
    """
    found: dict[str, Device] = {}
    for number, card in enumerate(cards):
        found[f"gpu{number}"] = {**CARD_KEYS, "pci": card}
        slot = card.rpartition(".")[0]
        for each in functions:
            if each != card and each.rpartition(".")[0] == slot:
                found[f"gpu{number}f{each.rpartition('.')[2]}"] = {"type": "pci", "address": each}
    return found


def devices_of(
    settings: Lxd, instance: str, reserved: Mapping[str, GpuReservation], own: Mapping[str, Device]
) -> Output[dict[str, Device]]:
    """Return all devices of an instance with cards: its own ones, and the cards as their machine knows them."""
    wanted = settings.instances[instance]
    return reserved[wanted.member].functions.apply(lambda functions: {**own, **devices(wanted.gpus, functions)})


def drive(name: str, settings: Lxd, instance: str, host: str, made: pulumi.Resource) -> None:
    """Install the cards' driver in an instance, where it is to have one; it stays with the instance's disk."""
    packages = settings.instances[instance].gpu_driver
    if packages:
        Script(
            f"{name}-gpu-driver-{instance}",
            host=host,
            name=f"gpu-driver-{instance}",
            check=gpu_driver.check(settings.daemon, instance, packages),
            apply=gpu_driver.install(settings.daemon, instance, packages),
            undo="true",
            opts=ResourceOptions(parent=made, custom_timeouts=pulumi.CustomTimeouts(create="30m", update="30m")),
        )


def deployed(settings: Lxd) -> dict[str, DeployedCards]:
    """Return what the checks need to know: machine -> its cards, and which instances have them."""
    return {
        settings.host_of(member): DeployedCards(
            cards=list(wanted.gpus),
            restart=wanted.restart,
            instances={
                name: list(each.gpus)
                for name, each in settings.instances.items()
                if each.member == member and each.gpus
            },
        )
        for member, wanted in settings.members.items()
        if wanted.gpus
    }
