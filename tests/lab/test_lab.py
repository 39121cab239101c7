"""The lab itself: what its machines are, and that it touches nothing but its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import Lab, Machine, Service, difference

if TYPE_CHECKING:
    from tests.lab.conftest import MachineFactory


@pytest.fixture(scope="module")
def brain(machine: MachineFactory) -> Machine:
    return machine("brain")


def test_a_machine_has_systemd_as_its_first_process_and_a_boot_without_failures(brain: Machine) -> None:
    assert brain.run("ps -p 1 -o comm=").stdout.strip() == "systemd"
    assert brain.run("systemctl list-units --failed --no-legend --plain").stdout == ""


def test_the_lab_key_lets_in_over_ssh_as_admin_who_may_sudo(brain: Machine) -> None:
    assert brain.ssh("id -un; sudo -n id -un").stdout.split() == ["admin", "root"]


def test_a_machine_has_a_first_login_user_as_debian_makes_one(brain: Machine) -> None:
    assert brain.run("id -u backstage440; id -g backstage440").stdout.split() == ["1000", "1000"]
    assert "backstage440:100000:65536" in brain.read("/etc/subuid")
    assert brain.run("stat -c %a /home/backstage440").stdout.strip() == "700"


def test_a_plain_machine_lacks_podman_and_gets_it_from_apt(brain: Machine) -> None:
    assert not brain.run("command -v podman", check=False).ok
    brain.run("DEBIAN_FRONTEND=noninteractive apt-get install --yes podman", timeout=300)
    assert brain.run("podman --version").stdout.startswith("podman version 5.")


def test_a_snapshot_sees_a_changed_a_missing_and_an_extra_file(brain: Machine) -> None:
    brain.write("/etc/hearth-changed", "one")
    brain.write("/etc/hearth-missing", "one")
    before = brain.snapshot()
    brain.write("/etc/hearth-changed", "two", mode="0600")
    brain.run("rm /etc/hearth-missing; ln -s nowhere /etc/hearth-extra; useradd --no-create-home newcomer")
    lines = difference(before, brain.snapshot())
    told = "\n".join(lines)
    assert "file /etc/hearth-changed: mode was 0644, is 0600" in told
    assert "file /etc/hearth-changed: sha256 was" in told
    assert "file /etc/hearth-missing: gone" in told
    assert "file /etc/hearth-extra: appeared (type l" in told
    assert "users: newcomer appeared" in told


def test_what_is_put_back_is_no_difference(brain: Machine) -> None:
    before = brain.snapshot()
    brain.run("useradd --create-home passer-by && userdel --remove passer-by && touch /etc/x && rm /etc/x")
    assert difference(before, brain.snapshot()) == []


def test_a_machine_pulls_a_public_image_from_the_labs_registry(
    lab: Lab, machine: MachineFactory, registry: Service
) -> None:
    host = machine("puller", image="machine-podman")
    host.run("podman pull -q docker.io/library/python:3.11-slim")
    asked = "podman run --rm --cgroups=disabled docker.io/library/python:3.11-slim python --version"
    assert host.run(asked, timeout=60).stdout.startswith("Python 3.11.")
