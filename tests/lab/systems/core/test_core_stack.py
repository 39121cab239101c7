"""The core stack on a lab machine: compose.yaml run for real, then the component carried out; both pass the checks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pytest
from docker import DockerClient

from checks.core.stack import check_core
from checks.result import CheckResult, Status
from components.core import memory, upgrade
from components.core.component import CoreStack, CoreStackArgs
from components.core.deployed import DeployedCore
from config.hosts import Machines
from config.systems.core import Core
from lab import Lab, Machine, Service
from tests.lab.support import until
from tests.lab.systems.core.core_machine import (
    ACCESS_PASSWORD,
    FOLDER,
    URL,
    ask,
    compose,
    saved,
    send,
    version,
    visitor,
    wait_for,
)
from tests.lab.systems.core.docker_applier import Applier, docker_engine, on_session, shown
from tests.unit.recording import Recorder

PASSWORD = "canary$pass#word'9"
SECRET_KEY = "canary-secret-key-0123456789abcdef"
SETTINGS: dict[str, Any] = {"host": "pi", "ai": True}
KILLS = 5
SOAK_KILLS = 20
RATE = 200  # requests a second
BACK_SECONDS = 60
"""Seconds for a database to be there again after its start: a few on a quiet machine."""


@pytest.fixture(scope="module")
def pi(lab: Lab, registry: Service) -> Iterator[Machine]:
    """Yield a machine with Docker, and the application's folder on it."""
    machine = lab.machine("pi", image="machine-docker", fresh=True)
    send(machine)
    filled = with_secrets(machine.read(f"{FOLDER}/.env.example"))
    machine.write(f"{FOLDER}/.env", filled, mode="0600")
    yield machine
    lab.remove("pi")


@pytest.fixture(scope="module")
def machines(lab: Lab, pi: Machine) -> Machines:
    return Machines.from_namespace({"hosts": {pi.name: {}}, "ssh-config": str(lab.ssh_config)})


def deployed(suffix: str = "") -> dict[str, Any]:
    """Return what the component says of itself; compose adds a number to its containers' names."""
    limits = {"postgres": 512, "backend": 512, "ollama": 1024}
    return {
        "host": "pi",
        "name": "mail-assistant",
        "url": URL,
        "ai": True,
        "backup": None,
        "start_timeout": 120,
        "containers": {
            service: {"name": f"mail-assistant-{service}{suffix}", "memory": limit * 2**20}
            for service, limit in limits.items()
        },
    }


def rows(machines: Machines, what: Mapping[str, Any]) -> list[CheckResult]:
    return on_session(machines, "pi", lambda session: check_core(session, DeployedCore.parse("core", what)))


def failed(found: list[CheckResult]) -> list[CheckResult]:
    return [row for row in found if row.status is not Status.PASS]


# compose.yaml, by hand


def with_secrets(example: str) -> str:
    """Return the example, filled in."""
    quoted = PASSWORD.replace("'", "\\'")
    filled = example.replace("POSTGRES_PASSWORD=\n", f"POSTGRES_PASSWORD='{quoted}'\n")
    filled = filled.replace("ACCESS_PASSWORD=\n", f"ACCESS_PASSWORD={ACCESS_PASSWORD}\n")
    return filled.replace("SECRET_KEY=\n", f"SECRET_KEY={SECRET_KEY}\n")


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "SECRET_KEY"])
def test_compose_says_what_is_missing(pi: Machine, name: str) -> None:
    lacking = re.sub(rf"(?m)^{name}=.*$", f"{name}=", with_secrets(pi.read(f"{FOLDER}/.env.example")))
    pi.write("/root/lacking.env", lacking, mode="0600")
    assert f"set {name} in .env" in compose(pi, "--env-file /root/lacking.env config --quiet", check=False)


def test_the_example_filled_in_hands_a_password_of_any_characters_on(pi: Machine) -> None:
    content = json.loads(compose(pi, "--profile ai config --format json"))
    assert content["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"].replace("$$", "$") == PASSWORD
    assert content["services"]["backend"]["environment"]["OLLAMA_BASE_URL"] == "http://ollama:11434"


def test_the_override_example_moves_the_port_and_leaves_none_behind(pi: Machine) -> None:
    pi.run(f"cd {FOLDER} && cp compose.override.example.yaml compose.override.yaml")
    backend = json.loads(compose(pi, "config --format json"))["services"]["backend"]
    pi.run(f"rm {FOLDER}/compose.override.yaml")
    assert [(port["host_ip"], port["published"]) for port in backend["ports"]] == [("127.0.0.1", "9000")]
    assert backend["environment"]["OLLAMA_BASE_URL"] == "http://host.docker.internal:11434"
    assert backend["environment"]["POSTGRES_HOST"] == "postgres"


