"""Files and preseeds of the LXD cluster: tables, and what their own parsers read back from any value."""

from __future__ import annotations

import configparser
import json
import subprocess
import tempfile
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.lxd import ssh_files, zerotier_files, zone
from providers.kinds.lxd import bridge_files, preseed
from tests.needs import needs

# Each example starts bind's own programs, which take as long as the machine lets them.
by_program = settings(max_examples=15, deadline=None)
needs_checkzone = needs("named-checkzone", "bind9-utils")
needs_checkconf = needs("named-checkconf", "bind9-utils")
labels = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(lambda text: "--" not in text)
lines = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=60)
fours = st.ip_addresses(v=4)
addresses = st.ip_addresses()


# --- preseeds ------------------------------------------------------------------------------------------------------


def test_a_bootstrap_names_the_address_and_the_member_and_no_pool():
    assert yaml.safe_load(preseed.bootstrap("bcn1", "10.0.0.1:8443")) == {
        "config": {"core.https_address": "10.0.0.1:8443"},
        "cluster": {"server_name": "bcn1", "enabled": True},
    }


@settings(deadline=None)
@given(lines, lines, lines, lines)
def test_a_join_is_read_back_as_it_was_meant_whatever_the_values(name: str, address: str, token: str, value: str):
    config = preseed.member_config({"default": {"source": value, "rsync.bwlimit": "1"}}, {"lxdbr0": {}})
    assert config == [{"entity": "storage-pool", "name": "default", "key": "source", "value": value}]
    cluster = yaml.safe_load(preseed.join(name, address, token, config))["cluster"]
    assert (cluster["server_name"], cluster["server_address"], cluster["cluster_token"]) == (name, address, token)
    assert cluster["member_config"] == config


@pytest.mark.parametrize(
    ("kind", "config", "own"),
    [
        ("storage-pool", {"source": "/dev/x", "size": "5GiB", "rsync.bwlimit": "1"}, {"source", "size"}),
        ("storage-pool", {"zfs.pool_name": "tank", "volume.size": "5GiB"}, {"zfs.pool_name"}),
        ("network", {"parent": "eth1", "ipv4.address": "10.0.0.1/24"}, {"parent"}),
        ("network", {"bridge.external_interfaces": "eth1", "ipv4.nat": "true"}, {"bridge.external_interfaces"}),
        ("network", {}, set()),
    ],
)
def test_keys_of_a_member_are_told_from_those_of_the_cluster(kind: str, config: dict[str, str], own: set[str]):
    cluster, member = preseed.split(kind, config)
    assert set(member) == own
    assert {**cluster, **member} == config


# --- zones ---------------------------------------------------------------------------------------------------------


def a_zone(**names: str) -> str:
    records = [each for name, address in names.items() for each in zone.address_records(name, [ip_address(address)])]
    return zone.zone_file("cluster.example.org", "ns1", [ip_address("10.0.0.1")], records)


def test_a_serial_follows_from_the_content_and_from_nothing_else():
    assert a_zone(a="10.0.0.2", b="10.0.0.3") == a_zone(b="10.0.0.3", a="10.0.0.2")
    assert serial(a_zone(a="10.0.0.2")) != serial(a_zone(a="10.0.0.3"))
    assert 1 <= serial(a_zone()) < 2**32


def serial(text: str) -> int:
    return int(text.partition("( ")[2].partition(" ")[0])


