"""Settings that nobody reported, wrong in what they mean and not in how they are written; and odd, right ones."""

from __future__ import annotations

from typing import Any

import pytest

from config.hosts import Machines
from config.mistakes import WrongSettings
from tests.unit.config.test_every_system import DNS, read

FAMILY = "👨\u200d👩\u200d👧"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
"""A word whose letters are kept apart by a joiner."""
LONG_DOMAIN = ".".join(letter * 60 for letter in "abc") + ".org"
BESIDE = {"core/host": "brain", "core/backend/port": 8001}
"""The core stack on the machine of the SecondBrain host."""

WRONG: list[tuple[dict[str, Any], list[str]]] = [
    # One place or account of a machine, wanted by two systems.
    *(
        ({**BESIDE, "core/backup/folder": path}, ["core.backup.folder"])
        for path in ("/var/lib/secondbrain/dumps", "/mnt/PersonalAssistantHub/dumps", "/mnt/PersonalAssistantHub")
    ),
    (
        {**BESIDE, "core/backup/folder": "/opt/podmgr/dumps", "secondbrain/manager": "podmgr"},
        ["core.backup.folder"],
    ),
    (
        {"hosts/pi/address": "FD00:0::1", "hosts/brain/address": "fd00::1", "core/backend/port": 8001}
        | {"core/backup/folder": "/var/lib/secondbrain/x"},
        ["core.backup.folder"],
    ),
    ({"maubot/host": "pi", "maubot/backup/folder": "/var/backups/mail-assistant"}, ["maubot.backup.folder"]),
    ({"maubot/host": "pi", "core/backup/folder": "/var/lib/maubot/x"}, ["core.backup.folder"]),
    ({"maubot/host": "pi", "core/backup/folder": "/var/backups/maubot/core"}, ["maubot.backup.folder"]),
    ({"maubot/host": "pi", "core/name": "maubot"}, ["core.name"]),
    ({"maubot/host": "brain", "secondbrain/account/name": "maubot"}, ["secondbrain.account.name"]),
    ({"maubot/host": "brain", "secondbrain/account/home": "/var/lib/maubot"}, ["secondbrain.account.home"]),
    (
        {"maubot/host": "brain", "secondbrain/share/mount-point": "/var/backups/maubot"},
        ["maubot.backup.folder"],
    ),
    (
        {"lxd/members/m1/host": "brain", "lxd/environment": {"path": "/mnt/PersonalAssistantHub/env"}},
        ["lxd.environment.path"],
    ),
    (
        {"lxd/members/m1/host": "brain", "lxd/environment": {"path": "/etc/hearth/x"}}
        | {"secondbrain/share/credentials-file": "/etc/hearth/x"},
        ["lxd.environment.path"],
    ),
    ({"lxd/environment": {"path": "/srv/c/env", "link": "/srv/c/env"}}, ["lxd.environment.link"]),
    ({"maubot/health/metrics-folder": "/var/lib/maubot/x"}, ["maubot.health.metrics-folder"]),
    ({"maubot/health/metrics-folder": "/var/backups/maubot"}, ["maubot.health.metrics-folder"]),
    # One machine, written in two ways: one port twice.
    *(
        (
            {"hosts/brain/address": one, "hosts/pi": other, "core/backend/port": 11434},
            ["core.backend.port"],
        )
        for one, other in (
            ("fd00::1", {"address": "FD00:0:0::1"}),
            ("box", {"address": "box", "port": 22}),
            ("box", {"address": "Box."}),
            ("fe80::1%eth0", {"address": "FE80::0:1%eth0"}),
        )
    ),
    # Addresses that lead nowhere, or to whoever asks.
    ({"core/backend/addresses": ["fe80::1"]}, ["core.backend.addresses[0]"]),
    ({"secondbrain/pod/backend-addresses": ["127.0.0.1", "fe80::7"]}, ["secondbrain.pod.backend-addresses[1]"]),
    ({"lxd/dns": {**DNS, "forwarders": ["fe80::1"]}}, ["lxd.dns.forwarders[0]"]),
    *(
        ({"core/ollama/url": f"http://{host}:11434"}, ["core.ollama.url"])
        for host in ("localhost", "127.0.0.1", "127.1.2.3", "[::1]", "ollama.localhost", "LOCALHOST")
    ),
    ({"todo/assistant/url": "http://localhost/v1"}, ["todo.assistant.url"]),
    # YAML's traps: a number in one version of YAML, another number or a text in the other.
    *(
        ({"core/backend/port": value}, ["core.backend.port"])
        for value in ("8_000", "08000", " 8000", "+8000", "8000.0", "8e3", "0x1F40", "٨٠٠٠", 8000.5, "")
    ),
    ({"maubot/health/every": "1_0_0"}, ["maubot.health.every"]),
    ({"lxd/instances/web/cpu": "010"}, ["lxd.instances.web.cpu"]),
    *(({"core/ai": value}, ["core.ai"]) for value in (1, 0, 1.0, "1", "t", "y", "", None, [])),
    ({"hosts/brain/sudo": 0}, ["hosts.brain.sudo"]),
    ({"core/backup/at": 195}, ["core.backup.at"]),  # 03:15, read in base 60
    ({"secondbrain/pod/podman-version": 5.1}, ["secondbrain.pod.podman-version"]),  # was 5.10
    *(
        ({"secondbrain/pod/backend-environment": {"A": value}}, ["secondbrain.pod.backend-environment.A"])
        for value in (None, True, 1, 1e3, ["x"])
    ),
    *(
        ({"secondbrain/pod/backend-environment": {"A": date}}, ["secondbrain.pod.backend-environment.A"])
        for date in ("2027-01-01 00:00:00 +0000 UTC", "2027-01-01 10:00:00.5 +0200 CEST")
    ),
    (
        {"todo/values": {"backend": {"extraEnv": [{"name": "A", "value": "2027-01-01 00:00:00 +0000 UTC"}]}}},
        ["todo.values.backend.extraEnv[0].value"],
    ),
    ({"core": None}, ["core"]),
    ({"core/backend": None}, ["core.backend"]),
    ({"core/backend/addresses": None}, ["core.backend.addresses"]),
    ({"core/backend/addresses": [None]}, ["core.backend.addresses[0]"]),
    # What nobody sees.
    *(
        ({"secondbrain/share/name": name}, ["secondbrain.share.name"])
        for name in ("Hub\u200b", "\ufeffHub", "Hu\u202eb", "H\u00adub", "Hub\u00a0", "U\u0308bung")
    ),
    *(
        ({"secondbrain/share/mount-point": f"/mnt/Hu{mark}b"}, ["secondbrain.share.mount-point"])
        for mark in "\u200b\u202e\ufdd0\uffff\U0010fffe"
    ),
    *(
        ({"todo/context": name}, ["todo.context"])
        for name in ("mini\u200bkube", "mini\u202ekube", "minikube\u00a0", "\ufeffminikube")
    ),
    ({"maubot/bots/instagram-bot/displayname": "A\u202eB"}, ["maubot.bots.instagram-bot.displayname"]),
    ({"secondbrain/pod/backend-environment": {"A": "x\ufeff"}}, ["secondbrain.pod.backend-environment.A"]),
    ({"lxd/networks/net0/description": "a\u2066b"}, ["lxd.networks.net0.description"]),
    # What is too long where it lands.
    ({"secondbrain/share/mount-point": "/mnt/" + "ü" * 40}, ["secondbrain.share.mount-point"]),
    ({"secondbrain/share/mount-point": "/mnt/" + "a-" * 60}, ["secondbrain.share.mount-point"]),
    ({"secondbrain/pod/backend-environment": {"A": "x" * 200_000}}, ["secondbrain.pod.backend-environment.A"]),
    ({"secondbrain/pod/backend-health-command": "x" * 200_000}, ["secondbrain.pod.backend-health-command"]),
    ({"maubot/server-name": LONG_DOMAIN, "maubot/bots": {"instagram-bot": {}, "b" * 90: {}}}, ["maubot.bots"]),
    (
        {"lxd/dns": {**DNS, "domain": LONG_DOMAIN, "records": {"x" * 63 + "." + "y" * 60: ["10.0.0.1"]}}},
        ["lxd.dns.records." + "x" * 63 + "." + "y" * 60],
    ),
    # What pydantic says in words of its own, of a system that lists the mistakes of all its parts.
    ({"lxd/members/m1/address": "hello"}, ["lxd.members.m1.address"]),
    ({"lxd/networks/net0/ipv4": "10.0.0.0.1/24"}, ["lxd.networks.net0.ipv4"]),
    ({"lxd/dns": {**DNS, "clients": ["x/24"]}}, ["lxd.dns.clients[0]"]),
    ({"lxd/environment": {"path": {"a": 1}}}, ["lxd.environment.path"]),
    ({"lxd/instances/web/gateway": "fd00::g"}, ["lxd.instances.web.gateway"]),
    # One thing twice, or somebody else's.
    ({"core/backend/allowed-hosts": ["pi.local", "PI.local"]}, ["core.backend.allowed-hosts"]),
    ({"todo/namespace": "kube-todo"}, ["todo.namespace"]),
    ({"todo/namespace": "cert-manager"}, ["todo.namespace"]),
]
BLANK = " " * 60
SECRETS: list[tuple[str, str, str]] = [
    *(
        (key, BLANK, "blanks alone")
        for key in ("core-postgres-password", "core-secret-key", "core-access-password", "secondbrain-smb-username")
    ),
    *(
        (key, BLANK, "blanks alone")
        for key in ("todo-auth-secret", "maubot-secret-key", "maubot-admin-password", "maubot-registration-token")
    ),
    *(
        ("todo-database-url", f"postgresql://canary:canary@{host}/todo", "loopback")
        for host in ("localhost", "127.0.0.1:5432", "[::1]")
    ),
    ("todo-database-url", "postgresql://canary@[fd00::1/todo", "host can't be read"),
    *(
        (key, f"postgresql://u:{password}@db.example.org/d", rule)
        for key in ("todo-database-url", "maubot-database-url")
        for password, rule in (
            ("canary#1", "has a # or % that stands for itself"),
            ("canary%", "has a # or % that stands for itself"),
            ("canary/1", "host can't be read"),
            ("canary?1", "host can't be read"),
            ("canary 1", "must be an address of PostgreSQL"),
        )
    ),
    ("maubot-database-url", "canary", "must be an address of PostgreSQL"),
    ("maubot-database-url", "sqlite:///canary.db", "must be an address of PostgreSQL"),
    ("maubot-database-url", "postgresql+asyncpg://canary@127.0.0.1/d", "must be an address of PostgreSQL"),
    ("secondbrain-backend-environment", "A=canary\n# A=x\nB=1\nA=canary2\n", "lines 1 and 4"),
    ("lxd-environment", "A=canary\nA=canary", "lines 1 and 2"),
    ("lxd-environment", "A=canary\nB=canary\ufdd0", "line 2 is none"),
    ("maubot-bot-passwords", "instagram-bot=canary\ninstagram-bot = canary2", "instagram-bot has two"),
]
LEGAL: list[dict[str, Any]] = [
    {"core/backend/port": "8001"},  # as `pulumi config set --path` writes it
    {"core/backend/port": 8001.0},
    *({"core/ai": value} for value in ("on", "Yes", "true", "off")),
    {"hosts/brain/sudo": None},
    {"todo/ingress/proxies": "auto"},
    {"maubot/bots/instagram-bot/displayname": FAMILY},
    {"maubot/bots/instagram-bot/displayname": PERSIAN},
    {"secondbrain/share/name": "Übung"},
    {"secondbrain/pod/backend-environment": {"A": "2027-01-01", "B": "2027-01-01 00:00:00"}},
    {"secondbrain/share/mount-point": "/mnt/" + "a" * 200},
    {"core/ollama/url": "http://mail-assistant-ollama:11434"},
    {"core/ollama/url": "http://[fd00::1]:11434"},
    {"todo/values": {"backend": {"extraEnv": [{"name": "A", "value": "\u200b"}]}}},
    # Two machines, whatever they are called; and one, with places apart.
    {"maubot/host": "pi"},
    {**BESIDE, "core/backup/folder": "/var/backups/secondbrain"},
    {"maubot/backup/folder": "/var/backups/mail-assistant"},
    {"hosts/brain/address": "box", "hosts/pi": {"address": "box", "port": 2222}, "core/backend/port": 11434},
    {"core/backup/enabled": False, "core/host": "brain", "core/backend/port": 8001, "core/name": "secondbrain"},
]


