"""A Python virtual environment on a machine, with packages in it, owned by one account.

Manages that it is there with the wished interpreter, that what `requirements` names is installed, and a project that is
installed as editable. Each requirement must be there in a version that it allows; pin what matters. Not managed: what packages need in turn, and packages that a requirement
once named and none does now. pip runs as the owner, with the machine's own pip configuration, and keeps no cache.

One that was there before gets its list of packages back, in their versions, which pip has to find again.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from providers.errors import CommandFailed, HearthError
from providers.kinds import reasons
from providers.kinds.file import path_to_identity
from providers.kinds.owned_folder import OwnedFolderFacts, folder_facts, put_folder_back, put_owner_back, take_folder
from providers.kind import AbsolutePath, AccountName, Inputs, Kind
from providers.machine.session import Session

PROBE = Path(__file__).with_name("venv_probe.py").read_text()
PROGRAM = Path(__file__).with_name("venv.sh").read_text()
ENVIRONMENT = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_NO_INPUT": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "GIT_TERMINAL_PROMPT": "0",
}
REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?P<extras>\[[\w\s.,-]*\])?\s*"
    r"(?P<rest>@\s*\S+|(?:(?:[<>=!~]=|[<>]|===)\s*[\w.*+!-]+\s*,?\s*)*)"
)
OWN = {"pip", "setuptools", "wheel"}
"""What an environment is made with."""
EVERYTHING = "hearth-everything-that-is-there"
"""The requirement of an import, which asks for what is there."""


def _requirement(value: str) -> str:
    if not REQUIREMENT.fullmatch(value):
        raise ValueError(
            "must be a name with a version or an address, as 'rich==15.0.0', 'rich>=14' or 'rich @ https://...',"
            " without options and markers"
        )
    return value


def _program(value: str) -> str:
    if not re.fullmatch(r"(/[\w./+-]+|[\w.+]+)", value, re.ASCII):
        raise ValueError("must be the name or the absolute path of a Python, as python3 or /usr/bin/python3.13")
    return value


class VenvInputs(Inputs):
    path: Annotated[
        AbsolutePath, Field(description="Its folder; the parent must exist. A change replaces the resource.")
    ]
    python: Annotated[
        str, AfterValidator(_program), Field(description="The Python that it is made with. A change makes it anew.")
    ] = "python3"
    requirements: Annotated[
        tuple[Annotated[str, AfterValidator(_requirement)], ...],
        Field(description="What pip installs: each a requirement in pip's form, best `name==version`."),
    ] = ()
    editable: Annotated[
        AbsolutePath | None, Field(description="Folder of a project that is installed as editable (`pip install -e`).")
    ] = None
    owner: Annotated[
        AccountName | None, Field(description="Name of the user who owns it, and whom pip runs as.")
    ] = None


class VenvFacts(OwnedFolderFacts):
    python: str = Field(default="", description="The wished Python where it is that one; else the path of the other.")
    requirements: tuple[str, ...] = Field(default=(), description="The wishes that hold; for others what is there.")
    editable: str | None = None
    interpreter: str = Field(default="", description="The Python's own path, links followed.")
    packages: dict[str, str] = Field(default={}, description="Name of each package -> a requirement that names it.")


@dataclass(frozen=True)
class Installed:
    """A package that is there. `url` is empty for one from an index, `editable` for one that is not editable."""

    name: str
    version: str
    url: str = ""
    editable: str = ""
    requested: bool = False

    @property
    def requirement(self) -> str:
        """What makes pip install this very one."""
        if self.editable:
            return f"-e {shlex.quote(self.editable)}"
        return f"{self.name} @ {self.url}" if self.url else f"{self.name}=={self.version}"


def normal_name(name: str) -> str:
    """Return a package's name in the one form by which names are compared (specification: name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def fulfils(version: str, wished: str) -> bool:
    """Return whether an installed version is one of those that `wished` allows, as `==1.0,!=1.0.1`.

    `packaging` says so, for
    which 2024.07.04 is 2024.7.4; where it knows no such version, they must be written alike."""
    # Not at the start of the plugin: most programs have no Venv.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(wished).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return wished.strip().lstrip("=").strip().removesuffix(",") == version


def found_for(requirement: str, installed: Sequence[Installed]) -> str:
    """Return the requirement itself where it holds; else a line that says what is there instead."""
    parts = REQUIREMENT.fullmatch(requirement)
    assert parts is not None
    name = normal_name(parts["name"])
    here = next((each for each in installed if normal_name(each.name) == name), None)
    if here is None:
        return f"<{parts['name']} is missing>"
    wished = parts["rest"].strip().rstrip(",")
    if not wished or wished.startswith("@") or here.editable or here.url:
        return requirement
    return requirement if fulfils(here.version, wished) else here.requirement


