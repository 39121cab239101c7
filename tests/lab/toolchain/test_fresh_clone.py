"""A fresh clone as somebody has it who follows Pulumi's own documents, and Hearth's commands there as typed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from components.secondbrain.deployed import DeployedSecondBrain
from lab import Lab, Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import shown
from tests.lab.support import require
from tests.unit.config.test_every_system import LEAST
from tests.unit.systems.secondbrain.test_checks import WRITTEN
from toolchain.pulumi import engine, launchers
from toolchain.versions import ROOT

STACK = "typed"
PROGRAM = """\
import json, pulumi
from config.loader import load
from providers.resources.host import File
load()
File("typed", host="typed", path="/etc/typed", content="as it was typed\\n")
pulumi.export("secondbrain", json.loads({told!r}))
"""
NO_ACCOUNT = 2
"""checks/secondbrain/codes.py: the machine has what is needed, and nobody made the account."""


class Clone:
    """The clone, and an environment in which nothing of the caller's Pulumi is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
        self.environment = {**kept, "PATH": f"{folder}/.venv/bin:{kept['PATH']}"}

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=400, check=False
        )

    def settings(self, **values: object) -> None:
        text = yaml.safe_dump({"config": {f"hearth:{key}": value for key, value in values.items()}})
        (self.folder / f"Pulumi.{STACK}.yaml").write_text(text)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a clone as `pulumi install` leaves it, and the engine in it."""
    require("git")
    folder = tmp_path_factory.mktemp("fresh") / "hearth"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    made = Clone(folder)
    virtual = yaml.safe_load((folder / "Pulumi.yaml").read_text())["runtime"]["options"]["virtualenv"]
    install = [str(ROOT / virtual / "bin" / "pulumi"), "install"]
    environment = {**made.environment, "PULUMI_BACKEND_URL": f"file://{folder.parent}"}
    subprocess.run(install, cwd=folder, env=environment, check=True)
    launchers.place(engine.choose(engine.default_sources(), print), folder / virtual, folder)
    return made


def test_after_installing_as_pulumi_does_plain_pulumi_previews_the_example(clone: Clone) -> None:
    clone.settings(hosts=LEAST["hosts"], secondbrain=LEAST["secondbrain"])
    clone.environment |= {"PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_BACKEND_URL": f"file://{clone.folder.parent}"}
    try:
        assert clone.type("pulumi", "stack", "init", STACK).returncode == 0
        answer = clone.type("pulumi", "preview", "--non-interactive", "--stack", STACK)
    finally:
        for key in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_BACKEND_URL"):
            del clone.environment[key]
    assert answer.returncode == 0, shown(answer)
    assert "hearth:secondbrain:SecondBrain" in answer.stdout
    assert "hearth:host:User" in answer.stdout


@pytest.fixture(scope="module")
def typed(clone: Clone, machine: MachineFactory, lab: Lab) -> Machine:
    """Return a machine on which the clone's stack has one file, and says that a SecondBrain host is there."""
    made = machine("typed", image="machine-podman")
    told = DeployedSecondBrain.model_validate({**WRITTEN, "host": "typed", "share": None}).model_dump_json()
    (clone.folder / "__main__.py").write_text(PROGRAM.format(told=told))
    clone.settings(**{"hosts": {"typed": {}}, "ssh-config": str(lab.ssh_config)})
    return made


def test_each_command_ends_as_documented_and_make_turns_a_failure_into_2(clone: Clone, typed: Machine) -> None:
    answer = clone.type("./hearth", "check", "--stack", STACK)
    assert answer.returncode == 1, shown(answer)
    answer = clone.type("./hearth", "up", "--stack", STACK)
    assert answer.returncode == 0, shown(answer)
    for command in (("./hearth", "drift", "--stack", STACK), ("make", "drift", f"STACK={STACK}")):
        answer = clone.type(*command)
        assert answer.returncode == 0, shown(answer)
    typed.run("echo by hand >>/etc/typed")
    answer = clone.type("./hearth", "drift", "--stack", STACK)
    assert answer.returncode == 7, shown(answer)
    assert "typed" in answer.stdout
    answer = clone.type("make", "drift", f"STACK={STACK}")
    assert answer.returncode == 2, shown(answer)
    assert "Error 7" in answer.stderr
    answer = clone.type("./hearth", "check", "--stack", STACK)
    assert answer.returncode == NO_ACCOUNT, shown(answer)
    assert "FAIL" in answer.stdout
    answer = clone.type("make", "check", f"STACK={STACK}")
    assert answer.returncode == 2, shown(answer)
    assert f"Error {NO_ACCOUNT}" in answer.stderr
    answer = clone.type("./hearth", "down", "--stack", STACK)
    assert answer.returncode == 0, shown(answer)
    assert not typed.run("test -e /etc/typed", check=False).ok
