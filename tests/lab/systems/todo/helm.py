"""Renders the todo app's chart with the pinned helm. No cluster is needed."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import yaml

from lab.kubernetes import build
from tests.lab.support import skip_or_fail
from toolchain.errors import UnavailableError
from toolchain.versions import ROOT

CHART = ROOT / "apps" / "todo" / "chart"
GIVEN = {"secrets": {"databaseUrl": "postgresql://todo:pass@db:5432/todo", "authSecret": "s" * 32}}
"""What nobody can do without."""
TEMPLATE = ("template", "--kube-version", build.KUBERNETES)


@functools.cache
def program() -> str:
    """Return the helm that the lab's cluster comes with; else the machine's own; else it is built, once."""
    folder = build.built()
    if folder is None and (found := shutil.which("helm")):
        return found
    try:
        return str((folder or build.build(print)) / "helm")
    except UnavailableError as error:
        skip_or_fail(f"there is no helm, and it can't be built: {error}")


def helm(*arguments: str, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm, `values` given as its last file of values."""
    further = ["--values", "-"] if values is not None else []
    return subprocess.run(
        [program(), *arguments, *further],
        input=json.dumps(values) if values is not None else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Rendered:
    """The objects that a set of values becomes."""

    def __init__(self, text: str) -> None:
        self.text = text
        # A hundred and more of them are read, by YAML's C library in an eighth of the time.
        loaded = yaml.load_all(text, Loader=yaml.CSafeLoader)
        self.objects: list[dict[str, Any]] = [each for each in loaded if each]

    def __contains__(self, name: str) -> bool:
        kind, _, own = name.partition("/")
        return any(each["kind"] == kind and each["metadata"]["name"] == own for each in self.objects)

    def one(self, name: str) -> dict[str, Any]:
        """Return an object by `Kind/name`."""
        kind, _, own = name.partition("/")
        (found,) = (each for each in self.objects if each["kind"] == kind and each["metadata"]["name"] == own)
        return found

    def at(self, name: str, *steps: str | int) -> Any:
        """Return what stands at a place in an object; None where there is no such place."""
        place: Any = self.one(name)
        for step in steps:
            try:
                place = place[step]
            except (KeyError, IndexError, TypeError):
                return None
        return place

    @property
    def names(self) -> set[str]:
        return {f"{each['kind']}/{each['metadata']['name']}" for each in self.objects}


def render(values: Mapping[str, Any] | None = None, *files: str, release: str = "todo") -> Rendered:
    """Return the chart with these values over what nobody can do without. Hooks and tests are among the objects."""
    return _rendered(json.dumps(values or {}, sort_keys=True), files, release)


@functools.cache
def _rendered(values: str, files: tuple[str, ...], release: str) -> Rendered:
    given = json.loads(values)
    secrets = {**({} if files else GIVEN["secrets"]), **given.get("secrets", {})}
    whole = {**given, "secrets": secrets}
    flags = [f"--values={CHART / file}" for file in files]
    done = helm(*TEMPLATE, release, str(CHART), "--namespace", "trial", *flags, values=whole)
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout)


def refusal(values: Mapping[str, Any]) -> str:
    """Return what helm says of values that it refuses."""
    secrets = {**GIVEN["secrets"], **values.get("secrets", {})}
    done = helm(*TEMPLATE, "todo", str(CHART), values={**values, "secrets": secrets})
    assert done.returncode != 0, done.stdout
    return done.stderr
