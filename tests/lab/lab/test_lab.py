"""The lab itself: what its machines are, and that it touches nothing but its own."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import subprocess
from typing import TYPE_CHECKING

import asyncssh
import pytest

from lab import Lab, LabError, Machine, Service, difference
from tests.lab.support import until

if TYPE_CHECKING:
    from tests.lab.conftest import MachineFactory


@pytest.fixture(scope="module")
def brain(machine: MachineFactory) -> Machine:
    return machine("brain")


@pytest.fixture(scope="module")
def carrier(machine: MachineFactory, registry: Service) -> Machine:
    """Return a machine with podman, and the registry that it pulls from."""
    return machine("carrier", image="machine-podman")


@pytest.fixture
def spare(lab: Lab, machine: MachineFactory) -> Machine:
    """Return a machine that a test may spoil: the same one again, or a new one where the last test spoilt it."""
    return lab.machine("spare") if "spare" in lab.hosts() else machine("spare")


def test_a_machine_has_systemd_as_its_first_process_and_a_boot_without_failures(brain: Machine) -> None:
    assert brain.run("ps -p 1 -o comm=").stdout.strip() == "systemd"
    assert brain.run("systemctl list-units --failed --no-legend --plain").stdout == ""


def test_the_lab_key_lets_in_over_ssh_as_admin_who_may_sudo(brain: Machine) -> None:
    assert brain.ssh("id -un; sudo -n id -un").stdout.split() == ["admin", "root"]


def test_a_machine_has_a_first_login_user_as_debian_makes_one(brain: Machine) -> None:
    assert brain.run("id -u backstage440; id -g backstage440").stdout.split() == ["1000", "1000"]
    assert "backstage440:100000:65536" in brain.read("/etc/subuid")
    assert brain.run("stat -c %a /home/backstage440").stdout.strip() == "700"


def test_a_plain_machine_lacks_podman_and_has_all_that_apt_needs_for_it(brain: Machine) -> None:
    assert not brain.run("command -v podman", check=False).ok
    # To the end it is installed in test_secondbrain.py.
    planned = brain.run("apt-get install --yes --download-only --no-download podman").stdout
    assert "Download complete and in download only mode" in planned
    assert "podman" in planned


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


def test_a_snapshot_has_the_packages_that_apt_calls_manual(brain: Machine) -> None:
    brain.run("apt-mark auto sudo")
    shown = brain.run("apt-mark showmanual").stdout.split()
    assert "sudo" not in shown
    assert brain.snapshot().manual_packages == sorted(shown)
    brain.run("apt-mark manual sudo")
    assert brain.snapshot().manual_packages == sorted([*shown, "sudo"])


def test_a_snapshot_in_which_something_could_not_be_asked_is_none(brain: Machine) -> None:
    brain.run("mv /usr/bin/systemctl /usr/bin/systemctl-aside && ln -s /bin/false /usr/bin/systemctl")
    try:
        with pytest.raises(LabError, match="no snapshot: systemctl list-unit-files"):
            brain.snapshot()
    finally:
        brain.run("mv /usr/bin/systemctl-aside /usr/bin/systemctl")


def test_what_is_put_back_is_no_difference(brain: Machine) -> None:
    before = brain.snapshot()
    brain.run("useradd --create-home passer-by && userdel --remove passer-by && touch /etc/x && rm /etc/x")
    assert difference(before, brain.snapshot()) == []


def test_a_machine_pulls_a_public_image_from_the_labs_registry(carrier: Machine) -> None:
    carrier.run("podman pull -q docker.io/library/python:3.11-slim", timeout=400)
    asked = "podman run --rm --cgroups=disabled docker.io/library/python:3.11-slim python --version"
    assert carrier.run(asked, timeout=240).stdout.startswith("Python 3.11.")


def test_a_restart_keeps_the_machine_its_address_its_key_and_its_files(lab: Lab, brain: Machine) -> None:
    brain.write("/etc/kept", "kept")
    # In place: in a container it is a mount of its own.
    brain.run("printf '192.0.2.7 printer\\n' >> /etc/hosts")
    names = brain.read("/etc/hosts")
    before = (brain.machine_id(), brain.host_key(), brain.ssh("hostname").stdout, lab.hosts()["brain"]["address"])
    boot = brain.read("/proc/sys/kernel/random/boot_id"), brain.run("stat -c %Y /proc/1").stdout
    brain.restart()
    assert (brain.machine_id(), brain.host_key(), brain.ssh("hostname").stdout, brain.address) == before
    assert brain.read("/etc/kept") == "kept"
    assert brain.read("/etc/hosts") == names
    assert brain.run("stat -c %Y /proc/1").stdout != boot[1]
    assert brain.run("systemctl list-units --failed --no-legend --plain").stdout == ""


def test_stopping_a_machine_lets_its_services_stop_in_order(brain: Machine) -> None:
    unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/touch /root/stopped\n"
    brain.write("/etc/systemd/system/witness.service", unit)
    brain.run("systemctl start witness")
    brain.stop()
    brain.start()
    assert brain.exists("/root/stopped")


def test_a_machine_can_restart_itself(brain: Machine) -> None:
    first = brain.run("cut -d ' ' -f 22 /proc/1/stat").stdout
    brain.ssh("sudo systemctl reboot", check=False)
    started = functools.partial(brain.run, "cut -d ' ' -f 22 /proc/1/stat", check=False)
    until(lambda: started().stdout not in {first, ""}, "the machine has started again", 240)
    brain.wait_until_up()
    assert brain.run("cut -d ' ' -f 22 /proc/1/stat").stdout != first


def test_a_power_cut_ends_a_machine_at_once_and_it_comes_back(brain: Machine) -> None:
    brain.power_cut()
    assert not brain.is_running()
    brain.start()
    assert brain.ssh("id -un").stdout.strip() == "admin"


def test_a_cut_network_answers_nothing_and_an_open_connection_survives_it(brain: Machine) -> None:
    ssh = ["ssh", "-F", str(brain.ssh_config), brain.name, "read line && echo got $line && read line && echo got $line"]
    session = subprocess.Popen(ssh, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.write("before\n")
        session.stdin.flush()
        assert session.stdout.readline() == "got before\n"
        with brain.network_cut():
            session.stdin.write("during\n")
            session.stdin.flush()
            with pytest.raises(OSError):  # noqa: PT011 - a timeout or "no route to host": both mean no answer
                socket.create_connection((brain.address, brain.port), timeout=2)
            assert brain.run("echo reached").stdout == "reached\n"
        assert session.stdout.readline() == "got during\n"
    finally:
        session.kill()
        session.communicate()
    assert brain.run("ip route show default").stdout.startswith("default via ")


def test_a_machine_with_a_new_address_is_the_same_machine(lab: Lab, spare: Machine) -> None:
    old = spare.machine_id()
    moved = lab.change_address(spare)
    assert moved.address != spare.address
    assert moved.machine_id() == old
    assert moved.ssh("id -un").stdout.strip() == "admin"


def test_a_machine_made_anew_is_another_machine(spare: Machine, machine: MachineFactory) -> None:
    old = spare.machine_id(), spare.host_key()
    second = machine("spare")
    assert second.machine_id() != old[0]
    assert second.host_key() != old[1]
    assert second.ssh("hostname").stdout.strip() == "spare"


def test_asyncssh_reaches_a_machine_by_name_with_the_labs_ssh_config(brain: Machine) -> None:
    async def whoami() -> str:
        async with asyncssh.connect(brain.name, config=[str(brain.ssh_config)]) as connection:
            return str((await connection.run("sudo id -un", check=True)).stdout)

    assert asyncio.run(whoami()).strip() == "root"


def test_asyncssh_refuses_a_machine_whose_host_key_changed(lab: Lab, spare: Machine) -> None:
    spare.run("rm /etc/ssh/ssh_host_*; systemctl restart hearth-lab-boot ssh")

    async def connect() -> None:
        async with asyncssh.connect(spare.name, config=[str(lab.ssh_config)]):
            pytest.fail("a changed host key was accepted")

    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        asyncio.run(connect())
    lab.remove("spare")


def test_the_old_users_containers_run_and_tell_their_port(lab: Lab, carrier: Machine) -> None:
    lab.seed_old_containers(carrier)
    lab.seed_old_containers(carrier)
    host = carrier
    names = host.run("podman ps --format '{{.Names}}'", user="backstage440").stdout.split()
    assert sorted(names) == ["secondbrain-backend", "secondbrain-ollama"]
    asked = "podman inspect secondbrain-backend --format '{{json .Config.ExposedPorts}} {{.ImageName}}'"
    assert host.run(asked, user="backstage440").stdout.split() == [
        '{"8000/tcp":{}}',
        "localhost/secondbrain/backend:latest",
    ]
    assert [entry["images"] for owner, entry in host.snapshot().stores.items() if owner == "backstage440"] == [
        ["docker.io/ollama/ollama:latest", "localhost/secondbrain/backend:latest"]
    ]


def test_the_ollama_stand_in_answers_as_ollama_does_and_keeps_its_models(carrier: Machine) -> None:
    host = carrier
    run = "podman run -d --name o --cgroups=disabled -p 11500:11434 -v models:/root/.ollama docker.io/ollama/ollama"
    host.run(run)
    host.run("until podman exec o ollama list; do sleep 0.2; done", timeout=240)
    host.run("podman exec o ollama pull llama3.2:1b")
    host.run(f"podman rm -f -t 5 o && {run} && until podman exec o ollama list; do sleep 0.2; done", timeout=240)
    listed = host.run("podman exec o ollama list").stdout.splitlines()
    assert listed[0].split() == ["NAME", "ID", "SIZE", "MODIFIED"]
    assert listed[1].split()[0] == "llama3.2:1b"
    get = "import sys, urllib.request as u; print(u.urlopen('http://127.0.0.1:11500' + sys.argv[1]).read().decode())"
    tags = json.loads(host.run(f'python3 -c "{get}" /api/tags').stdout)
    version = json.loads(host.run(f'python3 -c "{get}" /api/version').stdout)
    assert [model["name"] for model in tags["models"]] == ["llama3.2:1b"]
    assert version == {"version": "0.0.0-hearth-stand-in"}


def test_the_share_opens_with_its_password_only_and_not_while_windows_is_off(
    lab: Lab, carrier: Machine, windows: Service
) -> None:
    host = carrier
    share = lab.share()
    host.write("/root/good", f"username={share.user}\npassword={share.password}\ndomain={share.domain}\n", mode="0600")
    host.write("/root/bad", f"username={share.user}\npassword=wrong\ndomain={share.domain}\n", mode="0600")
    listing = f"smbclient -A /root/%s -m SMB3 -c ls //{share.host}/{share.share}"
    assert "README.txt" in host.run(listing % "good").stdout
    refused = host.run(listing % "bad", check=False)
    assert not refused.ok
    assert "NT_STATUS_LOGON_FAILURE" in refused.stdout + refused.stderr
    windows.stop()
    assert not host.run(listing % "good", check=False, timeout=240).ok
    windows.start()
    until(lambda: "README.txt" in host.run(listing % "good", check=False).stdout, "the share opens again")
