"""The real program over a state that holds resources, while its settings are empty, wrong or without their secrets.

`up` removes nothing by mistake; `down` needs nothing but the state and the machines.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, shown, went_well
from toolchain.versions import ROOT

THINGS = """
folder = Directory("data", host="box", path="/srv/data", purge=True)
File("dear", host="box", path="/srv/data/letter", content="dear", opts=ResourceOptions(depends_on=[folder]))
File("motd", host="box", path="/etc/motd", content="ours")
"""
HOSTS = "  hearth:hosts: {{box: {{address: {name}}}}}\n  hearth:ssh-config: {config}\n"
BRAIN = '  hearth:secondbrain: {{"host": "box", "private-homes": {homes}, {more}"pod": {pod}}}\n'
POD = '{"backend-image": "docker.io/secondbrain/backend:latest", "backend-port": 8000}'
SHARE = '"share": {"server": "windows", "name": "PersonalAssistantHub"}, '


@pytest.fixture(scope="module")
def box(machine: MachineFactory) -> Machine:
    return machine("box")


@pytest.fixture(scope="module")
def project(box: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str]]:
    """Yield a stack of the machine's, and its settings as they are right."""
    made = Project(tmp_path_factory.mktemp("project"), box)
    box.run("printf theirs > /etc/motd")
    yield made, (made.workspace.folder / "Pulumi.dev.yaml").read_text()
    if made.resources():
        went_well(made.run_make("down"))


@pytest.fixture
def deployed(project: tuple[Project, str]) -> Project:
    """Bring up the stack, where its resources are not on the machine; it has the real program from there on."""
    stack, right = project
    if not stack.resources():
        (stack.workspace.folder / "Pulumi.dev.yaml").write_text(right)
        stack.program(THINGS)
        stack.up()
        stack.workspace.write((ROOT / "__main__.py").read_text())
    return stack


def settings(project: Project, text: str) -> None:
    """Write the stack's whole file, but for what encrypts its secrets; it has the machine where `text` says so."""
    file = project.workspace.folder / "Pulumi.dev.yaml"
    salt = next(line for line in file.read_text().splitlines() if line.startswith("encryptionsalt:"))
    hosts = HOSTS.format(name=project.machine.name, config=project.machine.ssh_config)
    file.write_text(f"{salt}\n{text.replace('HOSTS', hosts)}")


@pytest.mark.parametrize(
    "text",
    ["", "config: {}\n", "confg:\nHOSTS", "config:\n  heart:hosts: {}\n"],
)
def test_settings_without_a_key_of_ours_remove_nothing_and_name_the_command_that_would(deployed: Project, text: str):
    settings(deployed, text)
    for command in ("up", "preview"):
        answer = deployed.run_make(command)
        assert answer.returncode not in (0, None)
        printed = shown(answer)
        assert "nothing was touched" in printed
        assert "make down STACK=dev" in printed
        assert "Traceback" not in printed
    assert deployed.machine.read("/srv/data/letter") == "dear"
    assert deployed.resources() == ["data", "dear", "motd"]


@pytest.mark.parametrize(
    "text",
    [
        "config:\nHOSTS" + BRAIN.format(homes="[a, a]", more="", pod=POD),
        "config:\nHOSTS" + BRAIN.format(homes="[a]", more=SHARE, pod=POD),  # its secrets are nowhere
        "config:\nHOSTS  hearth:secrets-file: /nowhere/secrets.json\n" + BRAIN.format(homes="[]", more=SHARE, pod=POD),
        "config:\nHOSTS" + BRAIN.format(homes="[]", more='"manager": "docker", ', pod="{}"),
        "config:\nHOSTS  hearth:secondbrian: 1\n",
        "config:\n  hearth:hosts: 1\n",
        "",
    ],
    ids=["twice the same", "no secrets", "no file of secrets", "a wrong value", "an unknown key", "no hosts", "empty"],
)
def test_down_needs_no_secrets_and_no_right_settings(deployed: Project, text: str):
    settings(deployed, text)
    answer = deployed.run_make("down")
    assert answer.returncode == 0, shown(answer)
    assert "Traceback" not in shown(answer)
    assert not deployed.machine.exists("/srv/data")
    assert deployed.machine.read("/etc/motd") == "theirs"
    assert deployed.resources() == []
