"""What a person reads when something is wrong with a machine, and that the next `up` goes on from there.

What can go wrong side by side does so in one `up`; the tests look at what that printed of each resource.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, about
from tests.lab.support import journal, lasting_difference, require

FOREVER = 86421
"""Seconds, and by that number the command is found again among all others."""


def motd(text: str) -> str:
    """Return a program with one file; every test has a text of its own, so that its `up` has something to do."""
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
    project.usual()
    project.destroy()
    assert lasting_difference(before, box) == []


@pytest.fixture
def project(one_project: Project) -> Iterator[Project]:
    """Yield one stack for all tests; each puts its own program in the place of the one before."""
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


def test_a_machine_that_does_not_answer_is_given_up_for_all_and_told_once(project: Project):
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
    assert printed.count("What to do:") == 1
    # Each of the other twelve says one short line, which Pulumi shows while it runs, and again at its end.
    short = "is out of reach: why is said at another resource"
    assert len(set(re.findall(rf"File (\S+) .*{short}", printed))) == 12
    goes_on(project, "silent")


# One machine under several names, each with something wrong.


@dataclass
class Ways:
    """What three runs printed, and what was there in between."""

    failed: str
    made: set[str]
    owners: dict[str, str]
    unchanged: str


SSH_ENTRY = """Host {name}
  HostName {machine.address}
  Port {machine.port}
  User admin
  IdentityFile "{folder}/{key}"
  IdentitiesOnly yes
  UserKnownHostsFile "{folder}/{known_hosts}"
  StrictHostKeyChecking yes

