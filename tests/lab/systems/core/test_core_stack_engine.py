"""The core stack brought up by the engine itself, with the Docker provider, on a lab machine; skipped without them.

The providers docker and command are downloads, from no package registry: this is the one skip that stands in CI too.
What they carry out here, test_core_stack.py carries out everywhere by mocks and Docker's SDK.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checks.core.stack import check_core
from checks.result import Status
from components.core.deployed import DeployedCore
from config.hosts import Machines
from lab import Lab, Machine, Service
from tests.lab.engine_providers import plugins
from tests.lab.project import shown, went_well
from tests.lab.systems.core.core_machine import ACCESS_PASSWORD, ask, saved, send, version, wait_for
from tests.lab.systems.core.docker_applier import on_session
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

PROVIDERS = ("docker", "command")
PASSWORD = "canary$pass#word'9"
SECRETS = {
    "core-postgres-password": PASSWORD,
    "core-secret-key": "canary-secret-key-0123456789abcdef",
    "core-access-password": ACCESS_PASSWORD,
}
OLDER, NEWER = ({"image": f"docker.io/library/postgres:{major}"} for major in (15, 17))
DRIFT = 7  # exit code


class Stack:
    """Hearth's own program with a core stack alone in its settings."""

    def __init__(self, folder: Path, plugins: Path, machine: Machine) -> None:
        home = folder / "pulumi-home"
        home.mkdir(parents=True)
        (home / "plugins").symlink_to(plugins)
        self.machine = machine
        self.workspace = Workspace.create(
            folder,
            (ROOT / "__main__.py").read_text(),
            name="hearth",
            providers={"hearth": ROOT / "providers" / "plugin"},
            extra_environment={"PYTHONPATH": str(ROOT), "PULUMI_HOME": str(home)},
        )
        self.workspace.configure("hearth:hosts", json.dumps({machine.name: {}}))
        self.workspace.configure("hearth:ssh-config", str(machine.ssh_config))
        self.workspace.configure_secrets({f"hearth:{key}": value for key, value in SECRETS.items()})
        self.settings()

    def settings(self, **values: Any) -> None:
        core = {"host": self.machine.name, "ai": True, "postgres": OLDER, **values}
        self.workspace.configure("hearth:core", json.dumps(core))

    def up(self, *flags: str) -> str:
        """Run `pulumi up`, which must go well; return what it printed."""
        return shown(went_well(self.workspace.up(*flags, check=False)))

    def failed_checks(self) -> list[Any]:
        """Return what does not work of what the stack says that it has."""
        what = self.workspace.outputs()["core"]
        machines = Machines.from_namespace(
            {"hosts": {self.machine.name: {}}, "ssh-config": str(self.machine.ssh_config)}
        )
        rows = on_session(
            machines, self.machine.name, lambda session: check_core(session, DeployedCore.parse("core", what))
        )
        assert rows
        return [row for row in rows if row.status is not Status.PASS]

    def started(self, service: str) -> str:
        """When a container was started."""
        words = f"docker inspect --format '{{{{.State.StartedAt}}}}' mail-assistant-{service}"
        return self.machine.run(words, check=False).stdout.strip()


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield the stack, brought up; nothing of it is on the machine afterwards."""
    folder = plugins(*PROVIDERS)
    lab: Lab = request.getfixturevalue("lab")
    _: Service = request.getfixturevalue("registry")
    machine = lab.machine("pi", image="machine-docker", fresh=True)
    # What asks the application on its machine is sent with it.
    send(machine)
    made = Stack(tmp_path_factory.mktemp("core-stack"), folder, machine)
    made.up()
    yield made
    made.workspace.destroy(check=False)
    lab.remove("pi")


def test_the_engine_brings_it_up_and_it_passes_the_checks(stack: Stack) -> None:
    assert stack.failed_checks() == []
    assert version(stack.machine) == "15"


def test_what_was_just_brought_up_has_not_drifted(stack: Stack) -> None:
    answer = stack.workspace.drift()
    assert answer.returncode == 0, shown(answer)


def test_no_secret_is_in_the_state_or_in_what_is_printed(stack: Stack) -> None:
    state = json.dumps(stack.workspace.state())
    assert "canary" not in state
    assert "canary" not in shown(stack.workspace.preview("--refresh"))


def test_a_container_that_is_gone_is_drift_and_comes_back_and_nothing_else_is_touched(stack: Stack) -> None:
    database = stack.started("postgres")
    stack.machine.run("docker rm --force mail-assistant-ollama")
    answer = stack.workspace.drift()
    assert answer.returncode == DRIFT, shown(answer)
    assert "core-ollama" in shown(answer)
    stack.up("--refresh")
    assert stack.failed_checks() == []
    assert stack.started("postgres") == database


def test_a_container_that_somebody_stopped_is_drift_and_is_started_again(stack: Stack) -> None:
    stack.machine.run("docker stop mail-assistant-backend")
    answer = stack.workspace.drift()
    assert answer.returncode == DRIFT, shown(answer)
    assert "core-backend" in shown(answer)
    stack.up("--refresh")
    wait_for(stack.machine, "ok", 60)
    assert stack.workspace.drift().returncode == 0


def test_a_changed_setting_replaces_what_it_is_about_alone(stack: Stack) -> None:
    ask(stack.machine, "/config", event_name="Kept")
    database, backend = stack.started("postgres"), stack.started("backend")
    stack.settings(backend={"log-level": "WARNING"})
    stack.up()
    assert stack.started("backend") != backend
    assert stack.started("postgres") == database
    assert saved(stack.machine, "event_name") == "Kept"
    stack.settings()
    stack.up()


def test_another_major_version_has_the_data_of_the_one_before_and_so_has_the_way_back(stack: Stack) -> None:
    ask(stack.machine, "/config", event_name="Saved in 15")
    stack.settings(postgres=NEWER)
    stack.up()
    wait_for(stack.machine, "ok", 60)
    assert version(stack.machine) == "17"
    assert saved(stack.machine, "event_name") == "Saved in 15"
    assert stack.failed_checks() == []
    assert stack.workspace.drift().returncode == 0
    ask(stack.machine, "/config", event_name="Saved in 17")
    stack.settings()
    stack.up()
    wait_for(stack.machine, "ok", 60)
    assert version(stack.machine) == "15"
    assert saved(stack.machine, "event_name") == "Saved in 17"


def test_destroy_leaves_the_data_and_the_next_up_finds_it(stack: Stack) -> None:
    ask(stack.machine, "/config", event_name="Outlives it")
    went_well(stack.workspace.destroy(check=False))
    assert stack.machine.run("docker ps --all --quiet").stdout == ""
    assert "mail-assistant_postgres_data" in stack.machine.run("docker volume ls --quiet").stdout
    assert "mail-assistant_default" not in stack.machine.run("docker network ls").stdout
    stack.up()
    assert saved(stack.machine, "event_name") == "Outlives it"


def test_destroy_removes_the_data_where_the_setting_says_so(stack: Stack) -> None:
    stack.settings(data="remove")
    went_well(stack.workspace.destroy(check=False))
    assert "mail-assistant" not in stack.machine.run("docker volume ls --quiet").stdout
    assert not stack.machine.exists("/var/backups/mail-assistant")
    assert not stack.machine.exists("/usr/local/sbin/mail-assistant-backup")
