"""Docker under several labs: who may end it, and what is said when it does not start."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lab import Lab, LabError
from lab.docker import cli, containers, daemon
from lab.docker.cli import Result
from lab.locks import machine_lock

if TYPE_CHECKING:
    from pathlib import Path

PANIC = """\
time="2026-11-22T01:36:12.779419781Z" level=info msg="stopping healthcheck following graceful shutdown"
panic: runtime error: index out of range [0] with length 0

goroutine 1 [running]:
github.com/docker/libnetwork.(*controller).reservePools(0x5654257a2e70?)
	github.com/docker/libnetwork/controller.go:956 +0xb65
github.com/docker/libnetwork.New({0xc00032c000, 0x9, 0x10})
	github.com/docker/libnetwork/controller.go:245 +0x757
main.main()
	cmd/dockerd/docker.go:96 +0x1d9
"""


def test_a_network_half_removed_that_keeps_docker_from_starting_is_told_with_its_remedy() -> None:
    told = daemon.why_it_ended(PANIC)
    assert told.startswith("panic: runtime error: index out of range")
    assert "mv /var/lib/docker/network/files/local-kv.db /var/lib/docker/network/files/local-kv.db.damaged" in told
    assert "stopping healthcheck" not in told


def test_another_panic_is_told_without_a_remedy_and_any_other_end_by_its_last_lines() -> None:
    assert "local-kv.db" not in daemon.why_it_ended(PANIC.replace("reservePools", "another"))
    assert daemon.why_it_ended("".join(f"line {number}\n" for number in range(20))).splitlines() == [
        f"line {number}" for number in range(12, 20)
    ]


def test_networks_come_and_go_and_docker_is_ended_under_one_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Otherwise another lab sees none of them and ends Docker while this one's is being made or removed."""
    seen: list[tuple[str, bool]] = []

    def note(what: str) -> None:
        try:
            with machine_lock(daemon.LOCK, timeout=0):
                seen.append((what, False))
        except LabError:
            seen.append((what, True))

    def docker(*arguments: str, **_options: object) -> Result:
        if arguments[:2] == ("network", "rm"):
            note("network rm")
        return Result(0, "theirs\n" if arguments[:2] == ("network", "ls") else "", "")

    monkeypatch.setattr(daemon, "LOCK", f"unit-test-{os.getpid()}")
    monkeypatch.setattr(daemon, "prepare", lambda _say: note("prepare"))
    monkeypatch.setattr(daemon, "end_docker_if_ours", lambda _say: note("end"))
    monkeypatch.setattr(containers, "ensure_network", lambda _name, _labels: note("network create"))
    monkeypatch.setattr(cli, "docker", docker)
    made = Lab("hearth-lab", tmp_path / "lab")
    made.prepare()
    made.down()
    assert seen == [(what, True) for what in ("prepare", "network create", "network rm", "end")]
