"""What the lab decides from what it finds on this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.docker.requirements import FREE_GIB, HostFacts, Plan, decide

READY = HostFacts(
    system="Linux",
    architecture="x86_64",
    root=True,
    in_docker_group=False,
    debian_like=True,
    ubuntu=False,
    engine_answers=True,
    client_installed=True,
    daemon_installed=True,
    debootstrap_installed=True,
    ssh_installed=True,
    systemd=False,
    docker_cli_packaged=False,
    free_gib=50.0,
    storage="/var/lib/docker",
)
BARE = {
    "engine_answers": False,
    "client_installed": False,
    "daemon_installed": False,
    "debootstrap_installed": False,
    "ssh_installed": False,
}


@pytest.mark.parametrize(
    ("changes", "plan"),
    [
        pytest.param({}, Plan(), id="all is there"),
        pytest.param({"root": False, "in_docker_group": True}, Plan(), id="the docker group will do"),
        pytest.param(
            {"root": False, "in_docker_group": True, "debian_like": False, "debootstrap_installed": False},
            Plan(),
            id="debootstrap is not asked of one who could not use it",
        ),
        pytest.param(BARE, Plan(("docker.io", "debootstrap", "openssh-client"), "dockerd"), id="bare Debian 12"),
        pytest.param(
            {**BARE, "docker_cli_packaged": True},
            Plan(("docker.io", "docker-cli", "debootstrap", "openssh-client"), "dockerd"),
            id="bare Debian 13, whose docker command is a package of its own",
        ),
        pytest.param(
            {**BARE, "ubuntu": True, "systemd": True},
            Plan(("docker.io", "debootstrap", "debian-archive-keyring", "openssh-client"), "systemctl"),
            id="bare Ubuntu, which lacks Debian's keys",
        ),
        pytest.param({"engine_answers": False}, Plan((), "dockerd"), id="installed, not running, no systemd"),
        pytest.param(
            {"engine_answers": False, "systemd": True}, Plan((), "systemctl"), id="installed, not running, systemd"
        ),
        pytest.param(
            {"engine_answers": False, "daemon_installed": False},
            Plan(("docker.io",), "dockerd"),
            id="a client without an engine",
        ),
    ],
)
def test_what_is_missing_is_installed_and_started(changes: dict[str, Any], plan: Plan) -> None:
    assert decide(replace(READY, **changes)) == plan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"system": "Darwin"}, ["Darwin", "Linux"], id="not Linux"),
        pytest.param({"architecture": "riscv64"}, ["riscv64", "x86_64"], id="another processor"),
        pytest.param({"free_gib": 3.14}, ["3.1 GiB", str(FREE_GIB), "/var/lib/docker"], id="disk full"),
        pytest.param({"root": False}, ["sudo usermod --append --groups docker"], id="neither root nor in the group"),
        pytest.param(
            {"root": False, "in_docker_group": True, "ssh_installed": False},
            ["sudo apt-get install --yes openssh-client"],
            id="a package is missing and this is not root",
        ),
        pytest.param(
            {"root": False, "in_docker_group": True, "engine_answers": False, "systemd": True},
            ["sudo systemctl start docker"],
            id="not running and this is not root",
        ),
        pytest.param(
            {"root": False, "in_docker_group": True, "engine_answers": False},
            ["Run as root: dockerd"],
            id="not running, no systemd, not root",
        ),
        pytest.param(
            {"debian_like": False, **BARE},
            ["docker.io", "package manager", "openssh-client"],
            id="root on a system that is not Debian's",
        ),
    ],
)
def test_what_can_not_be_put_right_is_refused_with_the_command_to_run(
    changes: dict[str, Any], words: list[str]
) -> None:
    plan = decide(replace(READY, **changes))
    told = "\n".join(plan.refusals)
    assert (plan.packages, plan.start) == ((), "")
    assert [word for word in words if word not in told] == []


def test_everything_that_is_wrong_is_told_at_once() -> None:
    plan = decide(replace(READY, system="FreeBSD", architecture="sparc64", free_gib=0.5))
    assert len(plan.refusals) == 3
