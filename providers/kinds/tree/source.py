"""The folder of the project that a Tree brings: what is in it, and what can't be brought.

It is read when settings are checked (so that a preview needs the repository alone) and again when files are sent.
Nothing of it gets into a state but paths below it, sizes and digests.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from providers.errors import InvalidInput
from providers.kinds.tree.patterns import Patterns
from providers.machine.session import shown

LEFT_OUT = (".git", ".DS_Store", "__pycache__")
"""What programs on people's computers leave in folders, and nobody means to bring."""
LARGEST = 64 * 1024 * 1024
"""Bytes of one file: each preview reads all of them."""
MOST = 20_000
"""Files of one Tree: each is a line in the state."""
PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s[\w\s+/=:,.()-]{64,}")
_PIECE = 1024 * 1024  # bytes


@dataclass(frozen=True)
class Entry:
    """One file or link of a source, by its path below it."""

    path: str
    size: int = 0
    """Bytes."""
    sha256: str = ""
    executable: bool = False
    target: str | None = None
    """Where a link points; None for a file."""


def folder_of(source: str) -> Path:
    """Return the folder that `source` names, from the project's folder on, which is where the plugin runs."""
    folder = Path(source)
    if not folder.exists():
        raise InvalidInput(
            f"the project has no folder {source!r}, so nothing can be brought from it",
            remedy="write its path as it is from the folder of Pulumi.yaml on, and see that git has it",
        )
    if not folder.is_dir():
        raise InvalidInput(f"{source!r} is no folder, and a Tree brings one", remedy="use a File for one file")
    if not folder.resolve().is_relative_to(Path.cwd().resolve()):
        raise InvalidInput(
            f"{source!r} leads out of the project, to {folder.resolve()}:"
            " whoever previews this elsewhere would have other files",
            remedy="bring the files into the project's folder",
        )
    return folder


def read(source: str, exclude: list[str]) -> dict[str, Entry]:
    """Read everything that a Tree brings, by path. InvalidInput names all that can't be brought, with the reasons."""
    root = folder_of(source)
    found: dict[str, Entry] = {}
    mistakes: list[str] = []
    for path, item in _walk(root, Patterns((*LEFT_OUT, *exclude))):
        try:
            found[path] = _entry(root, path, item)
        except OSError as error:
            mistakes.append(f"{shown(path)} can't be read: {error.strerror}")
        except ValueError as error:
            mistakes.append(f"{shown(path)} {error}")
    if len(found) > MOST:
        mistakes.append(f"{len(found)} files are in it, and a Tree brings {MOST} at most: use several, or an archive")
    if mistakes:
        more = f"\n(and {len(mistakes) - 10} more)" if len(mistakes) > 10 else ""
        raise InvalidInput(
            f"{source!r} holds what a Tree does not bring",
            detail="\n".join(sorted(mistakes)[:10]) + more,
            remedy="put it right, or name it in exclude",
        )
    if not found:
        raise InvalidInput(
            f"no file is in {source!r}{' that exclude leaves' if exclude else ''}, so there is nothing to bring",
            remedy="see whether the path is right; for an empty folder, use a Directory",
        )
    return dict(sorted(found.items()))


def _walk(root: Path, left_out: Patterns) -> Iterator[tuple[str, os.DirEntry[str]]]:
    todo = [""]
    while todo:
        folder = todo.pop()
        with os.scandir(root / folder) as items:
            for item in items:
                path = f"{folder}{item.name}"
                is_folder = item.is_dir(follow_symlinks=False)
                if left_out.match(shown(path), folder=is_folder):
                    continue
                if is_folder and os.access(item.path, os.R_OK | os.X_OK):
                    todo.append(f"{path}/")
                else:
                    yield path, item


def _entry(root: Path, path: str, item: os.DirEntry[str]) -> Entry:
    """Look at one file. ValueError where a Tree does not bring such a thing."""
    if shown(path) != path:
        raise ValueError("has a name that is not UTF-8, which no state can hold: give it another name")
    if re.search(r"[\x00-\x1f\x7f]", path):
        raise ValueError(f"has a name with a sign that can't be shown ({path!r}): give it another name")
    mode = item.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return Entry(path, target=_target(path, str(Path(item.path).readlink())))
    if stat.S_ISDIR(mode):
        raise PermissionError(13, os.strerror(13))  # _walk enters those that can be read
    if not stat.S_ISREG(mode):
        raise ValueError("is no file, folder or link (a pipe, a socket or a device)")
    size, digest, head = 0, hashlib.sha256(), b""
    with (root / path).open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            head = head or piece
            size += len(piece)
            if size > LARGEST:
                raise ValueError(
                    f"is larger than {LARGEST // 1024 // 1024} MiB, and every preview reads every file: let the machine"
                    " fetch it, by a Script"
                )
    if PRIVATE_KEY.search(head):
        raise ValueError(
            "holds a private key, which is none any more where everybody has the repository: take it out, make a new"
            " one, and give it to a File as a secret"
        )
    return Entry(path, size, digest.hexdigest(), bool(mode & stat.S_IXUSR))


def _target(path: str, target: str) -> str:
    """Return the target of a link. ValueError unless it stays below the source: elsewhere it means another thing."""
    if shown(target) != target:
        raise ValueError("is a link to a name that is not UTF-8: give that another name")
    if target.startswith("/"):
        raise ValueError(f"is a link to {target}, which on the machine is another place: make it a relative one")
    where = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if where == ".." or where.startswith("../"):
        raise ValueError(f"is a link to {target}, which leads out of the source: bring what it points to")
    return target


def folders(entries: dict[str, Entry]) -> list[str]:
    """List the folders that the files lie in, with a slash at their end, outer ones first; `./` is the tree itself."""
    found = {f"{parent}/" for path in entries for parent in PurePosixPath(path).parents if str(parent) != "."}
    return ["./", *sorted(found)]


def content(source: str, entry: Entry, sha256: str) -> bytes:
    """Read the bytes of a file, if they are still those of `sha256`."""
    try:
        data = (Path(source) / entry.path).read_bytes()
    except OSError as error:
        raise _changed(source, entry.path, str(error.strerror)) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _changed(source, entry.path, "it holds something else")
    return data


def _changed(source: str, path: str, how: str) -> InvalidInput:
    return InvalidInput(
        f"{source}/{path} has changed since the settings were read ({how}); it was not brought",
        remedy="run up again: it takes the file as it is then",
    )
