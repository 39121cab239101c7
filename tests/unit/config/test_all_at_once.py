"""Every mistake of a stack in one go: of each system, of the machines, of the secrets, and between systems."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.loader import parse
from config.mistakes import WrongSettings
from config.model import NotKnown
from config.right_parts import right_parts
from config.systems import SYSTEMS
from config.systems.maubot import Maubot
from config.systems.secondbrain import SecondBrain
from tests.unit.config.test_every_system import DNS, LEAST, SECRETS, read
from tests.unit.config.test_refusals import merged
from toolchain.versions import ROOT


def places_of(changes: dict[str, Any], **more: str) -> set[str]:
    with pytest.raises(WrongSettings) as caught:
        read(changes, **more)
    assert len({(each.path, each.rule) for each in caught.value.mistakes}) == len(caught.value.mistakes)
    return {each.path.removeprefix("hearth:") for each in caught.value.mistakes}


EVERYWHERE: dict[str, Any] = {
    "secondbrain/account/name": "root",
    "secondbrain/pod/backend-port": 80,
    "core/backend/memory": "1",
    "todo/namespace": "kube-system",
    "maubot/version": "0.1.0",
    "lxd/members/m1/address": "127.0.0.1",
    "hosts/vps/port": 0,
    "lost": ["h:22"],
    "ssh-config": "a\nb",
    "scondbrain": {},
}
PLACES = {*(place.replace("/", ".") for place in EVERYWHERE if place != "lost"), "lost[0]"}


def test_each_systems_mistakes_the_machines_and_the_secrets_are_listed_together() -> None:
    secrets = {"core-secret-key": "short", "lxd-environment": "no line", "todo-tls-key": "x"}
    assert places_of(EVERYWHERE, **secrets) == PLACES | secrets.keys()


BETWEEN: list[tuple[dict[str, Any], set[str]]] = [
    # Rules between the values of one model, beside a value of it that is wrong.
    (
        {"secondbrain/prerequisites": "x", "secondbrain/share/mount-point": "/var/lib/secondbrain/x"},
        {"secondbrain.prerequisites", "secondbrain.share.mount-point"},
    ),
    (
        {"secondbrain/account/name": "root", "secondbrain/account/home": "/home/ann"},
        {"secondbrain.account.name"},
    ),
    (
        {"secondbrain/account/home": "/etc", "secondbrain/share/mount-point": "/opt/podmgr/x"},
        {"secondbrain.account.home", "secondbrain.share.mount-point"},
    ),
    (
        {"secondbrain/pod/start-timeout": 0, "secondbrain/pod/ollama-port": 8000},
        {"secondbrain.pod.start-timeout", "secondbrain.pod"},
    ),
    (
        {"secondbrain/manager": "podmgr", "secondbrain/pod/health-interval": 20, "secondbrain/data": "x"},
        {"secondbrain.pod.health-interval", "secondbrain.data"},
    ),
    (
        {"core/backend/image": "docker.io/a", "core/backend/registry": "docker.io/a", "core/backend/port": 0},
        {"core.backend", "core.backend.port"},
    ),
    (
        {"core/ai": True, "core/ollama/url": "http://h", "core/ollama/memory": "1"},
        {"core", "core.ollama.memory"},
    ),
    (
        {"todo/ingress/own-certificate": True, "todo/ingress/host": None, "todo/ingress/wait": 3},
        {"todo.ingress", "todo.ingress.wait"},
    ),
    # All rules of one model, where each by itself would have ended it.
    (
        {
            "maubot/version": "0.1.0",
            "maubot/port": 3000,
            "maubot/platform": "nixos",
            "maubot/packages": ["ffmpeg"],
            "maubot/health": {"alert-bot": "nobody"},
            "maubot/instances": {"a": {"plugin": "gone", "bot": "gone"}, "b": {"plugin": "sna.echo", "bot": "none"}},
            "maubot/backup/folder": "/var/lib/maubot/x",
        },
        {"maubot", "maubot.version", "maubot.port", "maubot.health.alert-bot", "maubot.backup.folder"}
        | {"maubot.instances.a.plugin", "maubot.instances.a.bot", "maubot.instances.b.bot"},
    ),
    # Between systems, beside values of both that are wrong.
    (
        {"core/host": "brain", "core/backend/port": 11434, "core/ai": 3, "secondbrain/manager": "x"},
        {"core.backend.port", "core.ai", "secondbrain.manager"},
    ),
    (
        {"maubot/host": "pi", "maubot/database": "x", "core/backup/folder": "/var/lib/maubot/x", "core/ai": 3},
        {"maubot.database", "core.backup.folder", "core.ai"},
    ),
    ({"secondbrain/account/name": "ann", "secondbrain/data": "x"}, {"secondbrain.account.name", "secondbrain.data"}),
    (
        {"hosts/vps/port": "x", "core/host": "brain", "core/backend/port": 8000},
        {"hosts.vps.port", "core.backend.port"},
    ),
    (
        {"lxd/daemon": "x", "lxd/members/m1/host": "pi", "core/backend/port": 8443, "core/ai": 3},
        {"lxd.daemon", "lxd.members.m1.port", "core.ai"},
    ),
    (
        {"lxd/dns": {**DNS, "domain": "X", "records": {"web": ["10.0.0.1"]}}, "lxd/members/m1/port": 22},
        {"lxd.dns.domain", "lxd.members.m1.port"},
    ),
    (
        {"hosts": None},
        {f"{key}.host" for key in ("secondbrain", "core", "maubot")} | {"lxd.members.m1", "lxd.members.m2"},
    ),
]


@pytest.mark.parametrize(("changes", "places"), BETWEEN)
def test_what_shows_between_values_is_said_beside_values_that_are_wrong(
    changes: dict[str, Any], places: set[str]
) -> None:
    assert places_of(changes) == places


def test_a_secret_that_a_system_lacks_is_said_although_the_system_is_wrong() -> None:
    written = {key: json.dumps(value) for key, value in merged(LEAST, {"core/ai": 3, "todo/data": "x"}).items()}
    given = {key: value for key, value in SECRETS.items() if key not in ("core-secret-key", "todo-auth-secret")}
    with pytest.raises(WrongSettings) as caught:
        parse(written | given, set(given), ROOT)
    found = {each.path for each in caught.value.mistakes}
    assert found == {"hearth:core.ai", "hearth:todo.data", "hearth:core-secret-key", "hearth:todo-auth-secret"}


@pytest.mark.parametrize("key", SYSTEMS)
@pytest.mark.parametrize("value", [None, "x", 3, [], {}, {"x": 1}, {"host": 3}, {"members": {"a": 3}}])
def test_a_system_of_which_nothing_is_right_hides_no_other_mistake(key: str, value: Any) -> None:
    found = places_of({key: value, "hosts/brain/port": 0})
    assert "hosts.brain.port" in found
    assert any(place.partition(".")[0] == key for place in found)


def test_what_is_right_of_a_model_has_no_default_for_what_is_wrong() -> None:
    written = merged(LEAST["secondbrain"], {"account/home": "/etc", "pod/ollama-port": 1})
    found = right_parts(SecondBrain, written)
    assert found is not None
    assert (found.host, found.account.name, found.pod.backend_port) == ("brain", "secondbrain", 8000)
    with pytest.raises(NotKnown):
        _ = found.account.home
    with pytest.raises(NotKnown):
        _ = found.pod.ollama_port
    with pytest.raises(AttributeError, match="no attribute"):
        _ = found.nothing  # type: ignore[attr-defined]
    assert right_parts(Maubot, "text") is None
    whole = right_parts(SecondBrain, LEAST["secondbrain"])
    assert whole == SecondBrain.model_validate(LEAST["secondbrain"])
