"""What becomes of the files that configure an interface which goes into a bridge: pure functions.

An interface keeps what says how it is found and called (a match, a name, an MTU); its addresses, routes and leases are
the bridge's from then on. The files are given back as they were, byte for byte, from the resource's record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from providers.kinds.lxd.bridge_files import PREFIX, Renderer, about, group, names_link
from toolchain.lines import lines_in

CLOUD_INIT = "/etc/cloud/cloud.cfg.d/99-hearth-network.cfg"
CLOUD_INIT_TEXT = "# Written by Hearth: cloud-init would write the network's files anew at the next boot.\n" + (
    "network: {config: disabled}\n"
)
STAYS = (
    "match",
    "set-name",
    "mtu",
    "wakeonlan",
    "optional",
    "critical",
    "renderer",
    "activation-mode",
    "ignore-carrier",
)
"""Keys of an interface in netplan that are about the interface itself. Source: netplan-yaml(5) 1.1."""
MAIN = "/etc/network/interfaces"
OF = {"/etc/netplan/": "netplan", "/etc/systemd/network/": "networkd", "/etc/network/": "ifupdown"}


class CanNotTakeOver(ValueError):
    """A file is about the interface and about others at once."""


@dataclass(frozen=True)
class Takeover:
    """Files as they are to be while the bridge is there."""

    texts: Mapping[str, str | None]
    """Path -> its new text; None where the file goes."""
    port: str
    """The interface's id in netplan's files."""


def about_link(files: Mapping[str, str], nic: str, mac: str) -> dict[Renderer, list[str]]:
    """Map each renderer to the files of its that are about an interface."""
    found: dict[Renderer, list[str]] = {}
    for path, text in files.items():
        if path.endswith((".link", ".conf", ".netdev", ".cfg")) or "/hearth-" in path or f"/{PREFIX}" in path:
            continue
        for start, renderer in OF.items():
            if path.startswith(start) and "-hearth-" not in path and names_link(path, text, nic, mac):
                found.setdefault(cast(Renderer, renderer), []).append(path)
    return found


def take_over(files: Mapping[str, str], nic: str, mac: str, renderer: Renderer) -> Takeover:
    """Return what the files that are about an interface become. Raises CanNotTakeOver that names the file."""
    texts: dict[str, str | None] = {}
    port = ""
    for path in about_link(files, nic, mac).get(renderer, []):
        text = files[path]
        match renderer:
            case "netplan":
                texts[path], own = _netplan(path, text, nic, mac)
                port = port or own
            case "networkd":
                # The first file that matches wins, and Hearth's come before nearly all: most can stay as they are.
                if path.rpartition("/")[2] < f"{PREFIX}":
                    texts[path] = _networkd(path, text, nic)
            case "ifupdown":
                texts[path] = _ifupdown(text, nic)
    if renderer == "ifupdown":
        main = texts.get(MAIN) or files.get(MAIN, "")
        if not re.search(r"(?m)^\s*source(-directory)?\s+\S*interfaces\.d", main):
            # Debian's own file has this line; without it nobody reads the bridge's.
            texts[MAIN] = f"{main.rstrip()}\n\nsource /etc/network/interfaces.d/*\n".lstrip()
    return Takeover(texts, port)


def _netplan(path: str, text: str, nic: str, mac: str) -> tuple[str, str]:
    content: Any = yaml.safe_load(text)
    port = ""
    for key, entry in group(group(content, "network"), "ethernets").items():
        if not about(key, entry, nic, mac):
            continue
        pattern = group(entry, "match").get("name")
        if isinstance(pattern, str) and re.search(r"[*?\[]", pattern):
            raise CanNotTakeOver(
                f"{path} configures {nic} together with others, by the pattern {pattern!r}; give {nic} an entry of its"
                " own there"
            )
        for word in [word for word in entry if word not in STAYS]:
            del entry[word]
        port = str(key)
    return yaml.safe_dump(content, sort_keys=False), port


def _networkd(path: str, text: str, nic: str) -> str | None:
    names = [word for value in re.findall(r"(?mi)^\s*Name\s*=\s*(.*)$", text) for word in value.split()]
    if names == [nic]:
        return None
    raise CanNotTakeOver(
        f"{path} configures {nic} together with others ({' '.join(names)}) and comes before Hearth's files, which begin"
        f" with {PREFIX}; rename it so that it comes later, or give {nic} a file of its own"
    )


def _ifupdown(text: str, nic: str) -> str:
    """Take the stanzas of an interface out of a file; a stanza reaches to the next one (interfaces(5))."""
    kept: list[str] = []
    dropping = False
    for line in lines_in(text, keepends=True):
        words = line.split()
        head = words[0] if words and not words[0].startswith("#") else ""
        if head in ("auto", "allow-hotplug", "no-auto-down", "no-scripts") or head.startswith("allow-"):
            dropping = False
            rest = [word for word in words[1:] if word != nic]
            if len(rest) != len(words) - 1:
                kept += [f"{' '.join([head, *rest])}\n"] if rest else []
                continue
        elif head in ("iface", "mapping", "source", "source-directory", "rename", "template"):
            dropping = head == "iface" and words[1:2] == [nic]
        if not dropping:
            kept.append(line)
    return "".join(kept)
