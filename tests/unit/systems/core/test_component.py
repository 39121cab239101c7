"""The component CoreStack, against a recording mock: which resources, with what, in which order."""

from __future__ import annotations

import functools
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.blocks.build_context import MAIL_ASSISTANT
from components.core import backup, memory, ssh, upgrade
from components.core.component import CoreStack, CoreStackArgs
from components.core.containers import containers, duration
from config.hosts import Machines
from config.systems.core import Core
from tests.unit.recording import Recorded, Recorder

CANARY = "canary-7d20"
CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
COMMAND = "command:local:Command"
DIGEST = "registry.example.org/mail-assistant:1@sha256:" + "0" * 64
MACHINES = Machines.from_namespace({"hosts": {"pi": {"address": "192.168.1.20", "port": 2222, "user": "me"}}})


def build(preview: bool = False, **settings: Any) -> Recorder:
    """Return what the component registers for these settings."""
    return _built(json.dumps({"host": "pi", **settings}), preview)


@functools.cache
def _built(settings: str, preview: bool) -> Recorder:
    def answer(token: str, name: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if preview:
            return {}
        return {"imageId": f"sha256:{name}", "ref": DIGEST} if "mage" in token else {}

    def program() -> None:
        secrets = {key: pulumi.Output.secret(f"{CANARY}-{key}") for key in Core.SECRETS}
        CoreStack("core", CoreStackArgs(Core.model_validate_json(settings), MACHINES, secrets))

    return Recorder(answer).run(program, preview=preview)


def container(made: Recorder, service: str) -> Recorded:
    return made.resources[f"core-{service}"]


def test_everything_is_a_child_of_the_component():
    made = build(ai=True)
    assert made.resources["core"].type == "hearth:core:CoreStack"
    children = [each for each in made.resources.values() if each.name != "core"]
    assert {each.parent for each in children} == {"core"}
    assert all(each.name.startswith("core-") for each in children)


def test_the_backend_waits_for_a_healthy_database_and_nothing_for_ollama():
    made = build(ai=True)
    assert "core-postgres" in made.before("core-backend")
    assert "core-ollama" not in made.before("core-backend")
    assert container(made, "postgres").inputs["wait"] is True
    assert container(made, "backend").inputs["wait"] is True


def test_nothing_is_made_before_the_kernel_is_known_to_limit_memory():
    made = build(ai=True)
    for each in made.resources.values():
        if each.type.startswith("docker:index/") or each.type == COMMAND:
            assert "core-memory" in made.before(each.name), each.name


def test_the_containers_say_what_compose_yaml_says():
    made = build(ai=True)
    for wanted in containers(Core(host="pi", ai=True), with_ollama=True):
        inputs = container(made, wanted.service).inputs
        assert inputs["healthcheck"]["tests"] == ["CMD", *wanted.health.test]
        assert inputs["healthcheck"]["interval"] == duration(wanted.health.interval)
        assert inputs["healthcheck"]["startPeriod"] == "1m0s"
        assert inputs["memory"] == inputs["memorySwap"] == (1024 if wanted.service == "ollama" else 512)
        assert {each["containerPath"] for each in inputs["volumes"]} == set(wanted.volumes.values())
        assert {f"{name}={value}" for name, value in wanted.environment.items()} <= set(inputs["envs"])
        assert inputs["networksAdvanced"] == [{"name": "mail-assistant_default", "aliases": [wanted.service]}]
        assert inputs.get("readOnly", False) is wanted.read_only
        assert inputs["restart"] == "unless-stopped"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (5, "5s"), (59, "59s"), (60, "1m0s"), (90, "1m30s"), (3600, "1h0m0s"), (3725, "1h2m5s")],
)
def test_times_are_written_as_docker_reads_them_back(seconds: int, text: str):
    assert duration(seconds) == text


def test_addresses_are_published_in_the_order_in_which_docker_lists_them():
    made = build(backend={"addresses": ["fd00::1", "127.0.0.1", "::1", "10.0.0.9"]})
    ports = container(made, "backend").inputs["ports"]
    assert [each["ip"] for each in ports] == ["10.0.0.9", "127.0.0.1", "::1", "fd00::1"]
    assert made.outputs["core"]["url"] == "http://[fd00::1]:8000"


def test_volumes_have_the_names_that_compose_gives_them():
    names = {each.inputs["name"] for each in build(ai=True).of_type(VOLUME)}
    assert names == {"mail-assistant_postgres_data", "mail-assistant_ollama_data"}


