"""A maubot plugin as one archive (.mbp): taken as it is, or built from a folder, byte for byte the same everywhere.

What goes in is what maubot's own `mbc build` takes (maubot/cli/commands/build.py): maubot.yaml, the modules that it
lists, and what its extra_files match. Unlike there, the order, times and modes are fixed and nothing is compressed, so
that the same folder makes the same bytes on every computer and with every zlib.
"""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from providers.errors import InvalidInput
from providers.kinds.matrix.common import LARGEST_ARCHIVE
from providers.kinds.matrix.definition import DEFINITION, Definition, UnreadableDefinition, parsed

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip archive can name."""
REBUILD = "build it with `mbc build`, or give the plugin's folder"
LARGEST_UNPACKED = 5 * LARGEST_ARCHIVE
"""Bytes. A small archive may unpack to more than a computer has memory, and it is unpacked here and on the machine."""
LARGEST_DEFINITION = 1024 * 1024
READABLE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""What the importer of maubot unpacks (maubot/lib/zipimport.py); a Python file packed otherwise ends its next start."""
LEFT_OUT = frozenset({"__pycache__"})


@dataclass(frozen=True)
class Archive:
    """A plugin, ready to be uploaded."""

    plugin: str
    """Its id, as `sna.instagram`: what instances call their type."""
    version: str
    content: bytes
    python_files: tuple[str, ...] = ()
    """The files in it that maubot imports, or may: those of the modules that its definition lists."""

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


def read(source: Path) -> Archive:
    """Return the plugin at `source`: an .mbp file, or a folder with a maubot.yaml. Raises InvalidInput."""
    if source.is_dir():
        try:
            return _built(source)
        except OSError as error:
            remedy = "let yourself read the whole folder"
            raise _refused(source, f"{error.filename} can't be read: {error.strerror}", remedy) from None
    try:
        if source.stat().st_size > LARGEST_ARCHIVE:
            raise _too_large(source, source.stat().st_size)
        content = source.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _must_be_small(source, entries)
            definition, damaged = archive.read(DEFINITION), archive.testzip()
    except FileNotFoundError:
        raise _refused(source, "there is nothing", "give the path of an .mbp file, or of a plugin's folder") from None
    except (OSError, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise _refused(source, f"it is no maubot plugin: {error}", REBUILD) from None
    if damaged is not None:
        raise _refused(source, f"its {damaged} is damaged", REBUILD)
    found = _archive(source, _definition(source, definition), content, [entry.filename for entry in entries])
    packed = {entry.filename for entry in entries if entry.compress_type not in READABLE}
    if unreadable := sorted(packed & set(found.python_files)):
        raise _refused(source, f"maubot can't unpack its {unreadable[0]}, which is compressed otherwise", REBUILD)
    return found


def _must_be_small(source: Path, entries: Iterable[zipfile.ZipInfo]) -> None:
    sizes = {entry.filename: entry.file_size for entry in entries}
    if sum(entry.file_size for entry in entries) > LARGEST_UNPACKED:
        rule = f"unpacked it would have more than {LARGEST_UNPACKED // 2**20} MiB"
        raise _refused(source, rule, "see what is in it: that is no plugin's size")
    if sizes.get(DEFINITION, 0) > LARGEST_DEFINITION:
        raise _refused(source, f"its {DEFINITION} has {sizes[DEFINITION]} bytes", REBUILD)


def _too_large(source: Path, size: int) -> InvalidInput:
    rule = f"it has {size} bytes, and maubot takes {LARGEST_ARCHIVE} ({LARGEST_ARCHIVE // 2**20} MiB) at most"
    return _refused(source, rule, "leave out what it does not need; what is large, let it fetch when it runs")


def _archive(source: Path, meta: Definition, content: bytes, names: Iterable[str]) -> Archive:
    there = set(names)
    for module in {*meta.modules, meta.main_module}:
        if not {f"{module}.py", f"{module}/__init__.py"} & there:
            remedy = f"correct its name in {DEFINITION}, or add the file"
            rule = f"its module {module!r} is neither {module}.py nor {module}/__init__.py"
            raise _refused(source, rule, remedy)
    modules = tuple(module.replace(".", "/") for module in meta.modules)
    singles, folders = {f"{module}.py" for module in modules}, tuple(f"{module}/" for module in modules)
    ours = (name for name in names if name in singles or (name.endswith(".py") and name.startswith(folders)))
    python = tuple(sorted(set(ours)))
    return Archive(meta.id, meta.version, content, python)


def _refused(source: Path, rule: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"{source} can't be used as a plugin: {rule}; nothing was uploaded", remedy=remedy)


def _definition(source: Path, text: bytes) -> Definition:
    try:
        return parsed(text)
    except UnreadableDefinition as error:
        raise _refused(source, error.rule, error.remedy) from None


def _built(folder: Path) -> Archive:
    try:
        definition = (folder / DEFINITION).read_bytes()
    except OSError:
        remedy = "a plugin's folder has one; give the path of that folder"
        raise _refused(folder, f"it has no {DEFINITION}", remedy) from None
    meta = _definition(folder, definition)
    files = {DEFINITION: definition}
    for module in meta.modules:
        files |= _module(folder, module)
    for pattern in meta.extra_files:
        try:
            found = [path for path in folder.glob(pattern) if path.is_file()]
        except ValueError as error:
            rule = f"its extra_files name {pattern!r}, which is no pattern: {error}"
            raise _refused(folder, rule, "write it as templates/*.txt") from None
        files |= {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            try:
                archive.writestr(entry, files[name])
            except UnicodeEncodeError:
                rule = f"the name of its {name!r} is no text in UTF-8"
                raise _refused(folder, rule, "rename the file") from None
    if target.tell() > LARGEST_ARCHIVE:
        raise _too_large(folder, target.tell())
    return _archive(folder, meta, target.getvalue(), files)


def _module(folder: Path, module: str) -> dict[str, bytes]:
    """Return the files of one module, by their names in the archive."""
    single, package = folder / f"{module}.py", folder / module
    if single.is_file():
        return {f"{module}.py": single.read_bytes()}
    if not (package / "__init__.py").is_file():
        return {}  # that it is missing is said where the archive's names are looked through
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts) and path.suffix != ".pyc"
    }
