"""Builds the todo app's images on this machine and puts them into the lab's registry."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab import forward
from lab.docker import cli, recipes
from lab.errors import LabError
from lab.locks import machine_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.lab import Lab

APP = Path(__file__).resolve().parents[3] / "apps" / "todo"
PARTS = ("backend", "frontend")
BUILD_SECONDS = 1500
PUSH_SECONDS = 300
_FROM = re.compile(r"^(FROM\s+(?:--platform=\S+\s+)?)(\S+)(.*)$", re.IGNORECASE)
_COPY_FROM = re.compile(r"^(COPY\s+.*--from=)(\S+)(\s.*)$", re.IGNORECASE)


def ensure(lab: Lab) -> dict[str, str]:
    """Return `registry:5000/hearth/todo-PART@sha256:...` of each part; built where missing, in the lab's registry."""
    registry = lab.registry()
    found: dict[str, str] = {}
    for part in PARTS:
        tag = build(lab, part)
        name = f"hearth/todo-{part}"
        with forward.to(registry.address, registry.port) as port:
            found[part] = f"registry:5000/{name}@{_push(tag, f'127.0.0.1:{port}/{name}:built')}"
    return found


def build(lab: Lab, part: str) -> str:
    """Return the tag of a part's image on this machine, made if its content has none yet."""
    folder = APP / part
    file = folder / "Dockerfile"
    if not file.is_file():
        raise LabError(f"{file} is missing, so the todo app's {part} has no image. Nothing was built. Restore it.")
    bases: dict[str, str] = {}
    for name in public_bases(file.read_text()):
        bases[name] = lab.images.ensure(recipes.PUBLISHED[_published(name)])
    text = rewritten(file.read_text(), bases)
    tag = f"{recipes.REPOSITORY}/todo-{part}:{_digest(folder, text)}"
    with machine_lock(f"image-{tag}"):
        if cli.inspect("image", tag) is None:
            started = time.monotonic()
            lab.say(f"image todo-{part}: building")
            _build(folder, text, tag)
            lab.say(f"image todo-{part}: built in {time.monotonic() - started:.0f} s")
    return tag


def public_bases(text: str) -> list[str]:
    """Return the images of others that a Dockerfile begins from: not its own stages, and not `scratch`."""
    stages: set[str] = {"scratch"}
    found: list[str] = []
    for line in text.splitlines():
        begun, copied = _FROM.match(line), _COPY_FROM.match(line)
        if begun is not None:
            if begun[2] not in stages:
                found.append(begun[2])
            words = begun[3].split()
            if len(words) == 2 and words[0].lower() == "as":
                stages.add(words[1])
        elif copied is not None and copied[2] not in stages and not copied[2].isdigit():
            found.append(copied[2])
    return list(dict.fromkeys(found))


def rewritten(text: str, bases: dict[str, str]) -> str:
    """Return a Dockerfile that begins from other images: public name -> name here."""
    lines: list[str] = []
    for line in text.splitlines():
        match = _FROM.match(line) or _COPY_FROM.match(line)
        lines.append(f"{match[1]}{bases.get(match[2], match[2])}{match[3]}" if match else line)
    return "\n".join(lines) + "\n"


def _published(name: str) -> str:
    """Return a base's name as the lab's registry has it; raise LabError if it does not."""
    plain, _, _ = name.removeprefix("docker.io/").partition("@")
    key = plain if "/" in plain else f"library/{plain}"
    if key not in recipes.PUBLISHED:
        raise LabError(
            f"The todo app begins from {name!r}, and the lab makes no image of that name, so its own can't be built. "
            f"Add a recipe to lab/docker/recipes.py, or begin from one of: {', '.join(sorted(recipes.PUBLISHED))}."
        )
    return key


def is_ignored(path: str, patterns: list[str]) -> bool:
    """Say whether a .dockerignore keeps a path out of the context: the last line that matches it decides."""
    parts = path.split("/")
    ways = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    ignored = False
    for pattern in patterns:
        kept = pattern.startswith("!")
        if any(_pattern(pattern.lstrip("!")).fullmatch(way) for way in ways):
            ignored = not kept
    return ignored


def _pattern(text: str) -> re.Pattern[str]:
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = re.split(r"(\*\*/|\*\*|\*|\?)", text.strip("/"))
    return re.compile("".join(pieces.get(word, re.escape(word)) for word in words))


def _files(folder: Path) -> Iterator[Path]:
    """The files of the context of a build, in a fixed order."""
    file = folder / ".dockerignore"
    lines = [line.strip() for line in file.read_text().splitlines()] if file.is_file() else []
    patterns = [line for line in lines if line and not line.startswith("#")]
    excepted = [pattern.lstrip("!/").split("/")[0] for pattern in patterns if pattern.startswith("!")]
    for place, folders, names in os.walk(folder):
        top = Path(place) == folder
        # A folder that is kept out is not walked, unless something in it may be excepted again.
        folders[:] = sorted(
            name
            for name in folders
            if not is_ignored(str((Path(place) / name).relative_to(folder)), patterns) or (top and name in excepted)
        )
        for name in sorted(names):
            path = Path(place) / name
            if not is_ignored(str(path.relative_to(folder)), patterns):
                yield path


def _digest(folder: Path, dockerfile: str) -> str:
    total = hashlib.sha256(dockerfile.encode())
    for path in _files(folder):
        mode = "x" if os.access(path, os.X_OK) else "-"
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        total.update(f"\0{path.relative_to(folder)}\0{mode}\0".encode() + content)
    return total.hexdigest()[:12]


def _build(folder: Path, dockerfile: str, tag: str) -> None:
    with tempfile.TemporaryDirectory(prefix="hearth-lab-") as place:
        file = Path(place) / "Dockerfile"
        file.write_text(dockerfile)
        label = f"hearth.lab.image={tag.partition(':')[0].removeprefix(f'{recipes.REPOSITORY}/')}"
        # The classic builder is in every version of Docker and needs no plugin.
        command = ["env", "DOCKER_BUILDKIT=0", "docker", "build", "--rm", "--force-rm", "--tag", tag, "--label", label]
        cli.run([*command, "--file", str(file), str(folder)], timeout=BUILD_SECONDS)


def _push(tag: str, remote: str) -> str:
    """Push an image under another name; return the digest that the registry knows it by."""
    cli.docker("tag", tag, remote)
    try:
        told = cli.docker("push", remote, timeout=PUSH_SECONDS).stdout
    finally:
        cli.docker("rmi", "--no-prune", remote, check=False)
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", told)
    if found is None:
        raise LabError(f"`docker push {remote}` told no digest, so the image can't be named by it. It said:\n{told}")
    return found[1]
