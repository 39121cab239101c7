"""Every kind of resource that the provider `hearth` offers. A new kind is one module, and one line here.

A kind is loaded when it is first asked for: its models take longer to make than the rest of the plugin to start, and a
program uses a few of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from providers.kind import Kind

_PLACES = {
    "hearth:host:File": "file",
    "hearth:host:Directory": "directory",
    "hearth:host:Tree": "tree.kind",
    "hearth:host:Block": "block.kind",
    "hearth:host:Package": "package.kind",
    "hearth:host:User": "user.kind",
    "hearth:host:Script": "script",
    "hearth:host:Unit": "unit.kind",
    "hearth:host:GitCheckout": "git_checkout.kind",
    "hearth:host:Venv": "venv.kind",
    "hearth:host:ContainerImage": "container_image.kind",
    "hearth:host:ContainerRecord": "container_record",
    "hearth:host:CommandOutput": "command_output",
    "hearth:host:MountPoint": "mount_point",
    "hearth:matrix:MatrixUser": "matrix.user",
    "hearth:matrix:MaubotPlugin": "matrix.plugin",
    "hearth:matrix:MaubotClient": "matrix.client",
    "hearth:matrix:MaubotInstance": "matrix.instance",
    "hearth:lxd:Bridge": "lxd.bridge",
    "hearth:lxd:Daemon": "lxd.daemon",
    "hearth:lxd:GpuReservation": "lxd.gpu_reservation",
    "hearth:lxd:Member": "lxd.member",
    "hearth:lxd:StoragePool": "lxd.storage_pool",
    "hearth:lxd:Network": "lxd.network",
    "hearth:lxd:Profile": "lxd.profile",
    "hearth:lxd:ClusterGroup": "lxd.cluster_group",
    "hearth:lxd:Image": "lxd.image",
    "hearth:lxd:Instance": "lxd.instance",
    "hearth:lxd:OverlayMember": "lxd.overlay_member",
}
"""Type token -> the module that carries it out, below this package."""
FORMERLY = {"hearth:host:Fact": "hearth:host:CommandOutput"}
"""The token that a kind had before (`Kind.formerly`) -> the one that it has: states hold both."""


class _Table(Mapping[str, Kind[Any, Any]]):
    """Kinds by their tokens, each loaded when it is asked for."""

    def __getitem__(self, token: str) -> Kind[Any, Any]:
        """Load the kind of a token; KeyError where there is none."""
        kind: Kind[Any, Any] = importlib.import_module(f"providers.kinds.{_PLACES[token]}").KIND
        return kind

    def __contains__(self, token: object) -> bool:
        """Tell whether there is such a kind, without loading it."""
        return token in _PLACES

    def __iter__(self) -> Iterator[str]:
        """Go through the tokens."""
        return iter(_PLACES)

    def __len__(self) -> int:
        """Count the kinds."""
        return len(_PLACES)


TABLE: Mapping[str, Kind[Any, Any]] = _Table()


def all_kinds() -> tuple[Kind[Any, Any], ...]:
    """Load every kind, for what is made from all of them: the schema, the classes."""
    return tuple(TABLE.values())