"""
# Name -> the private key and the known_hosts of its entry, each right unless it has another name.
ENTRIES = {
    "refused": ("right", "right"),
    "other-key": ("other", "right"),
    "passphrase": ("passphrase", "right"),
    "changed-key": ("right", "changed"),
    "new-key": ("right", "empty"),
    "no-sudo": ("right", "right"),
}


def ssh_files(machine: Machine, folder: Path) -> Path:
    """Return an ssh_config with an entry of each name for one machine, and what is wrong with some of them."""
    right = (machine.folder / "id_ed25519").read_bytes()
    other = asyncssh.generate_private_key("ssh-ed25519")
    keys = {"right": right, "other": other.export_private_key(), "passphrase": right}
    for name, key in keys.items():
        (folder / name).touch(0o600)
        (folder / name).write_bytes(key)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", folder / "passphrase"], check=True)
    addresses = f"{','.join(ENTRIES)},{machine.address}"
    known = {"right": machine.host_key(), "changed": other.export_public_key().decode(), "empty": ""}
    for name, key in known.items():
        (folder / f"known-{name}").write_text(f"{addresses} {key}\n" if key else "")
    config = folder / "ssh_config"
    entries = [
        SSH_ENTRY.format(name=name, machine=machine, folder=folder, key=key, known_hosts=f"known-{known_hosts}")
        for name, (key, known_hosts) in ENTRIES.items()
    ]
    config.write_text("".join(entries))
    return config


@pytest.fixture(scope="module")
def ways(one_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Ways:
    require("ssh-keygen")
    project, machine = one_project, one_project.machine
    config = ssh_files(machine, tmp_path_factory.mktemp("ssh"))
    wrong = {name: {"address": name} for name in ENTRIES}
    wrong |= {"refused": {"address": "refused", "port": 1}, "no-sudo": {"address": "no-sudo", "user": "plain"}}
    project.settings(hosts=wrong, ssh_config=str(config))
    project.program("".join(f'File({name!r}, host={name!r}, path="/etc/{name}", content="")\n' for name in ENTRIES))
    failed = project.failed_up("--continue-on-error")
    made = set(project.resources()) & ENTRIES.keys()

    machine.write("/etc/sudoers.d/plain", "plain ALL=(ALL) NOPASSWD: ALL\n", mode="0440")
    right = {name: {"address": machine.name} for name in ENTRIES}
    by_plain = {**right, "no-sudo": {"address": machine.name, "user": "plain"}}
    project.settings(hosts=by_plain, ssh_config=str(machine.ssh_config))
    project.up()
    owners = {name: machine.run(f"stat -c %U /etc/{name}").stdout.strip() for name in ENTRIES}
    project.up("--expect-no-changes")

    machine.run("rm /etc/sudoers.d/plain")
    project.settings(hosts=right)
    return Ways(failed, made, owners, project.up().stdout)


def test_a_machine_that_refuses_connections_is_named_with_what_to_do(ways: Ways):
    printed = about(ways.failed, "refused")
    has(printed, "can't be reached: Connection refused", "What to do:", "ssh -F", "-p 1", "hearth:lost")
    assert "hearth:host:File (refused)" in ways.failed


def test_a_key_that_is_not_accepted_is_said(ways: Ways):
    printed = about(ways.failed, "other-key")
    has(printed, "other-key", "does not accept our key or user name", "What to do:", "IdentityFile")


def test_a_key_with_a_passphrase_that_no_agent_knows_is_said(ways: Ways):
    has(about(ways.failed, "passphrase"), "passphrase", "What to do:", "ssh-agent")


def test_a_changed_host_key_stops_everything_before_anything_is_sent(ways: Ways):
    printed = about(ways.failed, "changed-key")
    has(printed, "changed-key", "host key", "nothing was sent", "What to do:", "ssh-keygen -lf", "ssh-keygen -R")


def test_nor_is_a_new_host_key_trusted(ways: Ways):
    has(about(ways.failed, "new-key"), "new-key", "host key", "nothing was sent", "What to do:")


def test_a_user_who_may_not_become_root_is_named_with_the_line_that_allows_it(ways: Ways):
    printed = about(ways.failed, "no-sudo")
    has(printed, "plain may not become root on no-sudo", "password is required")
    has(printed, "What to do:", "plain ALL=(ALL) NOPASSWD: ALL", "visudo")


def test_where_there_is_no_way_nothing_is_done_and_the_next_up_goes_on(ways: Ways):
    assert ways.made == set()
    assert ways.owners == dict.fromkeys(ENTRIES, "root")


def test_a_machine_is_the_same_one_although_the_user_is_another(ways: Ways):
    has(ways.unchanged, "1 updated")


def test_an_ssh_configuration_that_is_missing_is_named(project: Project):
    project.program(motd("configuration"))
    project.settings(ssh_config="/no/such/ssh_config")
    has(project.failed_up(), "motd", "/no/such/ssh_config", "What to do:")
    project.usual()
    goes_on(project, "configuration")


# --- no way to work on the machine ---


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


@dataclass
class OnTheMachine:
    """What an `up` printed in which several things went wrong, and how the machine was after that and the next two."""

    failed: str
    after_it: dict[str, str]
    mended: dict[str, str]
    ended: dict[str, str]


LINES = "for n in $(seq 50); do echo line $n >&2; done; exit 3"
LATE = f"echo begun; sleep {FOREVER} & sleep {FOREVER}"
WRONG = """
File("big", host="box", path="/srv/full/big", content="x" * 200_000)
Script("fails", host="box", name="fails", check="test -e /srv/fails", undo="rm /srv/fails", apply="{fails}")
Script("late", host="box", name="late", check="test -e /srv/late", undo="rm /srv/late", apply="{late}",
       opts=ResourceOptions(custom_timeouts=CustomTimeouts(create="{seconds}s", update="{seconds}s")))
