"""The texts of Quadlet units: pure functions, from a description of a pod to the files that podman turns into services.

Two forms. From podman 5.0 the containers share a `.pod`, and a service counts as started once it is healthy. Podman
4.6 to 4.9 knows no `.pod` and no `Notify=healthy`: there the containers share a `.network`, and `podman wait` holds
the start back. Source: podman-systemd.unit(5) of 4.6, 4.9 and 5.4.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from components.blocks.unit_text import bare_word, line, shell_line, word
from config import podman
from config.addresses import bracketed

RESTART_SECONDS = 5
HEALTH_TIMEOUT = 10
"""Seconds after which one counts as failed."""
HEALTH_RETRIES = 3
"""How many that fail one after the other make a container unhealthy."""


class Form(Enum):
    """How containers that belong together are described."""

    POD = "pod"
    NETWORK = "network"


@dataclass(frozen=True)
class Publication:
    """A container's port, published under the same number on one address of the machine."""

    address: str
    port: int

    def __str__(self) -> str:
        host = bracketed(self.address)
        return f"{host}:{self.port}:{self.port}"


@dataclass(frozen=True)
class Container:
    """One container, as its unit describes it. Paths are the machine's; nothing here is secret."""

    name: str
    """Also the stem of its unit's name, and of its service's."""
    description: str
    image: str
    health_command: str
    publications: tuple[Publication, ...] = ()
    volumes: tuple[str, ...] = ()
    """As podman writes them: `source:destination:options`."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    peers: Mapping[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    """Variables that tell the URL of another container of the group: variable -> (its name, port)."""
    environment_file: str | None = None
    after: tuple[str, ...] = ()
    """Names of containers that must be healthy first."""
    groups: tuple[str, ...] = ()
    """Further groups of the container's user, by number."""


@dataclass(frozen=True)
class Group:
    """Containers that belong together and reach each other."""

    name: str
    description: str
    containers: tuple[Container, ...]
    start_timeout: int
    """Seconds until a container that is not healthy counts as failed."""
    health_interval: int
    """Seconds between two health checks."""

    def container(self, role: str) -> Container:
        """Return the container of that role: its name is the group's, a dash and the role. Raises KeyError."""
        return {each.name: each for each in self.containers}[f"{self.name}-{role}"]


@dataclass(frozen=True)
class UnitFile:
    """A file for `~/.config/containers/systemd/`."""

    name: str
    text: str


def form_for(version: str) -> Form:
    """Return the form that a version of podman understands, from `5.4`, `5.4.2` or the answer of `podman --version`.

    Raises ValueError for what is no version, and for podman before 4.6.
    """
    known = podman.version_of(version)
    if known is None:
        raise ValueError(f"{version!r} holds no version of podman; ask `podman --version` on the machine")
    major, minor = known
    if (major, minor) < podman.LOWEST:
        raise ValueError(
            f"podman {major}.{minor} can't wait until a container is healthy (`podman wait --condition=healthy` came "
            "with 4.6), so nothing could start in order; install a newer podman, or set manager: podmgr"
        )
    return Form.POD if major >= 5 else Form.NETWORK


def group_file(group: Group, form: Form) -> UnitFile:
    """Return the unit of the pod, or of the network, that the containers share."""
    lines = ["[Unit]", f"Description={line(group.description)}", ""]
    if form is Form.POD:
        lines += ["[Pod]", f"PodName={group.name}"]
        lines += [f"PublishPort={each}" for container in group.containers for each in container.publications]
        # Otherwise the pod goes down, and its services with it, when all containers happen to restart at once.
        lines += ["PodmanArgs=--exit-policy=continue", "", "[Service]", f"RestartSec={RESTART_SECONDS}"]
        # Making it takes as long as the machine is slow; systemd's own 90 s would count otherwise.
        lines += [f"TimeoutStartSec={group.start_timeout}", "", "[Install]", "WantedBy=default.target"]
    else:
        lines += ["[Network]", f"NetworkName={group.name}"]
    return UnitFile(f"{group.name}.{form.value}", "\n".join(lines) + "\n")


