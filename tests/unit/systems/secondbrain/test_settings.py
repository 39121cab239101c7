"""One rejection for each rule of the models, and what the defaults are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.hosts import Host, Machines
from config.systems.secondbrain import SecondBrain

POD = {"backend-image": "localhost/secondbrain/backend:latest", "backend-port": 8000}
RIGHT: dict[str, Any] = {"host": "brain", "pod": POD}


def test_the_defaults_are_those_of_the_task_list():
    settings = SecondBrain.model_validate({"host": "brain", "migrate": {"user": "backstage440"}})
    assert settings.account.name == "secondbrain"
    assert str(settings.account.home) == "/var/lib/secondbrain"
    assert settings.pod.ollama_port == 11434
    assert settings.pod.start_timeout == 90
    assert settings.migrate is not None
    assert settings.migrate.backend_container == "secondbrain-backend"
    assert not settings.migrate.remove_old
    assert settings.share is None


def test_the_settings_can_not_be_changed_once_read():
    settings = SecondBrain.model_validate(RIGHT)
    with pytest.raises(ValidationError, match="frozen"):
        settings.host = "other"  # pyright: ignore[reportAttributeAccessIssue]


REJECTED: list[tuple[str, dict[str, Any], str]] = [
    ("subordinate ids that are no range", {"account": {"subordinate-ids": "100000"}}, "must be `auto` or START:COUNT"),
    ("subordinate ids of the system", {"account": {"subordinate-ids": "1000:65536"}}, "must begin at 65536"),
    ("too few subordinate ids", {"account": {"subordinate-ids": "100000:1000"}}, "must hold at least 65536"),
    ("a user name with blanks", {"account": {"name": "second brain"}}, "must be a user name"),
    ("a home that is no absolute path", {"account": {"home": "secondbrain"}}, "must be an absolute path"),
    ("a home with ..", {"account": {"home": "/var/../etc"}}, "without '..'"),
    ("its own home as a private one", {"account": {"private-homes": ["secondbrain"]}}, "must not name the account"),
    ("an image without a registry", {"pod": {**POD, "backend-image": "backend"}}, "must be the full name of an image"),
    ("a port out of range", {"pod": {**POD, "backend-port": 0}}, "greater than or equal to 1024"),
    ("one port for two containers", {"pod": {**POD, "backend-port": 11434}}, "are both 11434"),
    ("podman that can not wait", {"pod": {**POD, "podman-version": "4.5"}}, "must be 4.6 or later"),
    ("podman without a version", {"pod": {**POD, "podman-version": "new"}}, "must be a version"),
    ("a publication on a name", {"pod": {**POD, "backend-addresses": ["localhost"]}}, "not a valid IPv4 address"),
    ("a backend that is published nowhere", {"pod": {**POD, "backend-addresses": []}}, "at least 1 item"),
    ("a health path with blanks", {"pod": {**POD, "backend-health-path": "/a b"}}, "must be a URL's path"),
    ("an environment name with a dash", {"pod": {**POD, "backend-environment": {"A-B": "x"}}}, "variable's name"),
    ("an environment value of two lines", {"pod": {**POD, "backend-environment": {"A": "x\ny"}}}, "must be one line"),
    ("no port and no old container", {"pod": {"backend-image": POD["backend-image"]}}, "must give pod.backend-port"),
    (
        "an archive without a name",
        {"pod": {"backend-port": 8001, "backend-archive": "/b.tar"}},
        "must give pod.backend-image",
    ),
    ("two sources of one image", {"pod": {**POD, "backend-archive": "/b.tar"}, "migrate": {"user": "a"}}, "each say"),
    ("the account as the old user", {"migrate": {"user": "secondbrain"}}, "must be another user"),
    ("an image removed before its containers", {"migrate": {"user": "a", "remove-image": True}}, "needs remove-old"),
    ("a share name with a slash", {"share": {"server": "w", "name": "a/b"}}, "must be a share's name"),
    ("a server with a port", {"share": {"server": "user@w", "name": "a"}}, "must be a host name"),
    (
        "a mount point at the root",
        {"share": {"server": "w", "name": "a", "mount-point": "/share"}},
        "place of its own",
    ),
    ("a mount point with a comma", {"share": {"server": "w", "name": "a", "mount-point": "/mnt/a,b"}}, "no ','"),
    ("a podmgr address that is none", {"podmgr": {"url": "podmgr"}}, "must be a git address"),
    ("a revision that is an option", {"podmgr": {"revision": "--upload-pack=x"}}, "must be a branch"),
    ("an unknown key", {"pods": {}}, "Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("wrong", "rule"), [case[1:] for case in REJECTED], ids=[case[0] for case in REJECTED])
def test_the_model_refuses(wrong: dict[str, Any], rule: str):
    with pytest.raises(ValidationError) as caught:
        SecondBrain.model_validate({**RIGHT, **wrong})
    assert rule in str(caught.value)


@pytest.mark.parametrize("range_of_ids", ["auto", "100000:65536", "524288:131072"])
def test_subordinate_ids_are_taken_as_they_are_written(range_of_ids: str):
    settings = SecondBrain.model_validate({**RIGHT, "account": {"subordinate-ids": range_of_ids}})
    assert settings.account.subordinate_ids == range_of_ids


def test_a_machine_may_be_named_and_nothing_else():
    machines = Machines.from_namespace({"hosts": '{"brain": null}'})
    assert machines.hosts["brain"] == Host()
    assert machines.address("brain") == "brain"


def test_machines_come_from_json_texts_as_the_engine_hands_them_over(tmp_path: Path):
    machines = Machines.from_namespace(
        {"hosts": '{"brain": {"address": "fe80::1", "port": 2222}}', "lost": '["10.0.0.9"]', "ssh-config": "lab/config"}
    )
    assert machines.address("brain") == "fe80::1"
    assert machines.hosts["brain"].port == 2222
    assert machines.lost == {"10.0.0.9"}
    assert machines.ssh_config_file(tmp_path) == tmp_path / "lab/config"


def test_keys_of_other_purposes_are_no_matter_for_machines():
    assert Machines.from_namespace({"secondbrain": "{}"}).hosts == {}


@pytest.mark.parametrize("name", ["brain ", "-brain", "brain_", "", "a..b", "ü", "a/b", "a:b", "--latest", "a\n"])
def test_a_machine_with_such_a_name_is_refused(name: str):
    with pytest.raises(ValidationError, match="must be letters, digits"):
        Machines.from_namespace({"hosts": {name: {}}})


@pytest.mark.parametrize("address", ["-oProxyCommand=x", "user@host", "a b", ""])
def test_an_address_that_could_be_more_than_one_is_refused(address: str):
    with pytest.raises(ValidationError, match="must be a host name or an IP address"):
        Host.model_validate({"address": address})


@pytest.mark.parametrize("python", ["", "-c", "python3 -E"])
def test_an_interpreter_that_is_more_than_a_name_is_refused(python: str):
    with pytest.raises(ValidationError, match="must be the name or the path"):
        Host.model_validate({"python": python})


def test_sudo_follows_from_who_logs_in_unless_the_settings_say():
    assert Host().needs_sudo("admin")
    assert not Host().needs_sudo("root")
    assert not Host(sudo=False).needs_sudo("admin")