def test_compose_brings_the_stack_up_and_it_passes_the_checks(pi: Machine, machines: Machines) -> None:
    compose(pi, "--profile ai up --detach --build --wait")
    assert failed(rows(machines, deployed("-1"))) == []


def test_the_container_can_write_nothing_but_its_tmp_and_is_not_root(pi: Machine) -> None:
    inside = "docker exec mail-assistant-backend-1 sh -c"
    assert pi.run(f"{inside} 'id -u'").stdout.strip() == "10001"
    assert pi.run(f"{inside} 'touch /tmp/x && ! touch /app/x && ! touch /opt/venv/x'").ok
    capabilities = pi.run(f"{inside} 'grep CapEff /proc/self/status'").stdout.split()[1]
    assert int(capabilities, 16) == 0


def test_a_start_compiles_nothing_nor_does_its_health_check(pi: Machine) -> None:
    loaded = "import os, sys, mail_assistant.__main__, mail_assistant.healthcheck"
    kept = "[each.__cached__ for each in sys.modules.values() if getattr(each, '__cached__', None)]"
    code = f"{loaded}; print([path for path in {kept} if not os.path.exists(path)])"
    assert pi.run(f'docker exec mail-assistant-backend-1 python -c "{code}"').stdout.strip() == "[]"


def test_a_database_that_stops_is_degraded_and_comes_back_without_a_restart(pi: Machine) -> None:
    ask(pi, "/config", event_name="Kept through it")
    started = pi.run("docker inspect --format '{{.State.StartedAt}}' mail-assistant-backend-1").stdout
    compose(pi, "stop postgres")
    wait_for(pi, "unreachable", 120)
    status, text = ask(pi, "/health")
    assert (status, json.loads(text)["status"]) == (200, "degraded")
    assert ask(pi, "/health/ready")[0] == 503
    assert "Settings unavailable — database unreachable" in ask(pi, "/")[1]
    # The container's own health check reads the answer: it sees it too, whatever the status code.
    until(lambda: "unhealthy" in pi.run("docker inspect mail-assistant-backend-1").stdout, "the check sees it", 240)
    compose(pi, "start postgres")
    wait_for(pi, "ok", BACK_SECONDS)
    assert ask(pi, "/health/ready")[0] == 200
    assert saved(pi, "event_name") == "Kept through it"
    assert pi.run("docker inspect --format '{{.State.StartedAt}}' mail-assistant-backend-1").stdout == started


def test_a_backend_that_dies_is_started_again_by_docker(pi: Machine) -> None:
    pi.run("kill -9 $(docker inspect --format '{{.State.Pid}}' mail-assistant-backend-1)")
    wait_for(pi, "ok", 180)
    assert int(pi.run("docker inspect --format '{{.RestartCount}}' mail-assistant-backend-1").stdout) >= 1


def kill_under_load(pi: Machine, kills: int) -> None:
    """Kill the backend so often while it is asked 200 times a second: no wrong answer, nothing forgotten."""
    seen = json.loads(visitor(pi, "kill", kills, RATE, timeout=1800))
    assert seen["wrong"] == 0, seen["examples"]
    assert seen["forgotten"] == [], seen
    assert seen["right"] > 0, seen
    assert seen["refused"] > 0, seen
    assert seen["unsaved"] < kills, seen


def test_a_backend_killed_again_and_again_under_load_gives_no_wrong_answer_and_forgets_nothing(pi: Machine) -> None:
    kill_under_load(pi, KILLS)


@pytest.mark.soak
def test_a_backend_killed_twenty_times_under_load_gives_no_wrong_answer_and_forgets_nothing(pi: Machine) -> None:
    compose(pi, "--profile ai up --detach --build --wait")
    kill_under_load(pi, SOAK_KILLS)


def test_what_compose_leaves_behind_is_the_data(pi: Machine) -> None:
    compose(pi, "--profile ai down")
    assert pi.run("docker ps --all --quiet").stdout == ""
    volumes = pi.run("docker volume ls --quiet").stdout.split()
    assert {"mail-assistant_postgres_data", "mail-assistant_ollama_data"} <= set(volumes)


# The component


def carry_out(engine: DockerClient, machines: Machines, **settings: Any) -> tuple[Recorder, Applier]:
    """Make everything on the machine that the component describes."""
    applier = Applier(engine, machines)

    def program() -> None:
        secrets = {
            "core-postgres-password": pulumi.Output.secret(PASSWORD),
            "core-secret-key": pulumi.Output.secret(SECRET_KEY),
            "core-access-password": pulumi.Output.secret(ACCESS_PASSWORD),
        }
        CoreStack("core", CoreStackArgs(Core.model_validate({**SETTINGS, **settings}), machines, secrets))

    return Recorder(applier).run(program), applier


@pytest.fixture(scope="module")
def engine(pi: Machine) -> Iterator[DockerClient]:
    with docker_engine(pi) as client:
        yield client


