"""What a person reads when something is wrong with a machine, and that the next `up` goes on from there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from lab import Machine, difference
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project
from tests.lab.support import require


def motd(text: str) -> str:
    """A program with one file; every test has a text of its own, so that its `up` has something to do."""
    return f'File("motd", host="box", path="/etc/motd-of-hearth", content={text!r})\n'


@pytest.fixture(scope="module")
def box(machine: MachineFactory) -> Machine:
    made = machine("errors")
    made.run("useradd --create-home plain")  # who may not become root
    public = (made.folder / "id_ed25519.pub").read_text()
    made.write("/home/plain/.ssh/authorized_keys", public, mode="0600", owner="plain:plain")
    return made


@pytest.fixture(scope="module")
def one_project(box: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("errors"), box)
    before = box.snapshot()
    yield project
    project.destroy()
    assert difference(before, box.snapshot()) == []


@pytest.fixture
def project(one_project: Project) -> Iterator[Project]:
    """One stack for all tests; each puts its own program in the place of the one before."""
    one_project.usual()
    yield one_project
    one_project.usual()


def goes_on(project: Project, text: str) -> None:
    """After the cause has gone, the next `up` finishes."""
    project.up()
    assert project.machine.read("/etc/motd-of-hearth") == text


def has(printed: str, *parts: str) -> None:
    for part in parts:
        assert part in printed, f"{part!r} is missing in:\n{printed}"


# --- no way to the machine ---


def test_a_machine_that_refuses_connections_is_named_with_what_to_do(project: Project):
    project.program(motd("refused"))
    project.settings(hosts={"box": {"address": project.machine.name, "port": 1}})
    printed = project.failed_up()
    has(printed, "hearth:host:File", "motd", "box", "can't be reached: Connection refused")
    has(printed, "What to do:", "ssh -F", "-p 1", "hearth:lost")
    assert project.resources() == []
    project.usual()
    goes_on(project, "refused")
    project.up("--expect-no-changes")


def test_a_machine_that_does_not_answer_is_given_up_for_every_resource(project: Project):
    project.program(
        motd("silent") + 'for n in range(12):\n    File(f"f{n}", host="box", path=f"/etc/f{n}", content="")\n'
    )
    # Its answers get lost; with its network cut, this machine would say at once that there is no way.
    lost = "blackhole $(ip route show default | cut -d' ' -f3)"
    project.machine.run(f"ip route add {lost}")
    try:
        printed = project.failed_up("--continue-on-error", "--parallel", "4")
    finally:
        project.machine.run(f"ip route del {lost}")
    has(printed, "box", "can't be reached: no answer within 15 s", "What to do:")
    assert printed.count("What to do:") >= 13
    goes_on(project, "silent")


def other_ssh_files(project: Project, folder: Path) -> Path:
    """A copy of the lab's ssh files, to be made wrong; the settings name it."""
    for name in ("ssh_config", "known_hosts", "id_ed25519"):
        shutil.copy2(project.machine.folder / name, folder / name)
    config = folder / "ssh_config"
    config.write_text(config.read_text().replace(str(project.machine.folder), str(folder)))
    project.settings(ssh_config=str(config))
    return folder


def test_a_key_that_is_not_accepted_is_said(project: Project, tmp_path: Path):
    project.program(motd("key"))
    key = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
    (other_ssh_files(project, tmp_path) / "id_ed25519").write_bytes(key)
    printed = project.failed_up()
    has(printed, "motd", "box", "does not accept our key or user name", "What to do:", "IdentityFile")
    project.usual()
    goes_on(project, "key")


def test_a_key_with_a_passphrase_that_no_agent_knows_is_said(project: Project, tmp_path: Path):
    require("ssh-keygen")
    project.program(motd("passphrase"))
    key = other_ssh_files(project, tmp_path) / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", key], check=True)
    has(project.failed_up(), "motd", "box", "What to do:", "ssh-agent")
    project.usual()
    goes_on(project, "passphrase")


