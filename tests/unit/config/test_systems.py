"""The table of systems: every line can be loaded, and what the loader asks of a system is answered by its settings."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi
import pytest

from checks.system import SystemChecks
from components.system import AnotherVersion, Deployed, SystemArgs
from config.model import HostName
from config.system import SystemSettings
from config.systems import SYSTEMS
from toolchain.versions import ROOT


@pytest.mark.parametrize("key", SYSTEMS)
def test_every_line_of_the_table_can_be_loaded(key: str) -> None:
    system = SYSTEMS[key]
    component = system.load_component()
    assert issubclass(component, pulumi.ComponentResource)
    assert list(inspect.signature(component).parameters)[:3] == ["name", "args", "opts"]
    assert isinstance(system.load_checks(), SystemChecks)
    preflight = system.load_preflight()
    assert (preflight is None) == (not system.preflight)
    assert preflight is None or callable(preflight)


@pytest.mark.parametrize("key", SYSTEMS)
def test_a_systems_secrets_begin_with_its_key(key: str) -> None:
    assert [name for name in SYSTEMS[key].settings.SECRETS if not name.startswith(f"{key}-")] == []


def test_the_table_imports_no_component() -> None:
    code = "import sys, config.loader; print([m for m in sys.modules if m.split('.')[0] in ('components', 'checks')])"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


class Trial(SystemSettings):
    """A system with machines in three forms."""

    HOST_FIELDS: ClassVar[tuple[str, ...]] = ("host", "members", "by-name")
    host: HostName


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ({"host": "a"}, {"host": "a"}),
        ({"members": ["a", "b"]}, {"members.a": "a", "members.b": "b"}),
        ({"by-name": {"a": {}, "b": 1}}, {"by-name.a": "a", "by-name.b": "b"}),
        ({"host": 3, "members": 4, "by-name": None}, {}),
        ({"members": ["a", 7, None, ["x"]]}, {"members.a": "a"}),
        ({}, {}),
    ],
)
def test_references_to_machines_are_read_from_what_is_written_valid_or_not(
    written: Mapping[str, Any], found: Mapping[str, str]
) -> None:
    assert Trial.host_references(written) == found


class DeployedTrial(Deployed):
    host: str
    port: int | None = None


@pytest.mark.parametrize(
    "written", [{}, {"host": "a", "more": 1}, {"host": None}, None, "text", [], {"host": "a", "port": "x"}]
)
def test_an_output_of_another_version_is_said_with_the_remedy(written: Any) -> None:
    with pytest.raises(AnotherVersion, match="trial was brought up by another version of Hearth") as caught:
        DeployedTrial.parse("trial", written)
    assert "make up" in str(caught.value)


def test_arguments_need_no_more_than_the_settings() -> None:
    args = SystemArgs(Trial.model_validate({"host": "a"}))
    assert args.secrets == {}
    assert args.machines.hosts == {}
