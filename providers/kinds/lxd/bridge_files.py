"""Files that put a network interface into a bridge, for netplan, systemd-networkd and ifupdown: pure functions.

The bridge gets the interface's hardware address: by default Linux gives it one of its own (systemd#30813), and DHCP
would give it another lease. Router advertisements are taken by the bridge, and no longer by the interface.

Sources: netplan-yaml(5) 1.1, systemd.netdev(5) and systemd.network(5) 257, bridge-utils-interfaces(5), interfaces(5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any, Literal, cast

import yaml

Renderer = Literal["netplan", "networkd", "ifupdown"]
PREFIX = "10-hearth-"


@dataclass(frozen=True)
class DesiredBridge:
    """A bridge as it is wished for."""

    name: str
    nic: str
    mac: str
    """The interface's own hardware address, which becomes the bridge's."""
    addresses: Sequence[IPv4Interface | IPv6Interface] = ()
    dhcp: bool = False
    gateway: str | None = None
    nameservers: Sequence[str] = ()
    iaid: int | None = None
    """The number by which networkd named the interface to the DHCP server (RFC 4361): with it the lease stays."""
    port: str = ""
    """The interface's id in netplan's files, where that is not its name."""

    def __post_init__(self) -> None:
        for link in (self.name, self.nic):
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", link):
                raise ValueError(f"{link!r} is no name of a network interface; look at `ip link`")
        if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", self.mac):
            raise ValueError(f"{self.mac!r} is no hardware address; look at `ip link`")


def files(wish: DesiredBridge, renderer: Renderer) -> dict[str, str]:
    """Return path -> text of what configures the bridge."""
    match renderer:
        case "netplan":
            found = {f"/etc/netplan/99-hearth-{wish.name}.yaml": netplan(wish)}
            if wish.dhcp and wish.iaid is not None:
                # netplan has no key for it.
                folder = f"/etc/systemd/network/10-netplan-{wish.name}.network.d"
                found[f"{folder}/hearth.conf"] = _ini([("DHCPv4", (("IAID", str(wish.iaid)),))])
            return found
        case "networkd":
            start = f"/etc/systemd/network/{PREFIX}{wish.name}"
            return {
                f"{start}.netdev": networkd_device(wish),
                f"{start}.network": networkd_bridge(wish),
                f"{start}-port.network": networkd_port(wish),
            }
        case "ifupdown":
            return {f"/etc/network/interfaces.d/hearth-{wish.name}": ifupdown(wish)}


def netplan(wish: DesiredBridge) -> str:
    """Return one file that says everything about the interface and its bridge.

    netplan merges it over all others' keys, so those that name the interface are taken away.
    """
    bridge: dict[str, Any] = {
        "interfaces": [wish.port or wish.nic],
        "macaddress": wish.mac,
        "dhcp4": wish.dhcp,
        "accept-ra": True,
        "parameters": {"stp": False, "forward-delay": 0},
    }
    if wish.addresses:
        bridge["addresses"] = [str(each) for each in wish.addresses]
    if wish.gateway:
        bridge["routes"] = [{"to": "default" if ip_address(wish.gateway).version == 4 else "::/0", "via": wish.gateway}]
    if wish.nameservers:
        bridge["nameservers"] = {"addresses": list(wish.nameservers)}
    port: dict[str, Any] = {"dhcp4": False, "dhcp6": False, "accept-ra": False, "link-local": []}
    content: dict[str, Any] = {
        "network": {"version": 2, "ethernets": {wish.port or wish.nic: port}, "bridges": {wish.name: bridge}}
    }
    return yaml.safe_dump(content, sort_keys=False)


def _ini(sections: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Sections of systemd's files: values hold no line breaks, as only links, numbers and addresses come here."""
    parts = [f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in keys) for name, keys in sections]
    return "\n".join(parts)


def networkd_device(wish: DesiredBridge) -> str:
    device = (("Name", wish.name), ("Kind", "bridge"), ("MACAddress", wish.mac))
    return _ini([("NetDev", device), ("Bridge", (("STP", "no"), ("ForwardDelaySec", "0")))])


def networkd_port(wish: DesiredBridge) -> str:
    keys = (("Bridge", wish.name), ("LinkLocalAddressing", "no"), ("IPv6AcceptRA", "no"))
    return _ini([("Match", (("Name", wish.nic),)), ("Network", keys)])


def networkd_bridge(wish: DesiredBridge) -> str:
    keys = [("DHCP", "ipv4" if wish.dhcp else "no"), ("IPv6AcceptRA", "yes")]
    keys += [("Address", str(each)) for each in wish.addresses]
    keys += [("Gateway", wish.gateway)] if wish.gateway else []
    keys += [("DNS", each) for each in wish.nameservers]
    lease = [("DHCPv4", (("IAID", str(wish.iaid)),))] if wish.dhcp and wish.iaid is not None else []
    return _ini([("Match", (("Name", wish.name),)), ("Network", keys), *lease])