def test_a_changed_host_key_stops_everything_before_anything_is_sent(project: Project, tmp_path: Path):
    project.program(motd("host key"))
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    known_hosts = other_ssh_files(project, tmp_path) / "known_hosts"
    known_hosts.write_text(f"{project.machine.name},{project.machine.address} {other}\n")
    printed = project.failed_up()
    has(printed, "motd", "box", "host key", "nothing was sent", "What to do:", "ssh-keygen -lf", "ssh-keygen -R")
    known_hosts.write_text("")
    has(project.failed_up(), "motd", "box", "host key", "nothing was sent", "What to do:")  # nor is a new one trusted
    project.usual()
    goes_on(project, "host key")


def test_an_ssh_configuration_that_is_missing_is_named(project: Project):
    project.program(motd("configuration"))
    project.settings(ssh_config="/no/such/ssh_config")
    has(project.failed_up(), "motd", "/no/such/ssh_config", "What to do:")
    project.usual()
    goes_on(project, "configuration")


# --- no way to work on the machine ---


def test_a_user_who_may_not_become_root_is_named_with_the_line_that_allows_it(project: Project):
    project.program(motd("sudo"))
    project.settings(hosts={"box": {"address": project.machine.name, "user": "plain"}})
    printed = project.failed_up()
    has(printed, "motd", "plain may not become root on box", "password is required")
    has(printed, "What to do:", "plain ALL=(ALL) NOPASSWD: ALL", "visudo")
    project.machine.write("/etc/sudoers.d/plain", "plain ALL=(ALL) NOPASSWD: ALL\n", mode="0440")
    goes_on(project, "sudo")
    project.machine.run("rm /etc/sudoers.d/plain")
    project.usual()
    project.up()  # the machine is the same one, although the user is another


def test_a_machine_without_python_is_told_what_to_install(project: Project):
    project.program(motd("python"))
    project.machine.run("mv /usr/bin/python3 /usr/bin/python3-away")
    try:
        printed = project.failed_up()
    finally:
        project.machine.run("mv /usr/bin/python3-away /usr/bin/python3")
    has(printed, "motd", "box", "has no python3", "What to do:", "python3-minimal")
    goes_on(project, "python")


def test_a_login_that_talks_is_understood_all_the_same(project: Project):
    project.program(motd("welcome"))
    project.machine.run("cd /home/admin; cp -p .bashrc .bashrc-away; sed -i '1i echo Welcome, have fun' .bashrc")
    try:
        assert "Welcome" in project.machine.ssh("true").stdout
        goes_on(project, "welcome")
    finally:
        project.machine.run("mv /home/admin/.bashrc-away /home/admin/.bashrc")


# --- something goes wrong on the machine ---


def test_a_full_disk_is_named_with_the_file_and_leaves_no_half_of_it(project: Project):
    project.program(motd("full") + 'File("big", host="box", path="/srv/full/big", content="x" * 200_000)\n')
    project.machine.run("mkdir -p /srv/full && mount -t tmpfs -o size=64k tmpfs /srv/full")
    try:
        printed = project.failed_up("--continue-on-error")
        has(
            printed,
            "hearth:host:File",
            "big",
            "/srv/full/big on box",
            "No space left on device",
            "What to do:",
            "df -h",
        )
        assert project.machine.run("ls -A /srv/full").stdout == ""
        project.machine.run("mount -o remount,size=1m /srv/full")
        goes_on(project, "full")
        assert len(project.machine.read("/srv/full/big")) == 200_000
        project.program(motd("full no more"))
        project.up()
        assert project.machine.run("ls -A /srv/full").stdout == ""
    finally:
        project.machine.run("umount /srv/full && rmdir /srv/full")


def test_where_there_is_no_room_to_write_down_what_was_there_nothing_is_changed(project: Project):
    project.program(motd("record"))
    project.up()  # its record has the folder made
    project.program(motd("room") + 'File("second", host="box", path="/etc/second-of-hearth", content="")\n')
    project.machine.run("mount -t tmpfs -o size=4k,nr_inodes=1 tmpfs /var/lib/hearth")
    try:
        printed = project.failed_up("--continue-on-error", "--target", "**second")
        has(printed, "second", "/var/lib/hearth/records", "on box", "No space left", "What to do:")
        assert not project.machine.exists("/etc/second-of-hearth")
        assert project.resources() == ["motd"]
    finally:
        project.machine.run("umount /var/lib/hearth")
    goes_on(project, "room")


