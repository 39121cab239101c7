"""What packages and accounts do on a machine that is not as one would like it, on the real engine."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from lab import Machine
from tests.lab.project import Project, shown
from tests.lab.software import plain_box, project, stack, write

__all__ = ["plain_box", "project", "stack"]

REPOSITORY = "/srv/kinds-repository"
# name -> (what it depends on, what its configuration runs, bytes of a file in /srv/kinds-full)
PACKAGES = {
    "kinds-library": ("", "", 0),
    "kinds-one": ("kinds-library", "", 0),
    "kinds-two": ("kinds-library", "", 0),
    "kinds-slow": ("", "sleep 4", 0),
    "kinds-big": ("", "", 400_000),
    "kinds-foreign": ("kinds-two", "", 0),
}
MAKE_PACKAGES = """
import hashlib, json, os, subprocess, sys, tempfile
folder, paragraphs = sys.argv[1], []
for name, (needs, run, size) in json.load(sys.stdin).items():
    control = "Package: %s\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: t\\nDescription: a test\\n" % name
    control += "Depends: %s\\n" % needs if needs else ""
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        os.mkdir(root + "/DEBIAN")
        with open(root + "/DEBIAN/control", "w") as file:
            file.write(control)
        with open(root + "/DEBIAN/postinst", "w") as file:
            file.write("#!/bin/sh\\n%s\\n" % run)
        os.chmod(root + "/DEBIAN/postinst", 0o755)
        if size:
            os.makedirs(root + "/srv/kinds-full")
            with open(root + "/srv/kinds-full/big", "wb") as file:
                file.write(os.urandom(size))
        path = "%s/%s.deb" % (folder, name)
        subprocess.run(["dpkg-deb", "-b", root, path], check=True, stdout=subprocess.DEVNULL)
    data = open(path, "rb").read()
    digest = hashlib.sha256(data).hexdigest()
    paragraphs.append(control + "Filename: ./%s.deb\\nSize: %d\\nSHA256: %s\\n" % (name, len(data), digest))
with open(folder + "/Packages", "w") as file:
    file.write("\\n".join(paragraphs))