File("folder", host="box", path="/srv/{folder}", content="x")
{who}
File("mine", host="box", path="/srv/mine", content="x", owner="who", opts=ResourceOptions(depends_on=[{needs}]))
"""
SEEN = {
    "full": "ls -A /srv/full",
    "big": "stat -c %s /srv/full/big",
    "scripts": "ls -d /srv/fails /srv/late",
    "late": f"pgrep -f '[s]leep {FOREVER}'",
    "kept": "ls /srv/folder",
    "owner": "stat -c %U /srv/mine",
}


@pytest.fixture(scope="module")
def on_the_machine(one_project: Project) -> Iterator[OnTheMachine]:
    project, machine = one_project, one_project.machine
    project.usual()

    def seen() -> dict[str, str]:
        return {
            name: machine.run(f"{command} 2>/dev/null", check=False).stdout.strip() for name, command in SEEN.items()
        }

    machine.run("mkdir -p /srv/full && mount -t tmpfs -o size=64k tmpfs /srv/full")
    machine.run("mkdir /srv/folder && touch /srv/folder/kept")
    try:
        wrong = WRONG.format(fails=LINES, late=LATE, seconds=8, folder="folder", who="", needs="")
        project.program(motd("wrong") + wrong)
        failed, after_it = project.failed_up("--continue-on-error"), seen()
        machine.run("mount -o remount,size=1m /srv/full")
        who = 'who = User("who", host="box", name="who")'
        right = {"fails": "touch /srv/fails", "late": "touch /srv/late", "folder": "file", "who": who, "needs": "who"}
        project.program(motd("right") + WRONG.format(seconds=240, **right))
        goes_on(project, "right")
        mended = seen()
        project.program(motd("right"))
        project.up()
        yield OnTheMachine(failed, after_it, mended, seen())
    finally:
        machine.run("umount /srv/full; rmdir /srv/full; rm -r /srv/folder")


def test_a_full_disk_is_named_with_the_file_and_leaves_no_half_of_it(on_the_machine: OnTheMachine):
    printed = about(on_the_machine.failed, "big")
    has(printed, "/srv/full/big on box", "No space left on device", "What to do:", "df -h")
    assert on_the_machine.after_it["full"] == ""
    assert on_the_machine.mended["big"] == "200000"
    assert on_the_machine.ended["full"] == ""


def test_a_command_that_fails_tells_its_exit_status_and_its_last_lines(on_the_machine: OnTheMachine):
    printed = about(on_the_machine.failed, "fails")
    has(printed, "box", "exit status 3", "line 50", "line 39", "What to do:")
    assert "line 38" not in printed
    assert "hearth:host:Script (fails)" in on_the_machine.failed


def test_a_command_past_its_deadline_is_ended_with_its_children(on_the_machine: OnTheMachine):
    printed = about(on_the_machine.failed, "late")
    has(printed, "box", "took longer than", "begun", "What to do:", "custom_timeouts")
    assert on_the_machine.after_it["late"] == ""


def test_scripts_that_failed_are_applied_by_the_next_up_and_undone(on_the_machine: OnTheMachine):
    assert on_the_machine.after_it["scripts"] == ""
    assert on_the_machine.mended["scripts"].split() == ["/srv/fails", "/srv/late"]
    assert on_the_machine.ended["scripts"] == ""


def test_a_folder_in_the_way_is_refused_and_stays(on_the_machine: OnTheMachine):
    has(about(on_the_machine.failed, "folder"), "/srv/folder on box is a directory", "What to do:")
    assert on_the_machine.ended["kept"] == "kept"


def test_an_owner_who_does_not_exist_is_named(on_the_machine: OnTheMachine):
    has(about(on_the_machine.failed, "mine"), "/srv/mine on box", "user 'who' does not exist", "User")
    assert on_the_machine.mended["owner"] == "who"


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


# --- before anything is touched ---


def logins(machine: Machine) -> int:
    return journal(machine, "-u ssh").count("Accepted publickey")


def test_every_wrong_setting_is_listed_at_once_before_any_connection(project: Project):
    project.program("from config.loader import load\nload()\n" + motd("settings"))
    before, resources = logins(project.machine), project.resources()
    hosts = {"-box": {}, "attic": {"port": 99999, "adress": "x"}}
    project.settings(hosts=hosts, lost="no list", secndbrain="{}")
    try:
        printed = project.failed_up()
        has(
            printed, "hosts.-box", "hosts.attic.port", "99999", "hosts.attic.adress", "hearth:lost", "hearth:secndbrain"
        )
        has(printed, "did you mean hearth:secondbrain")
        assert (logins(project.machine), project.resources()) == (before, resources)
    finally:
        project.settings(lost=None, secndbrain=None)


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
        "user name",
        "nothing was touched",
    )
    assert logins(project.machine) == before
    project.program(motd("property"))
    goes_on(project, "property")