def test_ai_off_runs_no_ollama_and_the_backend_knows_of_none():
    made = build()
    assert {each.inputs["name"] for each in made.of_type(CONTAINER)} == {
        "mail-assistant-postgres",
        "mail-assistant-backend",
    }
    assert "OLLAMA_BASE_URL=" in container(made, "backend").inputs["envs"]
    assert len(made.of_type(VOLUME)) == 1


def test_secrets_reach_the_containers_and_no_plain_input():
    made = build(ai=True)
    assert f"POSTGRES_PASSWORD={CANARY}-core-postgres-password" in container(made, "postgres").inputs["envs"]
    assert f"SECRET_KEY={CANARY}-core-secret-key" in container(made, "backend").inputs["envs"]
    for each in made.resources.values():
        plain = {name: value for name, value in each.inputs.items() if name not in each.secrets}
        assert CANARY not in json.dumps(plain), each.name
    assert CANARY not in json.dumps(made.outputs)


@pytest.mark.parametrize("role", ["dump", "restore", "backend-image-build"])
def test_one_off_work_handles_no_secret_deletes_nothing_and_writes_no_long_lines(role: str):
    command = build().resources[f"core-{role}"]
    assert command.type == COMMAND
    assert command.secrets == frozenset()
    assert "delete" not in command.inputs, "it would run after the next create, and delete what that made"
    assert "environment" not in command.inputs
    assert command.inputs["addPreviousOutputInEnv"] is False
    assert command.inputs["logging"] == "none"


def test_the_dump_comes_before_the_databases_container_and_the_restore_before_the_backend():
    made = build()
    assert "core-dump" in made.before("core-postgres")
    assert "core-postgres" in made.before("core-restore")
    assert "core-restore" in made.before("core-backend")
    assert made.resources["core-dump"].inputs["triggers"] == [17]
    newer = build(postgres={"image": "docker.io/library/postgres:18"})
    assert newer.resources["core-dump"].inputs["triggers"] == [18]


def test_docker_is_reached_by_the_users_own_ssh():
    provider = build().resources["core-docker"]
    assert provider.inputs["host"] == "ssh://me@192.168.1.20:2222"
    words = shlex.split(build().resources["core-dump"].inputs["create"])
    assert words[0] == "ssh"
    assert words[-1] == "sh -s"
    assert {"-p", "2222", "-l", "me", "192.168.1.20"} <= set(words)
    assert "StrictHostKeyChecking" not in str(words)


def test_commands_are_the_same_texts_in_every_clone_and_for_every_user(tmp_path: Path):
    texts = [str(build().resources[f"core-{role}"].inputs["create"]) for role in ("dump", "backend-image-build")]
    assert str(Path.home()) not in str(texts)
    assert str(MAIL_ASSISTANT.folder) not in str(texts)
    configuration = tmp_path / ".lab" / "ssh_config"
    configuration.parent.mkdir()
    configuration.touch()
    lab = Machines.from_namespace({"hosts": {"pi": {}}, "ssh-config": ".lab/ssh_config"})
    assert ssh.ssh_options(lab, tmp_path) == ["-o", "BatchMode=yes", "-F", ".lab/ssh_config"]


def test_a_ready_made_image_is_pulled_by_its_digest_and_nothing_is_built():
    made = build(backend={"image": DIGEST})
    assert made.resources["core-backend-image"].inputs["name"] == DIGEST
    assert container(made, "backend").inputs["image"] == "sha256:core-backend-image"
    assert "core-backend-image-build" not in made.resources


def test_with_a_registry_the_image_is_built_for_both_processors_pushed_and_not_built_in_a_preview():
    made = build(backend={"registry": "registry.example.org/mail-assistant"})
    image = made.resources["core-backend-image-build"]
    assert image.type == "docker-build:index:Image"
    assert image.inputs["buildOnPreview"] is False
    assert image.inputs["push"] is True
    assert image.inputs["platforms"] == ["linux/arm64", "linux/amd64"]
    assert image.inputs["tags"] == [f"registry.example.org/mail-assistant:{MAIL_ASSISTANT.digest()}"]
    assert made.resources["core-backend-image"].inputs["name"] == DIGEST


def test_without_a_registry_the_image_is_built_on_the_machine_under_a_tag_of_its_content():
    made = build()
    tag = f"mail-assistant:{MAIL_ASSISTANT.digest()}"
    assert container(made, "backend").inputs["image"] == tag
    build_there = f"docker build --quiet --tag {tag} --file mail-assistant/Dockerfile -"
    assert build_there in made.resources["core-backend-image-build"].inputs["create"]
    assert "core-backend-image-build" in made.before("core-backend")


