"""What the larger parts of a lab (a cluster, images, an old system) ask of the lab that makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lab.docker.images import Images
    from lab.machine import Machine
    from lab.service import Service


class Maker(Protocol):
    """A lab, as far as its parts know it; `lab.Lab` is one. So they need not import what makes them."""

    folder: Path
    prefix: str
    say: Callable[[str], None]

    @property
    def images(self) -> Images:
        """The images, made when first asked for."""
        ...

    def prepare(self) -> None:
        """See to it that Docker answers, and network, folder and key are there."""
        ...

    def machine(self, name: str, *, image: str = ..., users: Sequence[str] = ...) -> Machine:
        """Return the machine of that name, up; made if there is none."""
        ...

    def find(self, name: str) -> Machine:
        """Return the machine of that name as it is, on or off."""
        ...

    def registry(self) -> Service:
        """Return the image registry, up and filled."""
        ...

    def hosts(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each machine, by its name."""
        ...
