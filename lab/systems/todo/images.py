"""Builds the todo app's images on this machine and puts them into the lab's registry."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import time
from typing import TYPE_CHECKING

from components.blocks.build_context import TODO, BuildContext
from lab import forward
from lab.docker import cli, recipes
from lab.errors import LabError
from lab.locks import machine_lock

if TYPE_CHECKING:
    from lab.maker import Maker

PARTS = tuple(TODO)
BUILD_SECONDS = 1500
PUSH_SECONDS = 300
_FROM = re.compile(r"^(FROM\s+(?:--platform=\S+\s+)?)(\S+)(.*)$", re.IGNORECASE)
_COPY_FROM = re.compile(r"^(COPY\s+.*--from=)(\S+)(\s.*)$", re.IGNORECASE)


def ensure(lab: Maker) -> dict[str, str]:
    """Return `registry:5000/hearth/todo-PART@sha256:...` of each part; built where missing, in the lab's registry."""
    registry = lab.registry()
    found: dict[str, str] = {}
    for part in PARTS:
        tag = build(lab, part)
        name = f"hearth/todo-{part}"
        with forward.to(registry.address, registry.port) as port:
            found[part] = f"registry:5000/{name}@{_push(tag, f'127.0.0.1:{port}/{name}:built')}"
    return found


def build(lab: Maker, part: str) -> str:
    """Return the tag of a part's image on this machine, made if its content has none yet."""
    context = TODO[part]
    file = context.folder / context.dockerfile
    if not file.is_file():
        raise LabError(f"{file} is missing, so the todo app's {part} has no image. Nothing was built. Restore it.")
    bases: dict[str, str] = {}
    for name in public_bases(context.text):
        bases[name] = lab.images.ensure(recipes.PUBLISHED[_published(name)])
    text = rewritten(context.text, bases)
    tag = f"{recipes.REPOSITORY}/todo-{part}:{_digest(context, text)}"
    with machine_lock(f"image-{tag}"):
        if cli.inspect("image", tag) is None:
            started = time.monotonic()
            lab.say(f"image todo-{part}: building")
            _build(context, text, tag)
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


def _digest(context: BuildContext, dockerfile: str) -> str:
    return hashlib.sha256(f"{dockerfile}\0{context.digest()}".encode()).hexdigest()[:12]


def _archive(context: BuildContext, dockerfile: str) -> bytes:
    """Return the context as `docker build` takes it on stdin, with another Dockerfile."""
    packed = io.BytesIO()
    # Docker tells an archive by its first 512 bytes, which must hold a file's header and no extension of it.
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in context.files():
            name = str(path.relative_to(context.folder))
            if name == context.dockerfile:
                entry = tarfile.TarInfo(name)
                entry.size = len(dockerfile.encode())
                tar.addfile(entry, io.BytesIO(dockerfile.encode()))
            else:
                tar.add(path, name, recursive=False)
    return packed.getvalue()


def _build(context: BuildContext, dockerfile: str, tag: str) -> None:
    label = f"hearth.lab.image={tag.partition(':')[0].removeprefix(f'{recipes.REPOSITORY}/')}"
    # The classic builder is in every version of Docker and needs no plugin.
    command = ["env", "DOCKER_BUILDKIT=0", "docker", "build", "--rm", "--force-rm", "--tag", tag, "--label", label]
    command += ["--file", context.dockerfile, "-"]
    cli.run(command, timeout=BUILD_SECONDS, stdin=_archive(context, dockerfile))


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
