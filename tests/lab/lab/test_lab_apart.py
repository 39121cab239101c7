"""A lab touches nothing but its own, leaves nothing behind, and brings Docker along where there is none."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lab as package
from lab import Lab
from lab.docker import cli
from lab.docker.containers import VOLUMES, machine_options
from tests.lab.support import require

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(package.__file__).parent
# How many labs come and go at once, and how often each. Without the lock, the first or second time failed.
LABS, TIMES = 3, 8


@pytest.fixture
def foreign(lab: Lab) -> Iterator[dict[str, str]]:
    """Yield a container, a network and a volume of somebody else, with names that look like the lab's."""
    name = f"hearth-lab-somebody-else-{os.getpid()}"
    image = lab.images.ensure("tiny")
    cli.docker("network", "create", "--subnet", "10.214.77.0/24", name)
    cli.docker("volume", "create", name)
    cli.docker("run", "-d", "--name", name, "--network", name, "-v", f"{name}:/mnt", image, "sleep", "3600")
    try:
        yield {kind: name for kind in ("container", "network", "volume")}
    finally:
        cli.docker("rm", "--force", name)
        cli.docker("network", "rm", name)
        cli.docker("volume", "rm", name)


def belongings(made: Lab) -> dict[str, list[str]]:
    """Return what Docker has of a lab, asked by its prefix and not by its labels."""
    listed = {
        "container": cli.docker("ps", "--all", "--format", "{{.Names}}").stdout.split(),
        "network": cli.docker("network", "ls", "--format", "{{.Name}}").stdout.split(),
        "volume": cli.docker("volume", "ls", "--format", "{{.Name}}").stdout.split(),
    }
    return {kind: [name for name in found if name.startswith(made.prefix)] for kind, found in listed.items()}


def test_down_removes_the_labs_own_and_leaves_everything_else_running(foreign: dict[str, str], tmp_path: Path) -> None:
    before = {kind: cli.inspect(kind, name) for kind, name in foreign.items()}
    made = Lab("hearth-lab", tmp_path / "lab")
    try:
        made.up(["brain", "windows"])
        assert [len(found) for found in belongings(made).values()] == [2, 1, 2]
    finally:
        made.down()
    assert belongings(made) == {"container": [], "network": [], "volume": []}
    assert not made.folder.exists()
    after = {kind: cli.inspect(kind, name) for kind, name in foreign.items()}
    assert after["container"] is not None
    assert after["container"]["State"]["Running"]
    assert [found and found.get("Id", found.get("Name")) for found in after.values()] == [
        found and found.get("Id", found.get("Name")) for found in before.values()
    ]


def test_down_leaves_a_file_that_is_not_the_labs(tmp_path: Path) -> None:
    require("lab")
    made = Lab("hearth-lab", tmp_path)
    made.prepare()
    (tmp_path / "notes").write_text("mine")
    made.down()
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_two_labs_of_the_same_name_in_two_folders_do_not_meet(lab: Lab, tmp_path: Path) -> None:
    one, two = Lab("hearth-lab", tmp_path / "one"), Lab("hearth-lab", tmp_path / "two")
    try:
        first, second = one.machine("brain"), two.machine("brain")
        assert first.address != second.address
        first.write("/etc/which", "one")
        assert not second.exists("/etc/which")
        one.down()
        assert second.ssh("hostname").stdout.strip() == "brain"
    finally:
        one.down()
        two.down()


def test_up_twice_changes_nothing_and_switches_on_what_is_off(tmp_path: Path) -> None:
    require("lab")
    made = Lab("hearth-lab", tmp_path / "lab")
    try:
        made.up(["brain"])
        first = made.machine("brain")
        identity = first.machine_id()
        made.up(["brain"])
        first.stop()
        assert [row["state"] for row in made.status()] == ["exited"]
        assert [row["address"] for row in made.status()] == [first.address]
        made.up(["brain"])
        assert made.machine("brain").machine_id() == identity
    finally:
        made.down()