def facts_from(inputs: VenvInputs, folder: dict[str, Any], found: dict[str, Any]) -> VenvFacts:
    """Facts from what venv_probe.py printed."""
    installed = [Installed(**each) for each in found["packages"]]
    if inputs.requirements == (EVERYTHING,):
        asked_for = [each for each in installed if each.requested and not each.editable and each.name not in OWN]
        requirements = tuple(sorted(each.requirement for each in asked_for))
    else:
        requirements = tuple(found_for(each, installed) for each in inputs.requirements)
    editables = [each.editable for each in installed if each.editable]
    # One folder may have several paths: the machine knows which lead to the same.
    same = found.get("editable") and found["editable"] in found.get("editables", ())
    right = found["interpreter"] and found["interpreter"] == found["wished"] and found["sites"]
    return VenvFacts(
        **folder,
        present=True,
        python=inputs.python if right else found["interpreter"] or "<its Python is gone>",
        requirements=requirements,
        editable=inputs.editable if same or inputs.editable in editables else next(iter(editables), None),
        interpreter=found["interpreter"],
        packages={normal_name(each.name): each.requirement for each in installed},
    )


async def observe(session: Session, inputs: VenvInputs) -> VenvFacts:
    stat = await session.stat(inputs.path, entries=True)
    if stat is None:
        return VenvFacts(present=False)
    names = set(stat.entries or ())
    folder = folder_facts(stat, names)
    if stat.type != "directory" or "pyvenv.cfg" not in names:
        return VenvFacts(present=False, **folder)
    probe = f"PATH = {inputs.path!r}\nPYTHON = {inputs.python!r}\nEDITABLE = {inputs.editable or ''!r}\n{PROBE}"
    result = await session.run("python3", "-I", script=probe)
    return facts_from(inputs, folder, json.loads(result.stdout))


def program(call: str, **values: str) -> str:
    """Return the text that runs one function of venv.sh with values, none of which is an argument of a command."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()) + PROGRAM + f"\n{call}\n"


def wanted_lines(inputs: VenvInputs) -> list[str]:
    """Return the lines of a requirements file for what is wished."""
    return [*inputs.requirements, *([f"-e {shlex.quote(inputs.editable)}"] if inputs.editable else [])]


def way_back(now: dict[str, str], before: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return (requirements to install, names to remove) to get from one list of packages to another."""
    install = [requirement for name, requirement in before.items() if now.get(name) != requirement]
    return install, [name for name in now if name not in before]


async def _run(session: Session, inputs: VenvInputs, owner: str, script: str, python: str) -> None:
    user = None if owner == "root" else owner
    result = await session.run("/bin/sh", script=script, user=user, cwd="/", check=False, environment=ENVIRONMENT)
    if not result.ok:
        raise _explain(session, inputs, python, result.status, result.stderr.strip() or result.stdout)


def _explain(session: Session, inputs: VenvInputs, python: str, status: int, said: str) -> HearthError:
    """Return the error behind an exit status of venv.sh."""
    where = f"the virtual environment {inputs.path} on {session.machine}"
    if status == 45:
        return CommandFailed(
            f"{where} can't be made: there is no {python}",
            status=status,
            remedy=f'add Package("{Path(python).name}") for that machine, and name it in depends_on',
        )
    if status == 46:
        return CommandFailed(
            f"{where} can't be made: {python} lacks the module ensurepip, which Debian keeps apart",
            status=status,
            remedy=f'add Package("{Path(python).name}-venv") for that machine, and name it in depends_on',
        )
    what = "pip failed in" if status == 47 else "there was a failure at"
    return CommandFailed(
        f"{what} {where}, as {inputs.owner or 'its owner'}, with exit status {status}",
        status=status,
        detail=said,
        remedy="put right what it complains of (a version that is not to be had, an index that can't be reached from"
        " the machine, a compiler that is missing), and run up again",
    )


async def apply(session: Session, inputs: VenvInputs, facts: VenvFacts) -> None:
    owner = inputs.owner or facts.owner or "root"
    await take_folder(session, inputs.path, owner, facts, "virtual environment")
    script = program(
        "make",
        path=inputs.path,
        python=inputs.python,
        rebuild="yes" if facts.present and facts.python != inputs.python else "",
        install="\n".join(wanted_lines(inputs)),
        options="",
    )
    await _run(session, inputs, owner, script, inputs.python)


async def restore(session: Session, inputs: VenvInputs, before: VenvFacts) -> None:
    if not await put_folder_back(session, inputs.path, before):
        return
    now = await observe(session, inputs)
    python = before.interpreter or inputs.python
    moved = now.interpreter != before.interpreter
    install, remove = way_back({} if moved else now.packages, before.packages)
    if moved or install or remove:
        script = program(
            "put_back",
            path=inputs.path,
            python=python,
            rebuild="yes" if moved else "",
            install="\n".join(install),
            options="--no-deps",
            remove="\n".join(remove),
        )
        await _run(session, inputs, now.owner, script, python)
    await put_owner_back(session, inputs.path, now.owner, before)


async def explain(session: Session, inputs: VenvInputs, facts: VenvFacts) -> str:
    """Return why an environment is not as wished."""
    return await reasons.environment(session, inputs.path, facts.owner)


KIND = Kind(
    token="hearth:host:Venv",
    inputs=VenvInputs,
    facts=VenvFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("path",),
    identify=lambda inputs: path_to_identity(inputs.path),
    parse=lambda identity: {"path": f"/{identity}", "requirements": [EVERYTHING]},
    locks=lambda inputs: (f"file:{inputs.path}",),
    defaults={"owner": "root"},
    deadline=600.0,
    explain=explain,
    by_hand=lambda inputs: f"rm -r {shlex.quote(inputs.path)}",
)