def container_file(container: Container, group: Group, form: Form) -> UnitFile:
    """Return the unit of one container."""
    lines = ["[Unit]", f"Description={line(container.description)}"]
    for name in container.after:
        lines += [f"Requires={name}.service", f"After={name}.service"]
    lines += ["", "[Container]", f"ContainerName={container.name}", f"Image={line(container.image)}"]
    if form is Form.POD:
        lines += [f"Pod={group.name}.pod", "Notify=healthy"]
    else:
        lines.append(f"Network={group.name}.network")
        lines += [f"PublishPort={each}" for each in container.publications]
    lines += [f"Volume={line(volume)}" for volume in container.volumes]
    environment = environment_of(container, form)
    lines += [f"Environment={word(f'{name}={value}')}" for name, value in sorted(environment.items())]
    if container.environment_file:
        lines.append(f"EnvironmentFile={bare_word(container.environment_file)}")
    lines += [f"PodmanArgs=--group-add={number}" for number in container.groups]
    lines += [
        f"HealthCmd={shell_line(in_time(container.health_command))}",
        f"HealthInterval={group.health_interval}s",
        f"HealthTimeout={HEALTH_TIMEOUT}s",
        f"HealthRetries={HEALTH_RETRIES}",
        f"HealthStartPeriod={group.start_timeout}s",
        # A container that has become unhealthy ends, and so is started anew.
        "HealthOnFailure=kill",
        "",
        "[Service]",
        "Restart=always",
        f"RestartSec={RESTART_SECONDS}",
        f"TimeoutStartSec={group.start_timeout}",
    ]
    if form is Form.NETWORK:
        lines.append(f"ExecStartPost=/usr/bin/podman wait --condition=healthy {container.name}")
    lines += ["", "[Install]", "WantedBy=default.target"]
    return UnitFile(f"{container.name}.container", "\n".join(lines) + "\n")


def service_of(unit: str) -> str:
    """Return the service that podman makes of a Quadlet file.

    `x.pod` becomes `x-pod.service`, `x.container` `x.service`.
    """
    stem, _, suffix = unit.rpartition(".")
    return f"{stem}.service" if suffix in ("container", "kube") else f"{stem}-{suffix}.service"


def reach(container: str, form: Form) -> str:
    """Return the name under which containers of a group reach one of them."""
    return "127.0.0.1" if form is Form.POD else container


def environment_of(container: Container, form: Form) -> dict[str, str]:
    """Return a container's environment; what it sets itself wins over what it is told of its peers."""
    peers = {name: f"http://{reach(peer, form)}:{port}" for name, (peer, port) in container.peers.items()}
    return {**peers, **container.environment}


def in_time(command: str) -> str:
    """Return a shell command that ends before podman's time for it is over, where the image has `timeout`.

    Podman before 5.5 waits on for a health check that hangs, and meanwhile asks no more: the container would stay
    healthy for good.
    """
    seconds = HEALTH_TIMEOUT - 1
    return f'command -v timeout >/dev/null && set -- timeout {seconds}; "$@" sh -c {shlex.quote(command)}'


def http_health_command(port: int, path: str) -> str:
    """Return a shell command for inside a container: success where `http://127.0.0.1:PORT PATH` answers 2xx or 3xx.

    Takes curl, else wget (busybox has one), else Python: whichever the image has.
    """
    # As a word of its own for each: what is in it is nobody's program. curl takes braces and brackets for a pattern.
    url = shlex.quote(f"http://127.0.0.1:{port}{path}")
    program = "import sys, urllib.request as request; request.urlopen(sys.argv[1], timeout=4)"
    return (
        f"if command -v curl >/dev/null; then curl -gfsS -o /dev/null -m 4 {url}; "
        f"elif command -v wget >/dev/null; then wget -q -O /dev/null -T 4 {url}; "
        f"else python3 -c {shlex.quote(program)} {url}; fi"
    )


def shared_folder(mount_point: str) -> str:
    """Return the volume that shows a container what is mounted at `mount_point`, now or later, read-only.

    It binds the folder above: binding an automount point itself would wait for the other machine, and fail where that
    is off; and only a mount below a bound folder reaches a container that runs already (`rslave`). What is mounted
    later keeps its own flags: it is read-only only where its own options say `ro`.
    """
    folder = mount_point.rpartition("/")[0]
    return f"{folder}:{folder}:ro,rslave"
