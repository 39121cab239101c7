"""Wrong settings of every system are refused where they stand, and odd legal ones are taken: by the loader."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.loader import Parsed, parse
from config.mistakes import WrongSettings
from config.systems import SYSTEMS
from tests.unit.config.test_example import secrets
from tests.unit.config.test_refusals import merged
from toolchain.versions import ROOT

ECHO = {"plugin": "sna.echo", "bot": "instagram-bot"}
LEAST: dict[str, Any] = {
    "hosts": {"brain": {"user": "ann"}, "pi": {}, "vps": {}, "m1": {}, "m2": {}},
    "secondbrain": {
        "host": "brain",
        "pod": {"backend-image": "docker.io/secondbrain/backend:latest", "backend-port": 8000},
        "share": {"server": "windows", "name": "Hub"},
    },
    "core": {"host": "pi"},
    "todo": {
        "context": "trial",
        "backend": {"image": "registry.example.org/todo-backend:1"},
        "frontend": {"image": "registry.example.org/todo-frontend:1"},
        "ingress": {"host": "todo.example.org"},
    },
    "maubot": {
        "host": "vps",
        "server-name": "example.org",
        "plugins": {"sna.echo": "apps/echo-bot"},
        "bots": {"instagram-bot": {}},
        "instances": {"echo": ECHO},
    },
    "lxd": {
        "members": {"m1": {"address": "192.0.2.1"}, "m2": {"address": "192.0.2.2"}},
        "networks": {"net0": {"ipv4": "10.100.0.1/24"}},
        "images": {"debian": {"remote": "images", "name": "debian/13/cloud"}},
        "instances": {"web": {"member": "m1", "image": "debian"}},
    },
}
NIXOS = {"maubot/platform": "nixos"}
DNS = {"member": "m1", "domain": "c.example.org"}
DISK = {"driver": "zfs", "members": {"m1": {"disk": "/dev/disk/by-id/nvme-1"}}}
SECRETS = secrets()


def read(changes: dict[str, Any], **more: str) -> Parsed:
    """Return what the loader makes of the least settings of all five systems with these changes."""
    values = merged(LEAST, changes)
    # As the engine hands them over: a text is a text.
    written = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    given = {**SECRETS, **more}
    return parse(written | given, set(given), ROOT)


def test_the_least_that_each_system_needs_is_taken() -> None:
    assert read({}).systems.keys() == SYSTEMS.keys()


# (changes, where it must be refused)
WRONG: list[tuple[dict[str, Any], str]] = [
    # Addresses that are no machine's.
    *(
        ({"lxd/members/m1/address": value}, "lxd.members.m1.address")
        for value in ("0.0.0.0", "127.0.0.1", "224.0.0.1", True, 3221225985, "fe80::1%eth0", "::1", "169.254.1.1")
    ),
    ({"lxd/instances/web/gateway": "0.0.0.0"}, "lxd.instances.web.gateway"),
    *(
        ({"lxd/networks/net0/ipv4": value}, "lxd.networks.net0.ipv4")
        for value in ("127.0.0.1/8", "224.0.0.1/24", "169.254.0.1/16", "240.0.0.1/8", 174325761)
    ),
    *(({"lxd/networks/net0/ipv6": value}, "lxd.networks.net0.ipv6") for value in ("fe80::1/64", "ff02::1/64")),
    ({"secondbrain/share/server": "0.0.0.0"}, "secondbrain.share.server"),
    ({"hosts/brain/address": "0.0.0.0"}, "hosts.brain.address"),
    ({"hosts/brain/address": "224.0.0.1"}, "hosts.brain.address"),
    ({"lost": ["::"]}, "lost[0]"),
    # Texts that break a line or a terminal.
    ({"lxd/networks/net0/description": "a\x1b[31m"}, "lxd.networks.net0.description"),
    ({"lxd/environment": {"variables": {"A": "x\u2028"}}}, "lxd.environment.variables.A"),
    (
        {"lxd/instances/web/users": {"ann": {"keys": ["ssh-ed25519 AAAA ann\x1b"]}}},
        "lxd.instances.web.users.ann.keys[0]",
    ),
    ({"maubot/bots/instagram-bot/displayname": "a\nb"}, "maubot.bots.instagram-bot.displayname"),
    ({"maubot/health/alert-room": "#a\x1b:c"}, "maubot.health.alert-room"),
    ({"todo/context": " "}, "todo.context"),
    ({"todo/context": "a\nb"}, "todo.context"),
    ({"todo/assistant/model": "a\nb"}, "todo.assistant.model"),
    # Places that are not ours.
    *(
        ({"lxd/environment/path": path}, "lxd.environment.path")
        for path in ("/etc/passwd", "/", "/etc/cron.d/x", "/env")
    ),
    ({"lxd/environment/link": "/etc/profile"}, "lxd.environment.link"),
    ({"lxd/environment/link": "/home/ann/.bashrc"}, "lxd.environment.link"),
    ({"lxd/images/debian": {"file": "/"}}, "lxd.images.debian.file"),
    *(
        ({"maubot/backup/folder": path}, "maubot.backup.folder")
        for path in ("/", "/etc", "/var/lib/maubot", "/var/lib/maubot/plugins", "/opt/maubot", "/opt/maubot/lib/x")
    ),
    ({"maubot/health/metrics-folder": "/etc/cron.d"}, "maubot.health.metrics-folder"),
    ({**NIXOS, "maubot/nixos": {"configuration": "x", "flake": "/etc"}}, "maubot.nixos.flake"),
    ({**NIXOS, "maubot/nixos": {"configuration": "x", "sops-file": "../shadow"}}, "maubot.nixos.sops-file"),
    ({**NIXOS, "maubot/nixos": {"configuration": "x", "sops-file": "/etc/shadow"}}, "maubot.nixos.sops-file"),
    # Names that a program takes for an option, or that somebody else has.
    ({"lxd/images/debian/name": "--help"}, "lxd.images.debian.name"),
    ({**NIXOS, "maubot/nixos": {"configuration": "-x"}}, "maubot.nixos.configuration"),
    ({"maubot/homeserver-unit": "-x"}, "maubot.homeserver-unit"),
    ({"maubot/homeserver-unit": "a.service"}, "maubot.homeserver-unit"),
    ({"maubot/homeserver-unit": "maubot"}, "maubot.homeserver-unit"),
    ({"maubot/admin": "root"}, "maubot.admin"),
    ({"lxd/networks/eth0": {"ipv4": "10.9.0.1/24"}}, "lxd.networks.eth0"),
    ({"lxd/networks/docker0": {"ipv4": "10.9.0.1/24"}}, "lxd.networks.docker0"),
    ({"lxd/networks/x": {"ipv4": "10.9.0.1/24"}}, "lxd.networks.x"),
    ({"lxd/instances/localhost": {"member": "m1", "image": "debian"}}, "lxd.instances.localhost"),
    ({"lxd/instances/1": {"member": "m1", "image": "debian"}}, "lxd.instances.1"),
    ({"lxd/instances/ns1": {"member": "m1", "image": "debian"}, "lxd/dns": DNS}, "lxd.instances.ns1"),
    ({"lxd/dns": {**DNS, "records": {"ns1": ["10.0.0.1"]}}}, "lxd.dns.records.ns1"),
    # Things given twice, or to themselves.
    ({"lxd/groups": {"g": ["m1", "m1"]}}, "lxd.groups.g[1]"),
    ({"lxd/instances/web/profiles": ["default", "default"]}, "lxd.instances.web.profiles[1]"),
    ({"lxd/pools": {"a": DISK, "b": DISK}}, "lxd.pools.b.members.m1.disk"),
    ({"hosts/m2/address": "M1"}, "lxd.members.m2.host"),
    ({"lxd/dns": {**DNS, "aliases": {"a": "a.c.example.org"}}}, "lxd.dns.aliases.a"),
    ({"lxd/dns": {**DNS, "forwarders": ["192.0.2.1"]}}, "lxd.dns.forwarders[0]"),
    ({"lxd/dns": {**DNS, "forwarders": ["127.0.0.1"]}}, "lxd.dns.forwarders[0]"),
    ({"lxd/dns": {**DNS, "addresses": ["0.0.0.0"]}}, "lxd.dns.addresses[0]"),
    ({"lxd/dns": {**DNS, "clients": ["0.0.0.0/0"]}}, "lxd.dns.clients[0]"),
    ({"lxd/dns": {**DNS, "records": {"x": []}}}, "lxd.dns.records.x"),
    ({"lxd/networks/net0/config": {"ipv4.address": "10.1.0.1/24"}}, "lxd.networks.net0.config.ipv4.address"),
    ({"lxd/networks/net0/config": {"raw.dnsmasq": "x"}, "lxd/dns": DNS}, "lxd.networks.net0.config.raw.dnsmasq"),
    ({"lxd/pools": {"default": {"config": {"source": "/"}}}}, "lxd.pools.default.config.source"),
    (
        {"lxd/instances/web": {**LEAST["lxd"]["instances"]["web"], "cpu": 2, "config": {"limits.cpu": "4"}}},
        "lxd.instances.web.config.limits.cpu",
    ),
    ({"lxd/environment": {"required": ["A"], "variables": {"A": ""}}}, "lxd.environment.variables.A"),
    ({"maubot/python-packages": ["maubot==0.1.0"]}, "maubot.python-packages"),
    ({"maubot/python-packages": ["yt-dlp==1", "yt_dlp==2"]}, "maubot.python-packages"),
    ({"todo/backend/platforms": ["linux/amd64", "linux/amd64"]}, "todo.backend.platforms"),
    # Ports, hosts, times, revisions that can't be.
    ({"maubot/port": 80}, "maubot.port"),
    ({"maubot/port": True}, "maubot.port"),
    *(
        ({"maubot/homeserver": value}, "maubot.homeserver")
        for value in ("http://h:99999", "http://a..b", "http://1.2.3:8008", "http://:8008", "http://u@h", "h:8008")
    ),
    *(({"maubot/server-name": value}, "maubot.server-name") for value in ("a..b", "example.org:0", "-", "@x", "")),
    *(({"maubot/backup/at": value}, "maubot.backup.at") for value in ("hello", "25:99", " ", "", "Mon,", "12:60", "*")),
    *(({"todo/ingress/host": value}, "todo.ingress.host") for value in ("a..b", "1.2.3.4", "-a.b", "a" * 64 + ".b")),
    *(({"todo/ingress/class-name": value}, "todo.ingress.class-name") for value in ("A B", "")),
    ({"todo/ingress/tls-secret": "a..b"}, "todo.ingress.tls-secret"),
    ({"todo/ingress/annotations": {"a b": "c"}}, "todo.ingress.annotations.a b"),
    *(({"todo/ingress/address": value}, "todo.ingress.address") for value in ("1.2.3.4:99999", "-x:80", "1.2.3:80")),
    ({"todo/registry-login": {"address": "a..b", "user": "u"}}, "todo.registry-login.address"),
    ({"todo/registry-login": {"address": "a.b:0", "user": "u"}}, "todo.registry-login.address"),
    *(({"todo/kubeconfig": value}, "todo.kubeconfig") for value in ("~nobody-here/x", "a\0b", "", "..")),
    ({"secondbrain/podmgr": {"url": "https://u:p@example.org/x.git"}}, "secondbrain.podmgr.url"),
    ({"secondbrain/podmgr": {"url": "ext::sh -c x"}}, "secondbrain.podmgr.url"),
    *(
        ({"secondbrain/podmgr": {"revision": value}}, "secondbrain.podmgr.revision")
        for value in ("a..b", "x.lock", "a//b")
    ),
    ({"core/backend/allowed-hosts": ["a" * 64]}, "core.backend.allowed-hosts[0]"),
]


@pytest.mark.parametrize(("changes", "place"), WRONG)
def test_such_a_setting_is_refused_where_it_stands(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        read(changes)
    assert [mistake.path for mistake in caught.value.mistakes] == [f"hearth:{place}"], str(caught.value)
    (mistake,) = caught.value.mistakes
    assert mistake.remedy
    assert str(caught.value).isprintable() or "\n" in str(caught.value)


LEGAL: list[dict[str, Any]] = [
    {"lxd/dns": {**DNS, "clients": ["192.168.0.0/16", "fd00::/8", "192.0.2.77"], "forwarders": ["127.0.0.53"]}},
    {"lxd/dns": {**DNS, "records": {"ads": ["0.0.0.0"], "*": ["10.0.0.1"], "a.b": ["fd00::1"]}}},
    {"lxd/networks/net0/config": {"ipv4.dhcp.expiry": "12h", "dns.mode": "managed"}},
    {"lxd/networks/incusbr-1": {"ipv4": "10.9.0.1/24"}},
    {"lxd/networks/enclave": {"ipv6": "fd42:1::1/64"}},
    {"lxd/instances/web/config": {"limits.cpu": "4", "user.user-data": "#cloud-config\n"}},
    {"lxd/instances/web-2": {"member": "m2", "image": "debian"}},
    {"lxd/environment": {"path": "/srv/cluster/env", "link": "/home/ann/.env", "variables": {"A": 'it\'s "$x" \\ ü'}}},
    {"lxd/environment": {"path": "/etc/hearth/cluster.env"}},
    {"lxd/images/debian": {"file": "/srv/My images/debian,13.tar.gz"}},
    {"lxd/members/m1/port": 443},
    {"maubot/server-name": "[fd00::1]:8448"},
    {"maubot/server-name": "Matrix.Example.org:443", "maubot/homeserver": "https://[fd00::1]:8448"},
    {"maubot/homeserver": "http://my_host:6167"},
    {"maubot/backup/folder": "/srv/My backups, 100%"},
    {"maubot/bots": {"instagram-bot": {"displayname": "Ünï 🤖 'x' \"y\""}, "a/../b": {}, "=x+y": {}}},
    *(
        {"maubot/backup/at": value}
        for value in ("daily", "Mon..Fri 04:00", "*-*-01/2 3:05:00 UTC", "Sat,Sun *-*-* 12:00", "*:0/15", "2027-02-03")
    ),
    {"todo/ingress/annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "8m", "note": "a: b # {c}\nd"}},
    {"todo/ingress/address": "[fd00::1]:443"},
    {"todo/ingress/address": "node-1"},
    {"todo/registry-login": {"address": "[fd00::1]:5000", "user": "robot$todo+ci"}},
    {"todo/context": "arn:aws:eks:eu-west-1:1:cluster/my cluster"},
    {"todo/assistant/model": "org/model:7b-instruct q4"},
    {"secondbrain/podmgr": {"url": "git@example.org:a/b.git", "revision": "release/v1.2-rc.1"}},
    {"core/backend/allowed-hosts": ["*.example.org", "Pi_4.local", "pi"]},
]


@pytest.mark.parametrize("changes", LEGAL)
def test_such_a_setting_is_legal(changes: dict[str, Any]) -> None:
    bots = merged(LEAST, changes)["maubot"]["bots"]
    read(changes, **{"maubot-bot-passwords": "\n".join(f"{name}=a long password" for name in bots)})


# (changes, where one of the two is named)
COLLISIONS: list[tuple[dict[str, Any], str]] = [
    ({"maubot/host": "pi", "core/backend/port": 29316}, "maubot.port"),
    ({"maubot/host": "pi", "core/backend/port": 29316, "core/backend/addresses": ["127.0.0.1"]}, "maubot.port"),
    ({"maubot/host": "pi", "core/backend/port": 8008}, "maubot.homeserver"),
    ({"hosts/pi/address": "box", "hosts/vps/address": "BOX", "core/backend/port": 29316}, "maubot.port"),
    ({"maubot/host": "brain", "secondbrain/pod/ollama-port": 29316}, "maubot.port"),
    ({"lxd/members/m1/host": "pi", "core/backend/port": 8443}, "lxd.members.m1.port"),
    (
        {"lxd/members/m1/host": "pi", "core/backend/port": 53, "core/backend/addresses": ["127.0.0.1"], "lxd/dns": DNS},
        "lxd.dns",
    ),
    ({"lxd/members/m1/host": "pi", "core/backend/port": 53}, "lxd.networks.net0"),
    ({"lxd/members/m1/host": "pi", "core/backend/port": 953, "lxd/dns": DNS}, "lxd.dns"),
    ({"lxd/members/m1/port": 22}, "lxd.members.m1.port"),
    ({"lxd/members/m1/port": 53, "lxd/dns": DNS}, "lxd.dns"),
    ({"lxd/dns": {**DNS, "addresses": ["10.100.0.1"]}}, "lxd.dns"),
    ({"hosts/vps/port": 29316}, "maubot.port"),
]
APART: list[dict[str, Any]] = [
    {"maubot/host": "pi", "core/backend/port": 29316, "core/backend/addresses": ["192.0.2.9"]},
    {"maubot/host": "pi", "core/backend/port": 8008, "maubot/homeserver": "http://matrix.example.org:8008"},
    {"lxd/members/m1/host": "pi", "core/backend/port": 8443, "core/backend/addresses": ["127.0.0.1"]},
    {"lxd/members/m1/host": "pi", "core/backend/port": 53, "core/backend/addresses": ["192.0.2.9"]},
    # UDP alone: DHCP, VXLAN, the overlay.
    {"lxd/members/m1/host": "pi", "core/backend/port": 67},
    {"lxd/members/m1/host": "pi", "core/backend/port": 8472, "lxd/networks/net0/between-members": True},
    {"lxd/networks": {"net0": {"ipv4": "10.100.0.1/24"}, "net1": {"ipv4": "10.101.0.1/24"}}},
]


@pytest.mark.parametrize(("changes", "place"), COLLISIONS)
def test_one_port_of_one_machine_is_not_given_out_twice(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        read(changes)
    assert {mistake.path for mistake in caught.value.mistakes} == {f"hearth:{place}"}, str(caught.value)


@pytest.mark.parametrize("changes", APART)
def test_another_address_machine_or_protocol_is_no_collision(changes: dict[str, Any]) -> None:
    read(changes)


def test_a_port_of_udp_collides_with_one_of_udp() -> None:
    found = [each for each in read({"lxd/dns": DNS}).systems["lxd"].listeners() if each.protocol == "udp"]
    assert {each.port for each in found} == {53, 67}
    overlay = {"network": "0123456789abcdef"}
    found = [each for each in read({"lxd/overlay": overlay}).systems["lxd"].listeners() if each.key == "overlay"]
    assert {(each.port, each.protocol) for each in found} == {(9993, "tcp"), (9993, "udp")}


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("core-secret-key", "canary-31", "32 characters"),
        ("core-access-password", "canary-31", "12 characters"),
        ("core-postgres-password", "canary-31\nx", "must be one line"),
        ("todo-auth-secret", "canary-31", "32 characters"),
        ("todo-database-url", "mysql://canary-31", "must be an address of PostgreSQL"),
        ("todo-tls-key", "canary-31", "must be a key in PEM"),
        ("todo-tls-certificate", "canary-31", "certificates in PEM"),
        ("maubot-admin-password", "canary-31", "12 characters to 72 bytes"),
        ("maubot-admin-password", "canary-31" * 9, "12 characters to 72 bytes"),
        ("maubot-secret-key", "canary-31", "48 characters"),
        ("maubot-bot-passwords", "other=canary-31", "instagram-bot has none"),
        ("lxd-environment", "canary-31 x", "line 1 is none"),
        ("lxd-zerotier-token", "canary-31\n", "must be one line"),
    ],
)
def test_a_secret_that_could_not_be_used_is_refused_and_not_shown(key: str, value: str, rule: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        read({}, **{key: value})
    assert [mistake.path for mistake in caught.value.mistakes] == [f"hearth:{key}"]
    assert rule in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_required_variable_that_nobody_gives_is_named_before_anything_is_made() -> None:
    with pytest.raises(WrongSettings, match="B, C has none"):
        read({"lxd/environment": {"required": ["A", "B", "C"], "variables": {"A": "x"}}})
