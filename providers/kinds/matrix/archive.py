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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from providers.errors import InvalidInput

DEFINITION = "maubot.yaml"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip archive can name."""
REBUILD = "build it with `mbc build`, or give the plugin's folder"
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
        return _built(source)
    try:
        content = source.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            definition, names, damaged = archive.read(DEFINITION), archive.namelist(), archive.testzip()
    except FileNotFoundError:
        raise _refused(source, "there is nothing", "give the path of an .mbp file, or of a plugin's folder") from None
    except (OSError, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise _refused(source, f"it is no maubot plugin: {error}", REBUILD) from None
    if damaged is not None:
        raise _refused(source, f"its {damaged} is damaged", REBUILD)
    return _archive(_definition(source, definition), content, names)


def _archive(meta: Mapping[str, Any], content: bytes, names: Iterable[str]) -> Archive:
    modules = tuple(str(module).replace(".", "/") for module in cast(list[Any], meta["modules"]))
    singles, folders = {f"{module}.py" for module in modules}, tuple(f"{module}/" for module in modules)
    ours = (name for name in names if name in singles or (name.endswith(".py") and name.startswith(folders)))
    python = tuple(sorted(set(ours)))
    return Archive(str(meta["id"]), str(meta["version"]), content, python)


def _refused(source: Path, rule: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"{source} can't be used as a plugin: {rule}; nothing was uploaded", remedy=remedy)


def _definition(source: Path, text: bytes) -> dict[str, Any]:
    """Return what maubot.yaml says, as far as it matters here."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = cast(Any, YAML(typ="safe", pure=True)).load(text)
    except (YAMLError, UnicodeDecodeError) as error:
        raise _refused(source, f"{DEFINITION} is no YAML: {error}", "put the file right") from None
    meta = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    missing = [key for key in ("id", "version", "modules", "main_class") if not meta.get(key)]
    if missing:
        raise _refused(source, f"{DEFINITION} has no {', '.join(missing)}", "add what is missing")
    return meta


def _built(folder: Path) -> Archive:
    try:
        definition = (folder / DEFINITION).read_bytes()
    except OSError:
        remedy = "a plugin's folder has one; give the path of that folder"
        raise _refused(folder, f"it has no {DEFINITION}", remedy) from None
    meta = _definition(folder, definition)
    files = {DEFINITION: definition}
    for module in cast(list[Any], meta["modules"]):
        files |= _module(folder, str(module))
    for pattern in cast(list[Any], meta.get("extra_files") or []):
        for path in folder.glob(str(pattern)):
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = path.read_bytes()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, files[name])
    return _archive(meta, target.getvalue(), files)


def _module(folder: Path, module: str) -> dict[str, bytes]:
    """Return the files of one module, by their names in the archive."""
    single, package = folder / f"{module}.py", folder / module
    if single.is_file():
        return {single.name: single.read_bytes()}
    if not (package / "__init__.py").is_file():
        remedy = "correct its name in maubot.yaml, or add the file"
        raise _refused(folder, f"its module {module!r} is neither {module}.py nor {module}/__init__.py", remedy)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts) and path.suffix != ".pyc"
    }