def checked(domain: str, text: str, tmp_path: Path) -> str:
    """Return what named-checkzone makes of a zone: its own form, every record on a line."""
    file = tmp_path / "zone"
    file.write_text(text)
    done = subprocess.run(
        ["named-checkzone", "-q", "-D", "-o", "-", domain, str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{text}"
    return done.stdout


@needs_checkzone
def test_names_wildcards_and_a_delegation_are_a_zone_that_bind_takes(tmp_path: Path):
    records = [
        *zone.address_records("*", [ip_address("10.0.0.9")]),
        *zone.address_records("vm1", [ip_address("10.0.0.9"), ip_address("fd00::9")]),
        zone.DnsRecord("www", "CNAME", "vm1.example.org."),
        *zone.delegation("cluster.example.org", "example.org", "ns1", [ip_address("10.0.0.1")]),
    ]
    made = checked("example.org", zone.zone_file("example.org", "ns", [ip_address("10.0.0.1")], records), tmp_path)
    assert "*.example.org." in made
    assert "cluster.example.org." in made
    assert "ns1.cluster.example.org." in made
    assert "fd00::9" in made


@needs_checkzone
@by_program
@given(st.dictionaries(labels, addresses, max_size=6))
def test_any_names_and_addresses_are_a_zone_and_its_reverse(names: dict[str, Any]):
    with tempfile.TemporaryDirectory() as folder:
        records = [each for name, address in names.items() for each in zone.address_records(name, [address])]
        text = zone.zone_file("cluster.example.org", "ns-hearth", [ip_address("10.0.0.1")], records)
        made = checked("cluster.example.org", text, Path(folder))
        for name, address in names.items():
            # Compared as addresses: bind writes some of them in another way.
            found = [line.split() for line in made.splitlines()]
            own = [words[-1] for words in found if words[0] == f"{name}.cluster.example.org." and words[-2] != "SOA"]
            assert [ip_address(each) for each in own] == [address], made
        for address in names.values():
            reverse = zone.reverse_zone_of(ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False))
            pointers = zone.reverse_records(names, "cluster.example.org", reverse)
            back = zone.zone_file(reverse, "ns-hearth.cluster.example.org.", [], pointers)
            assert "PTR" in checked(reverse, back, Path(folder))


@pytest.mark.parametrize(
    ("subnet", "expected"),
    [
        ("10.100.0.0/24", "0.100.10.in-addr.arpa"),
        ("10.100.0.0/16", "100.10.in-addr.arpa"),
        ("10.0.0.0/8", "10.in-addr.arpa"),
        ("10.100.0.128/25", "0.100.10.in-addr.arpa"),
        ("10.96.0.0/12", "10.in-addr.arpa"),
        ("fd42:1::/64", "0.0.0.0.0.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa"),
        ("fd42:1::/62", "0.0.0.0.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa"),
    ],
)
def test_a_subnet_has_the_reverse_zone_of_its_whole_labels(subnet: str, expected: str):
    found = zone.reverse_zone_of(ip_network(subnet))
    assert found == expected
    assert zone.reverse_name(ip_network(subnet)[1], found)


def test_an_address_outside_a_reverse_zone_is_refused():
    with pytest.raises(ValueError, match="not in the reverse zone"):
        zone.reverse_name(ip_address("10.1.0.1"), "0.10.in-addr.arpa")


@needs_checkconf
@by_program
@given(st.lists(addresses, max_size=3), st.lists(fours, max_size=3), lines)
def test_any_options_are_ones_that_bind_takes(listen: list[Any], forwarders: list[Any], file: str):
    if any(ord(character) < 32 for character in file):
        with pytest.raises(ValueError, match="one line"):
            zone.quoted(file)
        return
    with tempfile.TemporaryDirectory() as folder:
        # What is no address of an interface is refused by bind itself when it starts, and not by its parser.
        plain = [each for each in forwarders if not each.is_multicast and not each.is_unspecified]
        options = zone.named_options(listen, [IPv4Network("10.100.0.0/24")], plain, folder)
        path = Path(folder) / "named.conf"
        path.write_text(options + zone.named_zones([zone.Zone("example.org", f"/nowhere/{file}")]))
        done = subprocess.run(["named-checkconf", "-p", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{path.read_text()}"


def test_the_server_listens_on_its_addresses_and_asks_others_for_its_clients_only():
    text = zone.named_options([ip_address("10.0.0.1"), ip_address("127.0.0.1")], [IPv4Network("10.100.0.0/24")], [])
    assert "listen-on { 10.0.0.1; 127.0.0.1; };" in text
    assert "listen-on-v6 { none; };" in text
    assert "allow-recursion { localhost; 10.100.0.0/24; };" in text
    assert "forwarders" not in text
    assert "interface-interval 0;" in text


# --- bridges -------------------------------------------------------------------------------------------------------

MAC = "52:54:00:12:34:56"


def wish(**values: Any) -> bridge_files.DesiredBridge:
    addresses = values.pop("addresses", ["192.168.1.5/24"])
    return bridge_files.desired("br0", "enp1s0", MAC, addresses, **values)


def test_netplan_gives_the_bridge_the_interfaces_hardware_address_and_its_leases():
    content = yaml.safe_load(bridge_files.netplan(wish(addresses=[], dhcp=True)))["network"]
    assert content["bridges"]["br0"]["macaddress"] == MAC
    assert content["bridges"]["br0"]["dhcp4"] is True
    assert content["bridges"]["br0"]["accept-ra"] is True
    assert content["ethernets"]["enp1s0"]["accept-ra"] is False
    assert content["ethernets"]["enp1s0"]["dhcp4"] is False


@needs("netplan", "netplan.io")
@pytest.mark.parametrize(
    "values",
    [
        {"dhcp": True, "addresses": []},
        {"gateway": "192.168.1.1", "nameservers": ["192.168.1.1", "fd00::1"]},
        {"addresses": ["192.168.1.5/24", "fd00::5/64"], "gateway": "fd00::1"},
    ],
)
def test_netplan_itself_takes_the_file_and_makes_networkds_of_it(values: dict[str, Any], tmp_path: Path):
    for path, text in bridge_files.files(wish(**values), "netplan").items():
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o600)
    done = subprocess.run(
        ["netplan", "generate", "--root-dir", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_text() for path in (tmp_path / "run/systemd/network").iterdir()}
    assert f"MACAddress={MAC}" in made["10-netplan-br0.netdev"]
    assert "Bridge=br0" in made["10-netplan-enp1s0.network"]
    for address in values.get("addresses", ["192.168.1.5/24"]):
        assert f"Address={address}" in made["10-netplan-br0.network"]


def test_networkd_has_a_file_for_the_bridge_one_for_its_port_and_one_for_its_addresses():
    made = bridge_files.files(wish(gateway="192.168.1.1", nameservers=["192.168.1.1"]), "networkd")
    parsed: dict[str, configparser.ConfigParser] = {}
    for path, text in made.items():
        parser = configparser.ConfigParser(interpolation=None, strict=True)
        parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
        parser.read_string(text)
        parsed[path.rpartition("/")[2]] = parser
    assert parsed["10-hearth-br0.netdev"]["NetDev"]["MACAddress"] == MAC
    assert parsed["10-hearth-br0-port.network"]["Network"]["Bridge"] == "br0"
    assert parsed["10-hearth-br0.network"]["Network"]["Address"] == "192.168.1.5/24"
    assert parsed["10-hearth-br0.network"]["Network"]["Gateway"] == "192.168.1.1"


def test_ifupdown_has_the_address_in_the_stanza_that_makes_the_bridge():
    text = bridge_files.ifupdown(wish(gateway="192.168.1.1"))
    assert "iface enp1s0 inet manual" in text
    assert "iface br0 inet static\n    address 192.168.1.5/24\n    gateway 192.168.1.1\n    pre-up ip link add" in text
    assert f"ip link add name br0 address {MAC} type bridge" in text
    assert "iface br0 inet6 auto\n    accept_ra 2\n" in text
    assert "iface br0 inet dhcp" in bridge_files.ifupdown(wish(addresses=[], dhcp=True))


@pytest.mark.parametrize("name", ["", "br0\nX=1", "a" * 16, "br 0", "1br"])
def test_a_name_that_is_no_link_reaches_no_file(name: str):
    with pytest.raises(ValueError, match="no name of a network interface"):
        bridge_files.desired(name, "enp1s0", MAC, [])


CLOUD_INIT = "network:\n  version: 2\n  ethernets:\n    enp1s0:\n      dhcp4: true\n"


@pytest.mark.parametrize(
    ("path", "text", "about"),
    [
        ("/etc/netplan/50-cloud-init.yaml", CLOUD_INIT, True),
        ("/etc/netplan/01.yaml", CLOUD_INIT.replace("enp1s0", "enp2s0"), False),
        ("/etc/netplan/01.yaml", "network:\n  ethernets:\n    uplink:\n      match: {name: 'enp1*'}\n", True),
        ("/etc/netplan/01.yaml", "network:\n  ethernets:\n    uplink:\n      set-name: enp1s0\n", True),
        ("/etc/netplan/01.yaml", "network: {}\n", False),
        ("/etc/netplan/01.yaml", "a: [unclosed enp1s0", True),
        ("/etc/systemd/network/20-wired.network", "[Match]\nName=en*\n[Network]\nDHCP=yes\n", True),
        ("/etc/systemd/network/20-wired.network", "[Match]\nName=eth0 !enp1s0\n", False),
        ("/etc/network/interfaces", "auto enp1s0\niface enp1s0 inet dhcp\n", True),
        ("/etc/network/interfaces", "auto enp1s0x\niface enp1s0x inet dhcp\n", False),
        ("/etc/network/interfaces.d/setup", "allow-hotplug enp1s0\n", True),
    ],
)
def test_every_file_that_names_the_interface_is_found(path: str, text: str, about: bool):
    assert bridge_files.names_link(path, text, "enp1s0") is about


# --- ssh and the overlay -------------------------------------------------------------------------------------------

PEERS = [ssh_files.Peer("bcn1", "10.0.0.1"), ssh_files.Peer("bcn2", "fd00::2", 2222, ("bcn2.example.org",))]


@needs("ssh", "openssh-client")
@pytest.mark.parametrize("name", ["bcn2", "bcn2.example.org", "fd00::2"])
def test_ssh_itself_reads_the_entry_under_every_name(name: str, tmp_path: Path):
    file = tmp_path / "config"
    file.write_text(ssh_files.config_entries(PEERS, "thinkube", "/home/a b/.ssh/key"))
    done = subprocess.run(["ssh", "-G", "-F", str(file), name], capture_output=True, text=True, check=True)
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    assert (found["hostname"], found["port"], found["user"]) == ("fd00::2", "2222", "thinkube")
    assert found["identityfile"] == "/home/a b/.ssh/key"
    assert found["stricthostkeychecking"] == "true"


@needs("ssh-keygen", "openssh-client")
def test_known_hosts_has_each_machine_under_every_name(tmp_path: Path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    key = (tmp_path / "key.pub").read_text()
    file = tmp_path / "known_hosts"
    file.write_text(ssh_files.known_hosts(PEERS, {"bcn1": key, "bcn2": key}))
    for name in ("bcn1", "10.0.0.1", "[bcn2]:2222", "[fd00::2]:2222", "[bcn2.example.org]:2222"):
        found = subprocess.run(["ssh-keygen", "-F", name, "-f", str(file)], capture_output=True, text=True, check=False)
        assert found.returncode == 0, name
        assert key.split()[1] in found.stdout


def test_zerotier_is_kept_off_the_bridges_and_the_cluster_network():
    text = zerotier_files.local_conf(["br0", "lxdbr0"], [IPv4Network("10.100.0.0/24"), IPv6Network("fd42::/64")])
    content = json.loads(text)
    assert content["settings"]["interfacePrefixBlacklist"] == ["br0", "lxdbr0"]
    assert content["physical"] == {"10.100.0.0/24": {"blacklist": True}, "fd42::/64": {"blacklist": True}}
