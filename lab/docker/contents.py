"""What Docker has of a lab: each container of it, and the way to take all of it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lab import names
from lab.docker import cli, containers, daemon
from lab.docker.images import purge_images

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def address_of(found: Mapping[str, Any], network: str) -> str:
    """Return a container's address in a network, from what Docker says of it."""
    # The wish, not the lease: a container that is off has no lease, and its address is fixed.
    ends: dict[str, Any] = found["NetworkSettings"]["Networks"].get(network) or {}
    return str(cast(dict[str, str], ends.get("IPAMConfig") or {}).get("IPv4Address") or ends.get("IPAddress") or "")


def status(labels: dict[str, str], network: str) -> list[dict[str, str]]:
    """Return one entry per container that bears the labels: name, kind, address, image, state."""
    rows: list[dict[str, str]] = []
    for container in cli.names("container", labels):
        found = cli.inspect("container", container)
        if found is None:
            continue
        its = found["Config"]["Labels"]
        rows.append(
            {
                "name": its.get(names.LABEL_MACHINE, container),
                "kind": its.get(names.LABEL_KIND, ""),
                "address": address_of(found, network),
                "image": its.get("hearth.lab.image", ""),
                "state": found["State"]["Status"],
            }
        )
    return rows


def remove(labels: dict[str, str], say: Callable[[str], None], *, purge: bool) -> None:
    """Remove what bears the labels; with `purge` the shared images too.

    A Docker that a lab started ends with the last lab.
    """
    if daemon.engine_answers():
        found = cli.names("container", labels)
        containers.remove(found)
        volumes = cli.names("volume", labels)
        containers.remove((), volumes)
        for network in cli.names("network", labels):
            containers.remove((), network=network)
        say(f"removed {len(found)} containers, {len(volumes)} volumes and the network")
        if purge:
            purge_images(say)
        daemon.end_docker_if_ours(say)
    elif daemon.probe().client_installed:
        say("Docker does not answer, so nothing of the lab runs; what it may have left shows when Docker runs again")
