"""The lab's images: what is made from what, and the name that follows from the content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

FOLDER = Path(__file__).parent.parent / "images"
REPOSITORY = "hearth-lab"
KERNEL = "-kernel"


@dataclass(frozen=True)
class Recipe:
    """An image: a Debian release (`release`, no parent), or a folder of lab/images on top of a parent.

    The folder has the image's name, unless `source` names another; `arguments` are handed to its Dockerfile. `npm` says
    that npm is in it, so that it takes over this machine's settings of npm too.
    """

    name: str
    release: str
    parent: str | None = None
    source: str | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    npm: bool = False

    @property
    def folder(self) -> Path:
        """Where its Dockerfile is."""
        return FOLDER / (self.source or self.name)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("debian-trixie", "trixie"),
        Recipe("debian-bookworm", "bookworm"),
        Recipe("slim-trixie", "trixie", "debian-trixie", source="slim"),
        Recipe("slim-bookworm", "bookworm", "debian-bookworm", source="slim"),
        Recipe("machine", "trixie", "debian-trixie"),
        Recipe("machine-podman", "trixie", "machine"),
        Recipe("machine-docker", "trixie", "machine"),
        Recipe("machine-kubernetes", "trixie", "machine"),
        Recipe("machine-lxd", "trixie", "machine", source="../systems/lxd/images/machine-lxd"),
        Recipe("machine-zfs", "trixie", "machine-lxd", source="../systems/lxd/images/machine-zfs"),
        Recipe("small-instance", "trixie", "debian-trixie", source="../systems/lxd/images/small-instance"),
        Recipe("lxd-instance", "trixie", "debian-trixie", source="../systems/lxd/images/instance"),
        Recipe("emulator", "trixie", "debian-trixie"),
        Recipe("machine-matrix", "trixie", "machine", source="../systems/maubot/images/machine-matrix"),
        Recipe("postgres", "trixie", "debian-trixie", arguments=(("RELEASE", "13"), ("MAJOR", "17"))),
        Recipe(
            "postgres15",
            "bookworm",
            "debian-bookworm",
            source="postgres",
            arguments=(("RELEASE", "12"), ("MAJOR", "15")),
        ),
        Recipe("registry-server", "trixie", "debian-trixie"),
        Recipe("windows", "trixie", "debian-trixie"),
        Recipe("python311", "bookworm", "slim-bookworm"),
        Recipe("node24", "trixie", "slim-trixie", npm=True),
        Recipe("tiny", "trixie", "debian-trixie"),
        Recipe("ollama", "trixie", "tiny"),
        Recipe("backend", "trixie", "tiny"),
    )
}

# The registry's content: public name -> recipe. What is here is pulled by its public name on a lab machine.
PUBLISHED: dict[str, str] = {
    "library/debian:trixie-slim": "slim-trixie",
    "library/debian:bookworm-slim": "slim-bookworm",
    "library/python:3.11-slim": "python311",
    "library/node:24-slim": "node24",
    "library/postgres:17": "postgres",
    "library/postgres:15": "postgres15",
    "ollama/ollama:latest": "ollama",
    "secondbrain/backend:latest": "backend",
}


def recipe(name: str) -> Recipe:
    """Return the recipe of that name; raise LabError naming those that exist.

    `NAME-kernel` is NAME with what it needs to run on a kernel of its own.
    """
    base, kernel, rest = name.rpartition(KERNEL)
    if kernel and not rest:
        return Recipe(name, recipe(base).release, base, source="kernel")
    if name not in RECIPES:
        raise LabError(f"There is no lab image {name!r}. The images are: {', '.join(sorted(RECIPES))}.")
    return RECIPES[name]


def digest(name: str, host: str, npm: str = "") -> str:
    """Return twelve hex digits over a recipe's files, its parents', and the host's settings (a digest; npm's)."""
    own = recipe(name)
    total = hashlib.sha256(f"{own.name}\n{own.release}\n{host}\n".encode())
    for key, value in own.arguments:
        total.update(f"{key}={value}\n".encode())
    if own.npm:
        total.update(npm.encode())
    if own.parent is not None:
        total.update(digest(own.parent, host, npm).encode())
        for path in sorted(own.folder.rglob("*")):
            if path.is_file():
                total.update(f"{path.relative_to(own.folder)}\n".encode() + path.read_bytes())
    return total.hexdigest()[:12]


def tag(name: str, host: str, npm: str = "") -> str:
    """Return the image's tag, `hearth-lab/NAME:DIGEST`: same content, same tag, so it is made once and shared."""
    return f"{REPOSITORY}/{name}:{digest(name, host, npm)}"


def registry_tag(server: str, published: dict[str, str]) -> str:
    """Return the tag of the registry's image when it is filled with these images (public name -> local tag)."""
    content = "\n".join([server, *(f"{name} {local}" for name, local in sorted(published.items()))])
    return f"{REPOSITORY}/registry:{hashlib.sha256(content.encode()).hexdigest()[:12]}"