SCRIPT = """
Script("job", host="box", name="job", check="test -e /srv/job", undo="rm /srv/job", apply="{apply}",
       opts=ResourceOptions(custom_timeouts=CustomTimeouts(create="{seconds}s", update="{seconds}s")))
"""


def test_a_command_that_fails_tells_its_exit_status_and_its_last_lines(project: Project):
    lines = "for n in $(seq 50); do echo line $n >&2; done; exit 3"
    project.program(motd("fails") + SCRIPT.format(apply=lines, seconds=60))
    printed = project.failed_up("--continue-on-error")
    has(printed, "hearth:host:Script", "job", "box", "exit status 3", "line 50", "line 39", "What to do:")
    assert "line 38" not in printed
    project.program(motd("fails") + SCRIPT.format(apply="touch /srv/job", seconds=60))
    goes_on(project, "fails")
    assert project.machine.exists("/srv/job")
    project.program(motd("fails no more"))
    project.up()
    assert not project.machine.exists("/srv/job")


def test_a_command_past_its_deadline_is_ended_with_its_children(project: Project):
    project.program(motd("late") + SCRIPT.format(apply="echo begun; sleep 86421 & sleep 86421", seconds=3))
    printed = project.failed_up("--continue-on-error")
    has(printed, "hearth:host:Script", "job", "box", "took longer than", "begun", "What to do:", "custom_timeouts")
    assert not project.machine.run("pgrep -f '[s]leep 86421'", check=False).ok
    project.program(motd("late") + SCRIPT.format(apply="touch /srv/job", seconds=60))
    goes_on(project, "late")
    assert project.machine.exists("/srv/job")


def test_a_folder_in_the_way_is_refused_and_stays(project: Project):
    project.machine.run("mkdir /srv/folder && touch /srv/folder/kept")
    project.program(motd("folder") + 'File("folder", host="box", path="/srv/folder", content="x")')
    has(project.failed_up("--continue-on-error"), "folder", "/srv/folder on box is a directory", "What to do:")
    project.program(motd("folder"))
    goes_on(project, "folder")
    assert project.machine.exists("/srv/folder/kept")
    project.machine.run("rm -r /srv/folder")


def test_an_owner_who_does_not_exist_is_named(project: Project):
    mine = 'File("mine", host="box", path="/srv/mine", content="x", owner="who", opts=ResourceOptions(depends_on={}))'
    project.program(motd("owner") + mine.format("[]"))
    has(project.failed_up("--continue-on-error"), "mine", "/srv/mine on box", "user 'who' does not exist", "User")
    project.program(motd("owner") + 'who = User("who", host="box", name="who")\n' + mine.format("[who]"))
    goes_on(project, "owner")
    assert project.machine.run("stat -c %U /srv/mine").stdout.strip() == "who"


# --- before anything is touched ---


def logins(machine: Machine) -> int:
    return int(machine.run("journalctl -u ssh --no-pager -q | grep -c 'Accepted publickey' || true").stdout)


def test_every_wrong_setting_is_listed_at_once_before_any_connection(project: Project):
    project.program("from config.loader import load\nload()\n" + motd("settings"))
    before = logins(project.machine)
    hosts = {"BOX": {}, "attic": {"port": 99999, "adress": "x"}}
    project.settings(hosts=hosts, lost="no list", secndbrain="{}")
    try:
        printed = project.failed_up()
        has(printed, "hosts.BOX", "hosts.attic.port", "99999", "hosts.attic.adress", "hearth:lost", "hearth:secndbrain")
        has(printed, "did you mean hearth:secondbrain")
        assert logins(project.machine) == before
    finally:
        project.settings(lost=None, secndbrain=None)
    project.usual()
    goes_on(project, "settings")


def test_every_wrong_property_of_a_resource_is_listed_at_once_before_any_connection(project: Project):
    before = logins(project.machine)
    project.program('File("motd", host="box", path="etc/motd", content="x", mode="rw", owner="-")')
    printed = project.failed_up()
    has(
        printed,
        "motd",
        "absolute path",
        "'etc/motd'",
        "octal mode",
        "'rw'",
        "user or group name",
        "nothing was touched",
    )
    assert logins(project.machine) == before
    project.program(motd("property"))
    goes_on(project, "property")
