"""What a killed run leaves of a stack, made by hand, and a `pulumi` that only writes down what it was asked."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toolchain.stack import recovery


@pytest.fixture
def project(tmp_path: Path) -> dict[str, str]:
    """Return a project's environment whose `pulumi` records its arguments in `calls`."""
    binary = tmp_path / "bin" / "pulumi"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n')
    binary.chmod(0o755)
    return {"PATH": f"{binary.parent}:/usr/bin:/bin", "PULUMI_BACKEND_URL": f"file://{tmp_path}/.state"}


def write_lock(tmp_path: Path, pid: int, hostname: str | None = None) -> Path:
    """Return a lock of the stack `trial`/`dev`, as the file backend writes it."""
    path = tmp_path / ".state/.pulumi/locks/organization/trial/dev" / f"{pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = {
        "pid": pid,
        "username": "root",
        "hostname": hostname or socket.gethostname(),
        "timestamp": "2026-01-01T00:00:00.123456789Z",
    }
    path.write_text(json.dumps(lock))
    return path


def write_pending(tmp_path: Path, *names: str) -> None:
    """Write a state in which creations are pending."""
    path = tmp_path / ".state/.pulumi/stacks/trial/dev.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    operations: list[dict[str, Any]] = [
        {"resource": {"urn": f"urn:pulumi:dev::trial::hearth:host:File::{name}"}, "type": "creating"} for name in names
    ]
    path.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"pending_operations": operations}}}))


def dead_pid() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def recover(tmp_path: Path, project: dict[str, str]) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Run the recovery: what was pending, what was said, what pulumi was asked."""
    said: list[str] = []
    pending = recovery.recover(tmp_path, "trial", "dev", project, said.append)
    calls = tmp_path / "calls"
    return pending, said, calls.read_text().splitlines() if calls.exists() else []