@pytest.mark.parametrize(("changes", "places"), WRONG)
def test_such_a_setting_is_refused_where_it_stands(changes: dict[str, Any], places: list[str]) -> None:
    with pytest.raises(WrongSettings) as caught:
        read(changes, **{"maubot-bot-passwords": "".join(f"{bot}=a\n" for bot in ("instagram-bot", "b" * 90))})
    assert sorted({each.path for each in caught.value.mistakes}) == [f"hearth:{place}" for place in places]
    assert all(each.remedy for each in caught.value.mistakes)


@pytest.mark.parametrize(("key", "value", "rule"), SECRETS)
def test_such_a_secret_is_refused_and_not_shown(key: str, value: str, rule: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        read({}, **{key: value})
    assert {each.path for each in caught.value.mistakes} == {f"hearth:{key}"}
    assert rule in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("changes", LEGAL)
def test_such_a_setting_is_legal(changes: dict[str, Any]) -> None:
    read(changes)


@pytest.mark.parametrize(
    ("lost", "address"),
    [("FD00:0::1", "fd00::1"), ("Box.example.org.", "box.example.org"), ("192.0.2.1", "192.0.2.1")],
)
def test_a_lost_machine_is_known_however_its_address_is_written(lost: str, address: str) -> None:
    machines = Machines.model_validate({"hosts": {}, "lost": [lost]})
    assert machines.is_lost(address)
    assert not machines.is_lost("192.0.2.2")
