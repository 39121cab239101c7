"""What an image is built from: a folder, the Dockerfile in it, and what of the folder that Dockerfile copies.

The Dockerfile is the one place that says so: names of images, what is sent to a machine and what the lab builds all
follow from its COPY lines and the folder's .dockerignore. Reads files and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.lines import lines_in

APPS = Path(__file__).resolve().parents[2] / "apps"
_COPY = re.compile(r"^\s*COPY\s+(.+)$", re.IGNORECASE)


@dataclass(frozen=True)
class BuildContext:
    """A folder and, as a path in it, the Dockerfile of one of the images that are made from it."""

    folder: Path
    dockerfile: str

    @property
    def text(self) -> str:
        """The Dockerfile."""
        return (self.folder / self.dockerfile).read_text()

    @property
    def parts(self) -> tuple[str, ...]:
        """Paths in the folder that the build needs: the Dockerfile, .dockerignore, and what is copied into the image.

        Raises ValueError for a COPY that this can't read, as one over several lines.
        """
        return tuple(dict.fromkeys((self.dockerfile, ".dockerignore", *copied(self.text))))

    def files(self) -> Iterator[Path]:
        """Yield the files of these parts that .dockerignore lets in, in a fixed order."""
        ignored = self.folder / ".dockerignore"
        lines = [line.strip() for line in lines_in(ignored.read_text())] if ignored.is_file() else []
        patterns = [line for line in lines if line and not line.startswith("#")]
        for part in sorted(self.parts):
            path = self.folder / part
            if part in (self.dockerfile, ".dockerignore"):
                yield from [path] if path.is_file() else []
            else:
                yield from self._within(path, patterns)

    def _within(self, path: Path, patterns: list[str]) -> Iterator[Path]:
        if not path.is_dir() or path.is_symlink():
            if not is_ignored(str(path.relative_to(self.folder)), patterns):
                yield path
            return
        for place, folders, names in os.walk(path):
            inside = Path(place).relative_to(self.folder)
            folders[:] = sorted(name for name in folders if _is_walked(str(inside / name), patterns))
            yield from (Path(place) / name for name in sorted(names) if not is_ignored(str(inside / name), patterns))

    def digest(self) -> str:
        """Twelve hex digits over everything the image is made of: same content, same tag, nothing to build."""
        total = hashlib.sha256()
        for path in self.files():
            mode = "x" if os.access(path, os.X_OK) else "-"
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            total.update(f"\0{path.relative_to(self.folder)}\0{mode}\0{len(content)}\0".encode() + content)
        return total.hexdigest()[:12]

    def seen_from(self, project: Path) -> str:
        """Return the folder as a path from the project's, where Pulumi runs commands: the same in every clone."""
        return os.path.relpath(self.folder, project)


MAIL_ASSISTANT = BuildContext(APPS, "mail-assistant/Dockerfile")
TODO: Mapping[str, BuildContext] = {
    "backend": BuildContext(APPS, "todo/backend/Dockerfile"),
    "frontend": BuildContext(APPS / "todo" / "frontend", "Dockerfile"),
}
"""The todo app's two images."""


def copied(text: str) -> tuple[str, ...]:
    """Return the sources of a Dockerfile's COPY lines, but for those from another stage or image. Raises ValueError."""
    found: list[str] = []
    for line in lines_in(text):
        match = _COPY.match(line)
        if match is None:
            continue
        words = match[1].split()
        if any(word.startswith("--from=") for word in words):
            continue
        paths = [word for word in words if not word.startswith("--")]
        if len(paths) < 2 or not all(re.fullmatch(r"[A-Za-z0-9._/-]+", path) for path in paths):
            raise ValueError(f"{line!r} is no plain COPY; write its sources out, in one line, without wildcards")
        found += [path.strip("/").removeprefix("./").rstrip("/") or "." for path in paths[:-1]]
    return tuple(found)


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


def _is_walked(folder: str, patterns: list[str]) -> bool:
    """Return whether something in a folder may be let in: the folder itself is, or a line excepts what is below it."""
    below = any(pattern.startswith((f"!{folder}/", "!**")) for pattern in patterns)
    return not folder.endswith("__pycache__") and (below or not is_ignored(folder, patterns))


def _pattern(text: str) -> re.Pattern[str]:
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = re.split(r"(\*\*/|\*\*|\*|\?)", text.strip("/"))
    return re.compile("".join(pieces.get(word, re.escape(word)) for word in words))