@pytest.fixture
def bare_machine(lab: Lab) -> Iterator[str]:
    """Yield a Debian without Docker and without a running systemd.

    That is a container of the machine image, not booted.
    """
    container = f"{lab.prefix}-bare"
    options = machine_options(container)
    # Its own restarts are not wanted here; the rest is what Docker inside a container needs.
    options = options[: options.index("--restart")]
    words = [word for key, value in lab.labels.items() for word in ("--label", f"{key}={value}")]
    for role in VOLUMES:
        cli.docker("volume", "create", *words, f"{container}-{role}")
    image = lab.images.ensure("machine")
    cli.docker("run", "-d", "--name", container, *words, *options, image, "sleep", "3600")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for folder in ("lab", "toolchain", "components"):
            archive.add(PACKAGE.parent / folder, folder, filter=lambda it: None if "__pycache__" in it.name else it)
        # The package's own imports would ask for asyncssh, which the preparation does without.
        archive.addfile(tarfile.TarInfo("lab/__init__.py"))
    cli.docker("exec", container, "mkdir", "-p", "/opt/hearth")
    cli.docker("cp", "-", f"{container}:/opt/hearth", stdin=stream.getvalue())
    try:
        yield container
    finally:
        cli.docker("rm", "--force", container)
        cli.docker("volume", "rm", *(f"{container}-{role}" for role in VOLUMES))


def python(machine: str, script: str) -> list[str]:
    """Run a script on the bare machine beside the package `lab`; the lines that it printed."""
    command = ("exec", "-i", "-w", "/opt/hearth", machine, "python3", "-")
    result = cli.docker(*command, stdin=script, timeout=400, check=False)
    assert result.ok, result.stdout + result.stderr
    return result.stdout.splitlines()


def test_where_docker_is_missing_it_is_installed_started_and_ended_again(bare_machine: str) -> None:
    require("root")
    script = """
import json, os, pathlib
from lab.docker import cli, daemon
assert not daemon.engine_answers()
daemon.prepare(print)
assert daemon.engine_answers()
record = json.loads(daemon.RECORD.read_text())
daemon.prepare(print)
assert json.loads(daemon.RECORD.read_text()) == record
cli.docker("network", "create", "--label", "hearth.lab=another", "another")
daemon.end_docker_if_ours(print)
assert daemon.engine_answers(), "another lab's Docker was ended"
cli.docker("network", "rm", "another")
daemon.end_docker_if_ours(print)
assert not daemon.engine_answers()
state = pathlib.Path("/proc/%d/stat" % record["pid"])
assert not state.exists() or " Z " in state.read_text()
assert not daemon.RECORD_FOLDER.exists()
print(json.dumps(record))
"""
    told = python(bare_machine, script)
    assert told[0].startswith("missing on this machine, being installed: docker.io, docker-cli, debootstrap")
    pid = json.loads(told[-1])["pid"]
    assert f"started dockerd (process {pid}); the last `lab down` ends it" in told
    assert f"Docker (process {pid}), which a lab started, has other users: left running" in told
    assert f"ended Docker (process {pid}), which a lab had started" in told


COME_AND_GO = """
import pathlib, random, sys, time
from lab.lab import Lab
for number in range(int(sys.argv[2])):
    made = Lab(f"lab{sys.argv[1]}", pathlib.Path(f"/run/lab{sys.argv[1]}"))
    made.prepare()
    time.sleep(random.random() / 2)
    made.down()
"""


@pytest.mark.soak
def test_labs_that_come_and_go_at_once_do_not_end_docker_under_each_other(bare_machine: str) -> None:
    require("root")
    script = f"""
import subprocess, sys
from lab.docker import daemon
daemon.prepare(print)
daemon.end_docker_if_ours(print)
subprocess.run(["apt-get", "install", "--yes", "-q", "--no-install-recommends", "python3-asyncssh"], check=True)
labs = [subprocess.Popen([sys.executable, "-c", {COME_AND_GO!r}, str(lab), "{TIMES}"]) for lab in range({LABS})]
assert [lab.wait() for lab in labs] == [0] * {LABS}
assert not daemon.engine_answers()
assert not daemon.RECORD_FOLDER.exists()
daemon.prepare(print)
assert daemon.engine_answers()
daemon.end_docker_if_ours(print)
"""
    python(bare_machine, script)
