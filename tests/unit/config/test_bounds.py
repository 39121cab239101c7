"""What is too large, too long, or written so that programs read something else: through the loader."""

from __future__ import annotations

from typing import Any

import pytest

from config.mistakes import WrongSettings
from config.model import LARGEST_SIZE, fits_64_bits
from tests.unit.config.test_every_system import DNS, LEAST, read
from toolchain.addresses import canonical

ODD_ADDRESSES = (
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "010.0.0.1",
    "1.2.3.256",
    "1.2.3.4.5",
    "a.123",
    "0.0.0.1",
)
"""Programs read each as an IPv4 address, if at all, and some as loopback."""
WEB = LEAST["lxd"]["instances"]["web"]
LONG = "a" * 300
HOMES = "secondbrain.account.private-homes[0]"
WEB_GATEWAY = "lxd.instances.web.gateway"
NO_CARDS = ("lo", "docker0", "wlan0", "wlp3s0", "zt1a2b3c", "veth0", "net0", "eth0:1")
NO_KEYS = (
    *("/", "/etc/passwd", "/etc/sudoers.d/x", "/etc/ssh/ssh_host_rsa_key", "/dev/sda", "/tmp/a/b", "/home/ann/.bashrc"),
    *("/home/ann/.ssh/authorized_keys", "/home/ann/.ssh/config", "/root/.ssh/rc", "/home/ann/.ssh/id.pub", "~/.ssh/id"),
    *("/home/ann/.ssh", "/root/x", "/var/lib/hearth/x", "/home/ann/.ssh/a/b"),
)
WRONG: list[tuple[dict[str, Any], str]] = [
    # Sizes and numbers that no program can count.
    *(
        ({"core/backend/memory": value}, "core.backend.memory")
        for value in ("9" * 20 + "G", "9007199254740992G", "9" * 99)
    ),
    *(
        ({"todo/postgres/storage": value}, "todo.postgres.storage")
        for value in ("9" * 20 + "Gi", "8388608Ti", "9" * 5000 + "Mi")
    ),
    *(
        ({"lxd/instances/web": {**WEB, key: value}}, f"lxd.instances.web.{key}")
        for key in ("memory", "disk")
        for value in ("9" * 20 + "GiB", "9999999TiB", "10000000TB")
    ),
    (
        {"lxd/instances/web": {**WEB, "config": {"limits.memory": "9" * 20 + "GiB"}}},
        "lxd.instances.web.config.limits.memory",
    ),
    ({"todo/values": {"backend": {"replicas": 10**20}}}, "todo.values.backend.replicas"),
    ({"todo/values": {"backend": {"replicas": -(2**60)}}}, "todo.values.backend.replicas"),
    ({"maubot/instances/echo/config": {"a": [1e300]}}, "maubot.instances.echo.config.a[0]"),
    *(
        ({place: value}, place.replace("/", "."))
        for place in ("core/backend/port", "core/backup/keep", "maubot/health/every", "todo/backend/replicas")
        for value in (2**63, 10**20, "9" * 20, 1e30, float("inf"), float("nan"))
    ),
    # Addresses in forms that each program reads in another way.
    *(({"hosts/brain/address": value}, "hosts.brain.address") for value in ODD_ADDRESSES),
    *(({"secondbrain/share/server": value}, "secondbrain.share.server") for value in ODD_ADDRESSES),
    *(({"core/backend/allowed-hosts": [value]}, "core.backend.allowed-hosts[0]") for value in ODD_ADDRESSES),
    *(({"core/ollama/url": f"http://{value}:1"}, "core.ollama.url") for value in ODD_ADDRESSES),
    *(({"todo/assistant/url": f"http://{value}/v1"}, "todo.assistant.url") for value in ODD_ADDRESSES),
    *(({"maubot/homeserver": f"http://{value}:8008"}, "maubot.homeserver") for value in ODD_ADDRESSES),
    *(
        ({"core/ollama/image": f"{value}:5000/a"}, "core.ollama.image")
        for value in ("0.0.0.0", "1.2.3.256", "255.255.255.255", "[::]", "10.1")
    ),
    *(({"core/ollama/url": f"http://h:{port}"}, "core.ollama.url") for port in ("080", "00080", "0")),
    ({"maubot/homeserver": "http://[fe80::1%25eth0]:8008"}, "maubot.homeserver"),
    *(({"maubot/server-name": value}, "maubot.server-name") for value in ("example.org.", "a_b.org", "127.1")),
    *(
        ({"maubot/bots/instagram-bot/avatar-url": value}, "maubot.bots.instagram-bot.avatar-url")
        for value in ("mxc://a..b/c", "mxc://example.org/", "mxc://example.org/a/b", "https://example.org/a")
    ),
    # Places where Hearth itself keeps what was there before.
    *(
        ({place: path}, place.replace("/", "."))
        for place in ("secondbrain/account/home", "secondbrain/share/mount-point", "core/backup/folder")
        for path in ("/var/lib/hearth", "/var/lib/hearth/records", "/var/lib/hearth-maubot")
    ),
    ({"secondbrain/share/credentials-file": "/var/lib/hearth/x"}, "secondbrain.share.credentials-file"),
    ({"maubot/backup/folder": "/var/lib/hearth/x"}, "maubot.backup.folder"),
    ({"core/name": "dpkg-db"}, "core.name"),
    # Files of one's own computer.
    *(
        ({place: value}, place.replace("/", "."))
        for place in ("todo/kubeconfig", "ssh-config", "secrets-file")
        for value in (" a", "a ", "a\nb", "a\u200bb", "a/", "a/..", "~", LONG, "a/" * 2048 + "b")
    ),
    *(({"hosts/brain/python": value}, "hosts.brain.python") for value in ("..", "/usr/../x", "/a/" + LONG, "3", "1e3")),
    # Texts without an end, and what terminals obey.
    ({"todo/context": "a" * 1025}, "todo.context"),
    ({"todo/assistant/model": "a" * 1025}, "todo.assistant.model"),
    ({"maubot/homeserver-unit": "a" * 248}, "maubot.homeserver-unit"),
    ({"maubot/packages": [LONG]}, "maubot.packages[0]"),
    ({"lxd/instances/web": {**WEB, "packages": [LONG]}}, "lxd.instances.web.packages[0]"),
    ({"secondbrain/pod/backend-environment": {LONG: "x"}}, f"secondbrain.pod.backend-environment.{LONG}"),
    ({"todo/ingress/annotations": {"a": "x\x1b[2J"}}, "todo.ingress.annotations.a"),
    *(
        ({"todo/registry-login": {"address": "registry.example.org", "user": value}}, "todo.registry-login.user")
        for value in ("a\x1b", "a\0", "a\u202e", "a b", "a:b")
    ),
    # Days that never come, zones that are none.
    *(
        ({"maubot/backup/at": value}, "maubot.backup.at")
        for value in ("*-02-30 03:00", "*-4-31", "2027-02-30 03:00", "02-30", "03:30 Mars/Olympus", "daily Xyz/Abc")
    ),
    # Where addresses and names lead, in the LXD cluster.
    *(({"lxd/bridges/br0/members/m1": {"nic": nic}}, "lxd.bridges.br0.members.m1.nic") for nic in NO_CARDS),
    *(
        (
            {"lxd/bridges/br0/members/m1": {"nic": "enp1s0", "addresses": ["192.0.2.9/24"], "gateway": gateway}},
            "lxd.bridges.br0.members.m1.gateway",
        )
        for gateway in ("192.0.2.9", "192.0.2.0", "192.0.2.255")
    ),
    *(
        ({"lxd/networks/net0/ipv6": value}, "lxd.networks.net0.ipv6")
        for value in ("fd42::/64", "::1/64", "::ffff:10.1.0.1/120")
    ),
    *(
        ({"lxd/instances/web": {**WEB, "addresses": {"net0": "10.100.0.7/24"}, "gateway": gateway}}, WEB_GATEWAY)
        for gateway in ("10.100.0.7", "10.100.0.255", "192.0.2.77")
    ),
    ({"lxd/instances/web": {**WEB, "users": {"root": {}}}}, "lxd.instances.web.users.root"),
    ({"lxd/groups": {"default": ["m1"]}}, "lxd.groups.default"),
    ({"lxd/images/debian": {"file": "/srv/a", "name": "b"}}, "lxd.images.debian"),
    ({"lxd/profiles": {"small": {"devices": {"x": {"path": "/a"}}}}}, "lxd.profiles.small.devices.x"),
    ({"lxd/dns": {**DNS, "addresses": ["192.0.2.2"]}}, "lxd.dns.addresses[0]"),
    ({"lxd/dns": {**DNS, "addresses": ["192.0.2.1", "192.0.2.1"]}}, "lxd.dns.addresses"),
    ({"lxd/dns": {**DNS, "records": {"x": ["10.0.0.7", "10.0.0.7"]}}}, "lxd.dns.records.x"),
    ({"lxd/dns": {**DNS, "clients": ["128.0.0.0/1"]}}, "lxd.dns.clients[0]"),
    ({"lxd/overlay": {"network": "0" * 16}}, "lxd.overlay.network"),
    *(({"lxd/ssh": {"user": "ann", "key": path}}, "lxd.ssh.key") for path in NO_KEYS),
    *(({"lxd/ssh": {"user": user}}, "lxd.ssh.user") for user in ("nobody", "daemon", "sshd", "systemd-network")),
    # What the chart would refuse at the end.
    *(
        ({"todo/values": values}, f"todo.values.{place}")
        for values, place in (
            ({"bakend": {}}, "bakend"),
            ({"backend": "x"}, "backend"),
            ({"backend": {"env": []}}, "backend.env"),
            ({"backend": {"shutdownGraceSeconds": "canary"}}, "backend.shutdownGraceSeconds"),
            ({"networkPolicy": {"enabled": 3}}, "networkPolicy.enabled"),
        )
    ),
    *(
        ({"secondbrain/podmgr": {"url": url}}, "secondbrain.podmgr.url")
        for url in ("git@-h:x", "ssh://-oProxyCommand=id/x", "ssh://git@-x/y", "https://x/" + "a" * 2100)
    ),
    ({"secondbrain/podmgr": {"revision": LONG}}, "secondbrain.podmgr.revision"),
    *(({"secondbrain/pod/podman-version": value}, "secondbrain.pod.podman-version") for value in ("5.4\n", " 5.4")),
    *(({"maubot/version": value}, "maubot.version") for value in ("0.06.0", "9" * 20 + ".0.0", "0.6", "v0.6.0")),
    *(({"secondbrain/account/private-homes": [name]}, HOMES) for name in ("daemon", "toor", "nobody", "sshd")),
    # Accounts that packages make.
    *(
        ({"secondbrain/account/name": name}, "secondbrain.account.name")
        for name in ("toor", "grafana", "jenkins", "zerotier-one", "rabbitmq", "gitea")
    ),
]
LEGAL: list[dict[str, Any]] = [
    {"core/backend/memory": "64G"},
    *({"todo/postgres/storage": value} for value in ("8388607Ti", "512Mi", "1Gi")),
    {"lxd/instances/web": {**WEB, "memory": "4GiB", "disk": "20TB"}},
    {"lxd/instances/web": {**WEB, "config": {"user.serial": "9" * 30, "limits.memory": "4GiB"}}},
    {"maubot/instances/echo/config": {"a": 2**53, "b": 0.1, "c": "9" * 20, "d": -(2**53)}},
    *({"hosts/brain/address": value} for value in ("192.0.2.7", "a.b1", "1a", "0xbeef.org", "3com.org", "fd00::1")),
    *({"core/backend/allowed-hosts": [value]} for value in ("pi.local", "*.example.org", "192.0.2.7", "a_b")),
    *({"core/ollama/url": f"http://{host}:80/"} for host in ("h", "H.org", "h.", "192.0.2.7", "xn--bcher-kva.de")),
    *({"core/ollama/image": f"{host}:5000/a"} for host in ("192.0.2.7", "[fd00::1]", "registry", "localhost")),
    *({"maubot/server-name": value} for value in ("example.org", "example.org:8448", "192.0.2.7", "[fd00::1]:80")),
    {"maubot/bots/instagram-bot/avatar-url": "mxc://example.org:8448/a_b-c"},
    {"secondbrain/account/home": "/var/lib/hearth2"},
    {"core/name": "dpkg-db", "core/backup/enabled": False},
    *({"todo/kubeconfig": value} for value in ("~/.kube/config", "kube config", "../kubeconfig", "/etc/x", "Ünicode")),
    *({"hosts/brain/python": value} for value in ("python3.12", "/opt/x-1.0/bin/python3", "pypy3")),
    {"todo/ingress/annotations": {"example.org/snippet": "a {\n\tb;\r\n}\nü"}},
    {"todo/registry-login": {"address": "registry.example.org", "user": "robot$ann+ci@corp"}},
    *(
        {"maubot/backup/at": value}
        for value in ("*-02-29 03:00", "*-*-31 03:00", "*-*-* 03:30:00 Europe/Berlin", "Mon 03:00 UTC", "Mon,Fri")
    ),
    *(
        {"lxd/ssh": {"user": "root", "key": path}}
        for path in ("/home/ann/.ssh/id", "/root/.ssh/id", "/srv/a/b", "/opt/a/b")
    ),
    *({"lxd/bridges/br0/members/m1": {"nic": nic}} for nic in ("enp1s0", "eth0", "eno1", "bond0", "eth0.7", "enx0011")),
    {"lxd/instances/web": {**WEB, "addresses": {"net0": "10.100.0.7/24"}, "gateway": "10.100.0.1"}},
    {"lxd/instances/web": {**WEB, "addresses": {"net0": None}, "gateway": "192.0.2.77"}},
    {"lxd/dns": {**DNS, "clients": ["10.0.0.0/8", "fd00::/8", "127.0.0.0/8"], "records": {"x": ["127.0.0.1"]}}},
    {"lxd/dns": {**DNS, "aliases": {"a": "b.c.example.org", "b": "web.c.example.org"}}},
    {"lxd/dns": {**DNS, "records": {"3com": ["10.0.0.7"]}}},
]


