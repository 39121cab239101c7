"""ssh_config(5) and known_hosts lines for the machines of a cluster among themselves: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A machine as the others reach it."""

    name: str
    address: str
    port: int = 22
    aliases: tuple[str, ...] = ()


def word(text: str) -> str:
    """Return a value of ssh_config, quoted where it must be. Raises ValueError for what no quoting can hold.

    Source: ssh_config(5), "arguments may be enclosed in double quotes"; argv_split() of OpenSSH 9 and 10.
    """
    if any(character in text for character in "\n\r\x00"):
        raise ValueError("a value of ssh_config is one line; take the line break out")
    if text and not any(character.isspace() or character in "\"'\\#=" for character in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def config_entries(peers: Sequence[Peer], user: str, key: str) -> str:
    """Return one Host entry for each machine, by its name, aliases and address; host keys are always verified."""
    parts: list[str] = []
    for peer in peers:
        patterns = " ".join(word(each) for each in (peer.name, *peer.aliases, peer.address))
        lines = [
            f"Host {patterns}",
            f"    HostName {word(peer.address)}",
            *([f"    Port {peer.port}"] if peer.port != 22 else []),
            f"    User {word(user)}",
            f"    IdentityFile {word(key)}",
            "    IdentitiesOnly yes",
            "    StrictHostKeyChecking yes",
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def known_hosts(peers: Sequence[Peer], keys: Mapping[str, str]) -> str:
    """known_hosts lines: each machine's public key under every name by which it is reached (sshd(8))."""
    lines: list[str] = []
    for peer in peers:
        key = " ".join(keys[peer.name].split()[:2])
        for name in dict.fromkeys((peer.name, *peer.aliases, peer.address)):
            place = name if peer.port == 22 else f"[{name}]:{peer.port}"
            lines.append(f"{place} {key}")
    return "".join(f"{line}\n" for line in lines)