"""
# Holds apt's lock as apt itself would, until its input ends.
HOLD = """
import fcntl, sys
file = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def box(plain_box: Machine) -> Machine:
    """With a repository of small packages, and no other: apt weighs all that it knows of at every step."""
    plain_box.run("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
    plain_box.write("/srv/make-packages.py", MAKE_PACKAGES)
    plain_box.write("/srv/hold-apt.py", HOLD)
    plain_box.run(f"mkdir {REPOSITORY}")
    plain_box.run(f"python3 /srv/make-packages.py {REPOSITORY}", stdin=json.dumps(PACKAGES))
    plain_box.write("/etc/apt/sources.list.d/kinds.list", f"deb [trusted=yes] file:{REPOSITORY} ./\n")
    return plain_box


def package(name: str, more: str = "") -> str:
    return f'Package({name!r}, host="box", name={name!r}{more})'


def installed(box: Machine) -> set[str]:
    lines = box.run("dpkg-query -W -f '${db:Status-Status} ${Package}\\n' 'kinds-*'", check=False).stdout.splitlines()
    return {line.split()[1] for line in lines if line.startswith("installed ")}


# --- packages ---


def test_lists_that_do_not_know_a_package_yet_are_fetched_and_a_dependency_goes_with_its_last_user(project: Project):
    box = project.machine
    write(project, package("kinds-one"), package("kinds-two"))
    project.up()
    assert installed(box) == {"kinds-one", "kinds-two", "kinds-library"}
    write(project, package("kinds-two"))
    project.up()
    assert installed(box) == {"kinds-two", "kinds-library"}


def test_a_package_that_somebody_elses_needs_by_now_stays_and_is_said(project: Project):
    box = project.machine
    write(project, package("kinds-two"))
    project.up()
    box.run(f"dpkg -i {REPOSITORY}/kinds-foreign.deb")
    try:
        write(project)
        printed = shown(project.up())
        assert "kinds-two stays on box: kinds-foreign was installed later by somebody else and needs it" in printed
        assert installed(box) == {"kinds-foreign", "kinds-two", "kinds-library"}
    finally:
        box.run("dpkg --purge kinds-foreign kinds-two kinds-library")


def test_an_unknown_package_is_named(project: Project):
    write(project, package("kinds-nonesuch"))
    printed = project.failed_up()
    assert "apt on box knows no package 'kinds-nonesuch', also after `apt-get update`" in printed


@contextlib.contextmanager
def apt_held(box: Machine) -> Iterator[Callable[[], None]]:
    """Apt's lock is held on the machine, until what this gives is called."""
    command = ["docker", "exec", "-i", box.container, "python3", "/srv/hold-apt.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder.stdin.close
        finally:
            holder.stdin.close()


def test_apt_in_somebody_elses_hands_is_waited_for_and_then_named(project: Project):
    box = project.machine
    options = ', opts=ResourceOptions(custom_timeouts=CustomTimeouts(create="4s", update="4s"))'
    with apt_held(box) as release:
        write(project, package("kinds-one", options))
        printed = project.failed_up()
        assert "apt on box is still locked: process" in printed
        assert "hold-apt.py" in printed
        assert "/var/lib/dpkg/lock-frontend" in printed
        assert "What to do:" in printed
        assert installed(box) == set()
        threading.Timer(3, release).start()
        write(project, package("kinds-one"))
        project.up()
        assert installed(box) == {"kinds-one", "kinds-library"}


def test_a_dpkg_that_was_interrupted_is_finished_first(project: Project):
    box = project.machine
    box.run(f"dpkg --unpack {REPOSITORY}/kinds-two.deb")
    try:
        write(project, package("kinds-one"))
        project.up()
        assert installed(box) >= {"kinds-one", "kinds-two", "kinds-library"}
    finally:
        project.destroy()
        box.run("dpkg --purge kinds-two kinds-library")


def test_an_installation_that_was_cut_off_goes_on_and_is_taken_back(project: Project):
    box = project.machine
    options = ', opts=ResourceOptions(custom_timeouts=CustomTimeouts(create="3s", update="60s"))'
    write(project, package("kinds-slow", options))
    project.failed_up()
    write(project, package("kinds-slow"))
    project.up()
    assert installed(box) == {"kinds-slow"}


def test_a_disk_that_is_full_is_said_and_the_next_up_goes_on(project: Project):
    box = project.machine
    box.run("mkdir -p /srv/kinds-full && mount -t tmpfs -o size=64k tmpfs /srv/kinds-full")
    try:
        write(project, package("kinds-big"))
        printed = project.failed_up()
        assert "found the disk full" in printed
        assert "df -h" in printed
        box.run("mount -o remount,size=1m /srv/kinds-full")
        project.up()
        assert installed(box) == {"kinds-big"}
        project.destroy()
    finally:
        box.run("umount /srv/kinds-full; rmdir /srv/kinds-full 2>/dev/null || true")


# --- accounts ---


def test_a_range_that_is_somebody_elses_is_refused_with_the_owner_and_nothing_is_made(project: Project):
    write(project, 'User("pod", host="box", name="kinds-pod", subordinate_ids="100000:65536")')
    printed = project.failed_up()
    assert "overlap those of 'backstage440' (100000:65536 in /etc/subuid)" in printed
    assert "which is free" in printed
    assert not project.machine.run("getent passwd kinds-pod", check=False).ok


def test_many_accounts_at_once_get_ranges_of_their_own(project: Project):
    users = 'for n in range(6):\n    User(f"u{n}", host="box", name=f"kinds-{n}", subordinate_ids="auto")'
    write(project, users)
    project.up()
    for path in ("/etc/subuid", "/etc/subgid"):
        starts = [line.split(":")[1] for line in project.machine.read(path).splitlines()]
        assert len(starts) == len(set(starts)) == 7
