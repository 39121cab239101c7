"""What the lab needs of this machine, and what follows from what is there: the decision alone, no action."""

from __future__ import annotations

from dataclasses import dataclass

ARCHITECTURES = ("x86_64", "aarch64")
FREE_GIB = 8


@dataclass(frozen=True)
class HostFacts:
    """What was found on this machine; `lab.docker.daemon.probe` fills it in."""

    system: str
    architecture: str
    root: bool
    in_docker_group: bool
    debian_like: bool
    ubuntu: bool
    engine_answers: bool
    client_installed: bool
    daemon_installed: bool
    debootstrap_installed: bool
    ssh_installed: bool
    systemd: bool
    docker_cli_packaged: bool
    free_gib: float
    storage: str


@dataclass(frozen=True)
class Plan:
    """What to do before a lab can be made. With `refusals`, nothing is done and they are told."""

    packages: tuple[str, ...] = ()
    start: str = ""
    refusals: tuple[str, ...] = ()


def decide(facts: HostFacts) -> Plan:
    """Return what is missing and can be got here, or the refusals; `start` is "", "systemctl" or "dockerd"."""
    refusals = _impossible(facts)
    packages = _missing_packages(facts)
    start = "" if facts.engine_answers else "systemctl" if facts.systemd else "dockerd"
    if facts.root and facts.debian_like:
        return Plan(refusals=refusals) if refusals else Plan(packages, start)
    refusals += _by_hand(facts, packages, start)
    if refusals:
        return Plan(refusals=refusals)
    return Plan(start=start)


def _impossible(facts: HostFacts) -> tuple[str, ...]:
    found: list[str] = []
    if facts.system != "Linux":
        found.append(
            f"This is {facts.system}; the lab's machines are Linux containers that this machine must reach by their "
            "own addresses. Run the lab on a Linux machine, for instance a virtual one with Debian 12 or 13."
        )
    if facts.architecture not in ARCHITECTURES:
        found.append(
            f"This machine's processor is {facts.architecture}; the lab is made for {' and '.join(ARCHITECTURES)}. "
            "Run it on one of those."
        )
    if facts.free_gib < FREE_GIB:
        found.append(
            f"{facts.storage} has {facts.free_gib:.1f} GiB free; the lab's images and machines need {FREE_GIB}. "
            "Free some, for instance with `docker system df` and `docker image prune`."
        )
    return tuple(found)


def _missing_packages(facts: HostFacts) -> tuple[str, ...]:
    packages: list[str] = []
    if not facts.engine_answers:
        if not facts.daemon_installed:
            packages.append("docker.io")
        if not facts.client_installed and facts.docker_cli_packaged:
            # From Debian 13 on, the command is a package of its own.
            packages.append("docker-cli")
    elif not facts.client_installed:
        packages.append("docker-cli" if facts.docker_cli_packaged else "docker.io")
    if facts.root and facts.debian_like and not facts.debootstrap_installed:
        # Only where no registry answers is it needed; it is small, and elsewhere a pull may do.
        packages.append("debootstrap")
        if facts.ubuntu:
            packages.append("debian-archive-keyring")
    if not facts.ssh_installed:
        packages.append("openssh-client")
    return tuple(packages)


def _by_hand(facts: HostFacts, packages: tuple[str, ...], start: str) -> tuple[str, ...]:
    found: list[str] = []
    sudo = "" if facts.root else "sudo "
    if packages and facts.debian_like:
        found.append(f"Missing here: {', '.join(packages)}. Run: {sudo}apt-get install --yes {' '.join(packages)}")
    elif packages:
        found.append(
            f"Missing here (by their Debian names): {', '.join(packages)}. Install them with this system's package "
            "manager; for Docker see its manual, https://docs.docker.com/engine/install/."
        )
    if start == "systemctl" and not facts.root:
        found.append("Docker is not running. Run: sudo systemctl start docker")
    elif start == "dockerd" and not facts.root:
        found.append("Docker does not answer and there is no systemd here to start it. Run as root: dockerd")
    if not facts.root and not facts.in_docker_group:
        found.append(
            "This user is neither root nor in the group docker, so Docker would refuse. "
            "Run: sudo usermod --append --groups docker $USER, then log in again"
        )
    return tuple(found)