@pytest.mark.parametrize(("changes", "place"), WRONG)
def test_such_a_setting_is_refused_where_it_stands(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        read(changes)
    assert {each.path for each in caught.value.mistakes} == {f"hearth:{place}"}, str(caught.value)
    for each in caught.value.mistakes:
        assert each.remedy
        assert "\n" not in each.rule
        assert each.rule[0].islower(), "in words of our own"
    assert "nothing was touched" in str(caught.value)


@pytest.mark.parametrize("changes", LEGAL)
def test_such_a_setting_is_legal(changes: dict[str, Any]) -> None:
    read(changes)


def test_the_largest_size_is_the_last_that_fits() -> None:
    assert fits_64_bits("8388607TiB") == "8388607TiB"
    assert fits_64_bits(f"{LARGEST_SIZE}B")
    with pytest.raises(ValueError, match="at most 9223372036854775807 bytes"):
        fits_64_bits("8388608Ti")


def test_aliases_that_lead_back_to_each_other_are_refused_each() -> None:
    with pytest.raises(WrongSettings) as caught:
        read({"lxd/dns": {**DNS, "aliases": {name: f"{to}.c.example.org" for name, to in ("ab", "bc", "ca", "da")}}})
    assert {each.path for each in caught.value.mistakes} == {f"hearth:lxd.dns.aliases.{name}" for name in "abc"}


@pytest.mark.parametrize(
    ("one", "other"), [("::ffff:192.0.2.7", "192.0.2.7"), ("::FFFF:c000:207", "192.0.2.7"), ("FD00::0:1", "fd00::1")]
)
def test_one_address_in_two_forms_is_one_machine(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)
    with pytest.raises(WrongSettings) as caught:
        read({"hosts/brain/address": one, "hosts/pi/address": other, "core/backend/port": 11434})
    assert [each.path for each in caught.value.mistakes] == ["hearth:core.backend.port"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        (
            {"secondbrain/pod/backend-environment": {"DB": "postgres://u:canary@h/d"}},
            "secondbrain.pod.backend-environment.DB",
        ),
        ({"lxd/environment": {"variables": {"DB": "x https://u:canary@h/d"}}}, "lxd.environment.variables.DB"),
        ({"core/ollama/url": "http://u:canary@h"}, "core.ollama.url"),
        ({"secondbrain/podmgr": {"url": "https://u:canary@example.org/x.git"}}, "secondbrain.podmgr.url"),
        ({"maubot/homeserver": "http://u:canary@h"}, "maubot.homeserver"),
        ({"core/ollama/image": "https://u:canary@h/a"}, "core.ollama.image"),
    ],
)
def test_a_password_within_an_address_is_refused_in_the_open_and_not_shown(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        read(changes)
    assert {each.path for each in caught.value.mistakes} == {f"hearth:{place}"}
    assert "canary" not in str(caught.value)