def test_volumes_outlive_destroy_unless_the_setting_says_otherwise(monkeypatch: pytest.MonkeyPatch):
    seen: list[bool | None] = []
    original = pulumi.ResourceOptions.__init__

    def watch(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if options.get("retain_on_delete") is not None:
            seen.append(options["retain_on_delete"])

    monkeypatch.setattr(pulumi.ResourceOptions, "__init__", watch)
    _built.__wrapped__(json.dumps({"host": "pi"}), False)
    assert seen == [True]
    seen.clear()
    _built.__wrapped__(json.dumps({"host": "pi", "data": "remove"}), False)
    assert seen == [False]


def test_data_can_be_protected():
    assert build(**{"protect-data": True}).resources["core-postgres-data"].protect
    assert not build().resources["core-postgres-data"].protect


def test_the_nightly_dump_is_a_timer_that_also_runs_after_a_missed_night():
    made = build(backup={"at": "02:40", "keep": 3, "folder": "/srv/dumps"})
    timer = made.resources["core-backup-timer"]
    assert timer.inputs["enabled"] is True
    assert "OnCalendar=*-*-* 02:40:00" in timer.inputs["text"]
    assert "Persistent=true" in timer.inputs["text"]
    assert "core-postgres" in made.before("core-backup-timer")
    assert made.resources["core-backup-folder"].inputs["mode"] == "0700"
    program = made.resources["core-backup-program"].inputs["content"]
    assert "tail -n +4" in program
    assert "folder=/srv/dumps" in program
    assert not [each for each in build(backup={"enabled": False}).resources if "backup" in each]


def test_what_the_checks_need_is_an_output():
    deployed = build(ai=True).outputs["core"]["deployed"]
    assert deployed["host"] == "pi"
    assert deployed["url"] == "http://127.0.0.1:8000"
    assert set(deployed["containers"]) == {"postgres", "backend", "ollama"}
    assert build(backend={"addresses": ["fd00::1"]}).outputs["core"]["url"] == "http://[fd00::1]:8000"


def test_a_preview_of_a_machine_of_which_nothing_is_known_ends_well():
    assert container(build(True, ai=True), "backend").type == CONTAINER


def test_the_texts_that_run_on_the_machine_are_good_shell(tmp_path: Path):
    settings = Core(host="pi")
    texts = {
        "memory": memory.CHECK + memory.REFUSAL,
        "dump": upgrade.dump_before_upgrade(settings),
        "restore": upgrade.restore_after_upgrade(settings),
        "backup": backup.backup_script(settings),
        "filled": "\n".join(backup.restore_scripts(settings, "/srv/My rescue")),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    shellcheck = str(Path(sys.executable).with_name("shellcheck"))
    command = [shellcheck, "--shell=sh", "--exclude=SC2012", *(str(tmp_path / name) for name in texts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_new_database_is_filled_before_the_backend_starts_and_only_where_the_settings_name_a_dump():
    made = build(backup={"restore-from": "/srv/My rescue"})
    filled = made.resources["core-filled"].inputs
    assert "core-filled" in made.before("core-backend")
    assert {"core-postgres", "core-restore"} <= made.before("core-filled")
    assert "source='/srv/My rescue'" in filled["apply"]
    assert "core-filled" not in build().resources


@pytest.mark.parametrize(("tables", "holds"), [("0", False), ("3", True), ("", True)])
def test_a_database_that_holds_something_or_that_can_not_be_asked_is_left_alone(
    tmp_path: Path, tables: str, holds: bool
):
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho {tables}\nexit {0 if tables else 1}\n")
    docker.chmod(0o755)
    _, check = backup.restore_scripts(Core(host="pi"), "/srv/rescue")
    done = subprocess.run(["/bin/sh", "-c", check], env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, check=False)
    assert (done.returncode == 0) is holds


@pytest.mark.parametrize("source", ["folder", "folder/mail-2026-01-02.dump", "nowhere", "empty"])
def test_the_newest_dump_of_a_folder_or_the_one_that_is_named_is_restored(tmp_path: Path, source: str):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "empty").mkdir()
    for day in ("01", "02", "10"):
        (folder / f"mail-2026-01-{day}.dump").write_text(f"dump {day}")
    (folder / "mail-2026-02-01.dump.part").write_text("half")
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\ncat\n")
    docker.chmod(0o755)
    apply, _ = backup.restore_scripts(Core(host="pi"), str(tmp_path / source))
    environment = {"PATH": f"{tmp_path}:/bin:/usr/bin"}
    done = subprocess.run(["/bin/sh", "-c", apply], env=environment, capture_output=True, text=True, check=False)
    if source in ("nowhere", "empty"):
        assert done.returncode == 1
        assert "there is no dump at" in done.stderr
    else:
        assert done.stdout.startswith("dump 02" if "02" in source else "dump 10")