@pytest.fixture(scope="module")
def carried(engine: DockerClient, machines: Machines) -> tuple[Recorder, Applier]:
    return carry_out(engine, machines)


def test_the_component_passes_the_same_checks(carried: tuple[Recorder, Applier], machines: Machines) -> None:
    found = rows(machines, carried[0].outputs["core"]["deployed"])
    assert failed(found) == []
    assert {row.story for row in found} == {"US1", "US2", "US3", "SC-006"}


def test_the_component_finds_the_data_that_compose_left(carried: tuple[Recorder, Applier], pi: Machine) -> None:
    assert saved(pi, "event_name").startswith("Before kill")


def test_one_off_work_writes_no_secret(carried: tuple[Recorder, Applier]) -> None:
    recorder, applier = carried
    assert applier.said["core-dump"] == "no database yet\n"
    assert applier.said["core-restore"] == "nothing to restore\n"
    commands = [each.inputs for each in recorder.of_type("command:local:Command")]
    assert "canary" not in shown(applier.said) + shown(commands)


def test_the_nightly_dump_runs_keeps_seven_and_can_be_restored(carried: tuple[Recorder, Applier], pi: Machine) -> None:
    assert pi.run("systemctl is-active mail-assistant-backup.timer").stdout.strip() == "active"
    ask(pi, "/config", event_name="In the dump")
    folder = "/var/backups/mail-assistant"
    pi.run(f"for day in 1 2 3 4 5 6 7 8; do touch {folder}/mail-assistant-2020-01-0${{day}}T03-15-00.dump; done")
    pi.run("systemctl start mail-assistant-backup.service")
    kept = pi.run(f"ls {folder}").stdout.split()
    assert len(kept) == 7
    assert kept[0] == "mail-assistant-2020-01-03T03-15-00.dump"
    assert pi.run(f"stat -c '%a %s' {folder}/{kept[-1]}").stdout.split()[0] == "600"
    ask(pi, "/config", event_name="After the dump")
    program = pi.read("/usr/local/sbin/mail-assistant-backup")
    commands = [line[4:] for line in program.splitlines() if line.startswith("#   docker")]
    assert len(commands) == 3
    for command in commands:
        pi.run(command.replace("FILE", f"{folder}/{kept[-1]}"))
    wait_for(pi, "ok", 180)
    assert saved(pi, "event_name") == "In the dump"


OLDER = {"image": "docker.io/library/postgres:15"}


def test_a_dump_that_fails_stops_everything(carried: tuple[Recorder, Applier], pi: Machine) -> None:
    text = upgrade.dump_before_upgrade(Core.model_validate({"host": "pi", "postgres": {**OLDER, "user": "nobody"}}))
    result = pi.run("sh -s", stdin=text, check=False)
    assert not result.ok
    assert "nobody" in result.stderr
    pi.run("docker start mail-assistant-backend")
    wait_for(pi, "ok", 180)


def test_another_major_version_has_the_data_of_the_one_before_and_so_has_the_way_back(
    carried: tuple[Recorder, Applier], engine: DockerClient, machines: Machines, pi: Machine
) -> None:
    ask(pi, "/config", event_name="Saved in 17: \\ ü ;")
    older, applier = carry_out(engine, machines, ai=False, postgres=OLDER)
    assert (applier.said["core-dump"], applier.said["core-restore"]) == (
        "dumped version 17 for version 15\n",
        "restored\n",
    )
    assert version(pi) == "15"
    assert failed(rows(machines, older.outputs["core"]["deployed"])) == []
    assert saved(pi, "event_name") == "Saved in 17: \\ ü ;"
    ask(pi, "/config", event_name="Saved in 15")
    _, applier = carry_out(engine, machines, ai=False)
    assert applier.said["core-dump"] == "dumped version 15 for version 17\n"
    assert version(pi) == "17"
    assert saved(pi, "event_name") == "Saved in 15"
    settings = Core(host="pi")
    again = pi.run("sh -s", stdin=upgrade.dump_before_upgrade(settings)).stdout
    assert again == "the database is of version 17 already\n"
    assert pi.run("sh -s", stdin=upgrade.restore_after_upgrade(settings)).stdout == "nothing to restore\n"


def test_a_kernel_that_limits_no_memory_is_named_with_the_line_to_add(pi: Machine) -> None:
    pi.write("/root/stub/docker", '#!/bin/sh\n[ "$2" = --format ] && echo false\nexit 0\n', mode="0755")
    stubbed = "PATH=/root/stub:$PATH sh -s"
    assert not pi.run(stubbed, stdin=memory.CHECK, check=False).ok
    refusal = pi.run(stubbed, stdin=memory.REFUSAL, check=False)
    assert not refusal.ok
    assert refusal.stderr.endswith("cgroup_enable=memory cgroup_memory=1\n")
    assert pi.run("sh -s", stdin=memory.CHECK).ok
