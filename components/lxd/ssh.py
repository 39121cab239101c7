"""SSH among the machines of a cluster: a key made on each, that lets in on the others, and host keys that are known.

The host keys are read over the connection that Hearth has itself, which was verified: nothing is trusted at first
sight. A private key is made on its machine and never leaves it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions

from components.lxd import ssh_files
from components.lxd.ssh_files import Peer
from config.hosts import Machines
from config.systems.lxd import Lxd
from config.systems.lxd.parts import Ssh
from providers.resources.host import Block, CommandOutput, Directory, Script

ACCOUNT = 'IFS=:; set -- $(getent passwd "$1") && echo "$6:$(id -gn "$1")"'
HOST_KEY = "cat /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null || cat /etc/ssh/ssh_host_*_key.pub | head -n 1"
SSH_PORT = 22
KEY = ".ssh/id_ed25519_hearth"


@dataclass(frozen=True)
class _Known:
    """What is known of a machine once it was asked."""

    home: Output[str]
    key: Output[str]
    """Path of the private key."""
    public: Output[str]
    host_key: Output[str]
    folder: Directory


def peers_of(settings: Lxd, machines: Machines) -> list[Peer]:
    """List the machines as the others reach them: by the member's name, its name in the zone, and its address."""
    domain = settings.dns.domain if settings.dns else None
    return [
        Peer(
            name,
            str(member.address),
            (machines.hosts[settings.host_of(name)].port if settings.host_of(name) in machines.hosts else None)
            or SSH_PORT,
            (f"{name}.{domain}",) if domain else (),
        )
        for name, member in settings.members.items()
    ]


def lay(parent: pulumi.Resource, name: str, settings: Lxd, machines: Machines) -> None:
    """Make the keys, and on each machine what lets the others in and knows them."""
    wanted = settings.ssh
    if wanted is None:
        return
    peers = peers_of(settings, machines)
    known = {member: _machine(parent, name, settings, wanted, member) for member in settings.members}
    for member in settings.members:
        others = {other: each for other, each in known.items() if other != member}
        if others:
            _introduce(parent, name, settings, wanted, member, known[member], others, peers)


def _machine(parent: pulumi.Resource, name: str, settings: Lxd, wanted: Ssh, member: str) -> _Known:
    host = settings.host_of(member)

    def after(*resources: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(parent=parent, depends_on=list(resources))

    account = CommandOutput(
        f"{name}-ssh-account-{member}",
        host=host,
        name=f"home and group of {wanted.user}",
        command=["sh", "-c", ACCOUNT, "sh", wanted.user],
        opts=after(),
    )
    host_key = CommandOutput(
        f"{name}-ssh-host-{member}", host=host, name="host key", command=["sh", "-c", HOST_KEY], opts=after()
    )
    home = account.answer.apply(lambda answer: str(answer).rpartition(":")[0])
    folder = Directory(
        f"{name}-ssh-folder-{member}",
        host=host,
        path=Output.concat(home, "/.ssh"),
        mode="0700",
        owner=wanted.user,
        group=account.answer.apply(lambda answer: str(answer).rpartition(":")[2]),
        opts=after(account),
    )
    key = Output.from_input(str(wanted.key)) if wanted.key else Output.concat(home, f"/{KEY}")
    made = Script(
        f"{name}-ssh-key-{member}",
        host=host,
        name="ssh: a key of its own",
        user=wanted.user,
        check=key.apply(has_key),
        apply=key.apply(lambda path: make_key(path, f"{wanted.user}@{member}")),
        undo=key.apply(lambda path: f"rm -f {shlex.quote(path)} {shlex.quote(path)}.pub"),
        opts=after(folder),
    )
    public = CommandOutput(
        f"{name}-ssh-public-{member}",
        host=host,
        name="public key",
        user=wanted.user,
        command=key.apply(lambda path: ["cat", f"{path}.pub"]),
        opts=after(made),
    )
    return _Known(home, key, public.answer.apply(str), host_key.answer.apply(str), folder)


def has_key(path: str) -> str:
    """Return what says whether a key is there: both halves, of which the public one belongs to the private one."""
    quoted = shlex.quote(path)
    words = 'cut -d " " -f 1,2'
    return f'[ -s {quoted} ] && [ "$(ssh-keygen -y -f {quoted} </dev/null | {words})" = "$({words} {quoted}.pub)" ]'


def make_key(path: str, comment: str) -> str:
    """Return what makes a key where there is none, or the public half of one that is there."""
    quoted = shlex.quote(path)
    return (
        f"if [ -s {quoted} ]; then ssh-keygen -y -f {quoted} </dev/null > {quoted}.pub\n"
        f"else ssh-keygen -q -t ed25519 -N '' -C {shlex.quote(comment)} -f {quoted} </dev/null\nfi\n"
    )


def _introduce(
    parent: pulumi.Resource,
    name: str,
    settings: Lxd,
    wanted: Ssh,
    member: str,
    own: _Known,
    others: Mapping[str, _Known],
    peers: list[Peer],
) -> None:
    """On one machine: whom to let in, whom to know, and how to reach them."""
    other_peers = [peer for peer in peers if peer.name in others]
    texts = {
        "authorized_keys": Output.all(**{other: each.public for other, each in others.items()}).apply(
            lambda keys: "".join(f"{keys[other]}\n" for other in sorted(keys))
        ),
        "known_hosts": Output.all(**{other: each.host_key for other, each in others.items()}).apply(
            lambda keys: ssh_files.known_hosts(other_peers, keys)
        ),
        "config": own.key.apply(lambda path: ssh_files.config_entries(other_peers, wanted.user, path)),
    }
    for file, text in texts.items():
        Block(
            f"{name}-ssh-{file.replace('_', '-')}-{member}",
            host=settings.host_of(member),
            path=Output.concat(own.home, "/.ssh/", file),
            name=f"{name}-cluster",
            content=text,
            opts=ResourceOptions(parent=parent, depends_on=[own.folder]),
        )


def deployed(settings: Lxd, machines: Machines) -> dict[str, Any] | None:
    """Return what the checks need to know of it."""
    wanted = settings.ssh
    if wanted is None:
        return None
    return {
        "user": wanted.user,
        "key": str(wanted.key) if wanted.key else f"~/{KEY}",
        "names": {peer.name: [peer.name, *peer.aliases, peer.address] for peer in peers_of(settings, machines)},
    }
