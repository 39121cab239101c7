"""Puts `pulumi` into the virtual environment, and next to the engine the Python language host where it has none.

Standard library only. `.venv/bin/pulumi` is a launcher: it sets what is not set (the state's place, the passphrase) and
becomes the engine, so that a person who activates the environment uses the plain command line on the same state as
`make up`. The engine itself lies in `.venv/hearth`, where it finds the language host beside it without a warning.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.files import write_whole
from toolchain.pulumi.engine import LANGUAGE_HOST, LAUNCHER_MARK
from toolchain.stack.environment import defaults
from toolchain.versions import ROOT

if TYPE_CHECKING:
    from toolchain.pulumi.engine import Engine

HEADING = f"#!/bin/sh\n# {LAUNCHER_MARK}: written by `make setup`, and again whenever it differs.\n"


def place(engine: Engine, virtual_environment: Path, project: Path = ROOT) -> bool:
    """Make the launchers right for an engine, and return whether anything had to change."""
    home = virtual_environment / "hearth"
    home.mkdir(exist_ok=True)
    changed = [
        place_engine(engine, home / "pulumi"),
        write_whole(virtual_environment / "bin" / "pulumi", engine_launcher(home / "pulumi", project), 0o755),
    ]
    host, link = home / LANGUAGE_HOST, virtual_environment / "bin" / LANGUAGE_HOST
    if engine.official:
        changed += [remove(host), remove(link)]
    else:
        changed += [write_whole(host, host_launcher(project), 0o755), place_link(link, host)]
    return any(changed)


def engine_launcher(engine: Path, project: Path) -> str:
    """Return the text of `.venv/bin/pulumi`."""
    lines = [HEADING]
    for name, value in defaults(project, {}).items():
        condition = f'[ -n "${{{name}:-}}" ]'
        if name == "PULUMI_HOME":
            # A backend elsewhere keeps its credentials in the user's own home.
            condition += f' || [ "${{PULUMI_BACKEND_URL:-}}" != {shlex.quote(f"file://{project}/.state")} ]'
        if name == "PULUMI_CONFIG_PASSPHRASE_FILE":
            condition += ' || [ -n "${PULUMI_CONFIG_PASSPHRASE:-}" ]'
        lines.append(f"{condition} || export {name}={shlex.quote(value)}\n")
    lines.append(f'exec {shlex.quote(str(engine))} "$@"\n')
    return "".join(lines)


def host_launcher(project: Path) -> str:
    """Return the text of the language host's launcher.

    It runs this environment's Python, with nothing of ours on its module path.
    """
    python = project / ".venv" / "bin" / "python"
    host = project / "toolchain" / "pulumi" / "language_host.py"
    return f'{HEADING}exec {shlex.quote(str(python))} -P {shlex.quote(str(host))} "$@"\n'


def place_engine(engine: Engine, target: Path) -> bool:
    """Links an official engine, so that it finds its own hosts; brings a built one in, so that it finds ours."""
    if engine.official:
        return place_link(target, engine.path.resolve())
    if target.is_file() and not target.is_symlink() and same_content(engine.path, target):
        return False
    fresh = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        fresh.hardlink_to(engine.path.resolve())
    except OSError:
        # The cache may be on another file system.
        shutil.copy2(engine.path, fresh)
    # In one step: another terminal may be about to start it. A link to the same file would be left by a rename.
    fresh.replace(target)
    fresh.unlink(missing_ok=True)
    return True


def same_content(one: Path, other: Path) -> bool:
    """Return whether a file is the other, or a copy that kept its time and size; cheap, for a hundred megabytes."""
    if one.samefile(other):
        return True
    first, second = one.stat(), other.stat()
    return (first.st_size, int(first.st_mtime)) == (second.st_size, int(second.st_mtime))


def place_link(link: Path, target: Path) -> bool:
    """Make a symbolic link, and return whether it had to be made."""
    if link.is_symlink() and link.readlink() == target and target.exists():
        return False
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(link)
    return True


def remove(path: Path) -> bool:
    """Remove a file or link, and return whether there was one."""
    there = path.is_symlink() or path.exists()
    path.unlink(missing_ok=True)
    return there