def ifupdown(wish: DesiredBridge) -> str:
    """Stanzas for ifupdown; the first one makes the bridge, by iproute2, which ifupdown needs anyway."""
    bridge = [
        f"    pre-up ip link add name {wish.name} address {wish.mac} type bridge stp_state 0 forward_delay 0 || true",
        f"    pre-up ip link set dev {wish.nic} master {wish.name} up",
        f"    post-down ip link delete {wish.name} || true",
    ]
    servers = [f"    dns-nameservers {' '.join(wish.nameservers)}"] if wish.nameservers else []
    fours = [each for each in wish.addresses if each.version == 4]
    sixes = [each for each in wish.addresses if each.version == 6]
    lines = [f"auto {wish.name}", f"iface {wish.nic} inet manual", ""]
    method = "dhcp" if wish.dhcp else "static" if fours else "manual"
    lines += [f"iface {wish.name} inet {method}"]
    if method == "static":
        lines += [f"    address {fours[0]}", *_gateway(wish, 4)]
    lines += [*bridge, *servers]
    more = fours if wish.dhcp else fours[1:]
    for each in more:
        lines += ["", f"iface {wish.name} inet static", f"    address {each}"]
    for number, each in enumerate(sixes):
        lines += ["", f"iface {wish.name} inet6 static", f"    address {each}", "    accept_ra 2"]
        lines += _gateway(wish, 6) if number == 0 else []
    if not sixes:
        # Also where the machine forwards, as LXD lets it: the kernel would take no advertisements then.
        lines += ["", f"iface {wish.name} inet6 auto", "    accept_ra 2"]
    return "\n".join(lines) + "\n"


def _gateway(wish: DesiredBridge, version: int) -> list[str]:
    return [f"    gateway {wish.gateway}"] if wish.gateway and ip_address(wish.gateway).version == version else []


def renderer_of(found: Mapping[str, bool]) -> Renderer:
    """Return which of the three configures a machine: what was found of `netplan`, `networkd` and `ifupdown`.

    netplan writes the files of networkd, so it comes first where it has files of its own.
    """
    for renderer in ("netplan", "networkd", "ifupdown"):
        if found.get(renderer):
            return renderer
    raise ValueError(
        "the machine's network is configured by none of netplan, systemd-networkd and ifupdown; set `renderer`"
    )


def names_link(path: str, text: str, nic: str, mac: str = "") -> bool:
    """Return whether a file of network configuration is about an interface.

    Then it is taken over, and given back later.

    Of netplan's by its keys, of networkd's by the match, of ifupdown's by the stanzas.
    """
    if path.endswith((".yaml", ".yml")):
        try:
            content: Any = yaml.safe_load(text)
        except yaml.YAMLError:
            return nic in text
        network = group(content, "network")
        return any(about(key, entry, nic, mac) for key, entry in group(network, "ethernets").items())
    if path.endswith((".network", ".link")):
        values = re.findall(r"(?mi)^\s*(?:Original)?Name\s*=\s*(.*)$", text)
        return any(_matches(pattern, nic) for value in values for pattern in value.split())
    return bool(re.search(rf"(?m)^\s*(auto|allow-\S+|iface)\b.*\s{re.escape(nic)}(\s|$)", text))


def group(content: Any, key: str) -> dict[Any, Any]:
    """Return a group of keys within another; an empty one where there is none."""
    found: Any = cast(dict[Any, Any], content).get(key) if isinstance(content, dict) else None
    return cast(dict[Any, Any], found) if isinstance(found, dict) else {}


def about(key: Any, entry: Any, nic: str, mac: str = "") -> bool:
    """Return whether an entry of `ethernets` is about an interface.

    It is so by its name, by what it matches, or by the name that it sets.
    """
    if key == nic and not group(entry, "match"):
        return True
    if not isinstance(entry, dict):
        return False
    entry = cast(dict[str, Any], entry)
    match = group(entry, "match")
    if mac and str(match.get("macaddress", "")).lower() == mac:
        return True
    named = [entry.get("set-name"), match.get("name")]
    return any(isinstance(each, str) and _matches(each, nic) for each in named)


def _matches(pattern: str, nic: str) -> bool:
    """Return a shell's pattern against a link's name, as networkd matches it; `!` turns it round."""
    if pattern.startswith("!"):
        return not fnmatchcase(nic, pattern[1:])
    return fnmatchcase(nic, pattern)


def desired(name: str, nic: str, mac: str, addresses: Sequence[str], **rest: Any) -> DesiredBridge:
    """Return a wish from texts."""
    return DesiredBridge(name, nic, mac, tuple(ip_interface(each) for each in addresses), **rest)


def iaid_in(text: str) -> int | None:
    """Find the number in a file that Hearth wrote; None where there is none."""
    found = re.search(r"(?m)^IAID=([0-9]+)$", text)
    return int(found.group(1)) if found else None
