"""What packages and accounts do on a machine that is not as one would like it, on the real engine.

One program is taken through the steps of `story`, wrong in one way after another; each test looks at what concerns it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, about, shown
from tests.lab.providers.software import stack, write

__all__ = ["stack"]

REPOSITORY, FULL, QUICK = "/srv/kinds-repository", "/srv/kinds-full", "/srv/kinds-quick"
# name -> (what it depends on, what its configuration runs, bytes of a file in /srv/kinds-full)
PACKAGES = {
    "kinds-library": ("", "", 0),
    "kinds-one": ("kinds-library", "", 0),
    "kinds-two": ("kinds-library", "", 0),
    "kinds-slow": ("", f"until [ -e {QUICK} ]; do sleep 0.1; done", 0),
    "kinds-big": ("", "", 400_000),
    "kinds-rest": ("", "", 0),
    "kinds-half": ("kinds-rest", "", 0),
    "kinds-base": ("", "", 0),
    "kinds-needed": ("kinds-base", "", 0),
    "kinds-foreign": ("kinds-needed", "", 0),
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
def box(machine: MachineFactory) -> Machine:
    """Give it a repository of small packages, and no other: apt weighs all that it knows of at every step."""
    made = machine("packages")
    made.run("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
    made.write("/srv/make-packages.py", MAKE_PACKAGES)
    made.write("/srv/hold-apt.py", HOLD)
    made.run(f"mkdir {REPOSITORY}")
    made.run(f"python3 /srv/make-packages.py {REPOSITORY}", stdin=json.dumps(PACKAGES))
    made.write("/etc/apt/sources.list.d/kinds.list", f"deb [trusted=yes] file:{REPOSITORY} ./\n")
    return made


def package(name: str, *, after: str = "", seconds: int = 0) -> str:
    """Declare a package. `after` names the package that goes first; two at once go in any order."""
    options = [f"depends_on=[{after.replace('-', '_')}]"] if after else []
    options += [f'custom_timeouts=CustomTimeouts(create="{seconds}s", update="{seconds}s")'] if seconds else []
    variable = name.replace("-", "_")
    return f'{variable} = Package("{name}", host="box", name="{name}", opts=ResourceOptions({", ".join(options)}))'


def accounts(pod: str) -> str:
    """Many with ranges of their own, and one with such subordinate ids."""
    return (
        'for n in range(6):\n    User(f"u{n}", host="box", name=f"kinds-{n}", subordinate_ids="auto")\n'
        f'User("pod", host="box", name="kinds-pod", subordinate_ids="{pod}")'
    )


@contextlib.contextmanager
def apt_held(box: Machine) -> Iterator[Callable[[], None]]:
    """Hold apt's lock on the machine, until what this gives is called."""
    command = ["docker", "exec", "-i", box.container, "python3", "/srv/hold-apt.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder.stdin.close
        finally:
            holder.stdin.close()


@dataclass(frozen=True)
class Outcome:
    """What a run of Pulumi printed, and what was on the machine after it."""

    printed: str
    packages: set[str]
    accounts: set[str]
    ranges: dict[str, list[str]]

    @classmethod
    def taken(cls, box: Machine, printed: str) -> Outcome:
        query = "dpkg-query -W -f '${db:Status-Status} ${Package}\\n' 'kinds-*'"
        packages = [line.split() for line in box.run(query, check=False).stdout.splitlines()]
        lines = {path: box.read(path).splitlines() for path in ("/etc/passwd", "/etc/subuid", "/etc/subgid")}
        fields = {path: [line.split(":") for line in found] for path, found in lines.items()}
        names = {first for first, *_ in fields.pop("/etc/passwd")}
        starts = {path: [start for _, start, _ in found] for path, found in fields.items()}
        return cls(printed, {name for status, name in packages if status == "installed"}, names, starts)

    def about(self, name: str) -> str:
        return about(self.printed, name)


@pytest.fixture(scope="module")
def story(stack: Project) -> dict[str, Outcome]:
    project, box = stack, stack.machine
    steps: dict[str, Outcome] = {}
    with apt_held(box) as release:
        write(project, package("kinds-one", seconds=8), accounts("100000:65536"))
        steps["held"] = Outcome.taken(box, project.failed_up("--continue-on-error"))

        users = accounts("auto")
        installed = [package("kinds-one"), package("kinds-two"), package("kinds-needed")]
        box.run(f"mkdir {FULL} && mount -t tmpfs -o size=64k tmpfs {FULL}")
        threading.Timer(3, release).start()
        write(project, *installed, package("kinds-big"), package("kinds-nonesuch", after="kinds-one"), users)
        steps["full"] = Outcome.taken(box, project.failed_up("--continue-on-error"))

    box.run(f"mount -o remount,size=1m {FULL}")
    box.run(f"dpkg --unpack {REPOSITORY}/kinds-half.deb")
    # The one that is cut off comes last: another would finish its configuration.
    write(project, *installed, package("kinds-big"), package("kinds-slow", after="kinds-big", seconds=8), users)
    steps["cut off"] = Outcome.taken(box, project.failed_up("--continue-on-error"))

    box.run(f"touch {QUICK}")
    write(project, *installed[1:], package("kinds-big"), package("kinds-slow"), users)
    steps["mended"] = Outcome.taken(box, shown(project.up()))

    box.run(f"dpkg -i {REPOSITORY}/kinds-foreign.deb")
    steps["destroyed"] = Outcome.taken(box, shown(project.destroy()))
    box.run("dpkg --purge kinds-foreign kinds-needed kinds-base kinds-half kinds-rest")
    box.run(f"umount {FULL}; rmdir {FULL}; rm {QUICK}")
    return steps


# --- packages ---


def test_lists_that_do_not_know_a_package_yet_are_fetched(story: dict[str, Outcome]):
    assert "apt-get update on box: apt does not know kinds-" in story["full"].printed
    assert story["full"].packages == {"kinds-one", "kinds-two", "kinds-library", "kinds-needed", "kinds-base"}


def test_a_dependency_goes_with_its_last_user(story: dict[str, Outcome]):
    assert {"kinds-one", "kinds-two", "kinds-library"} & story["mended"].packages == {"kinds-two", "kinds-library"}
    assert {"kinds-one", "kinds-two", "kinds-library"} & story["destroyed"].packages == set()


def test_a_package_that_somebody_elses_needs_by_now_stays_and_is_said(story: dict[str, Outcome]):
    said = "kinds-needed stays on box: kinds-foreign was installed later by somebody else and needs it"
    assert said in story["destroyed"].about("kinds-needed")
    assert story["destroyed"].packages >= {"kinds-foreign", "kinds-needed", "kinds-base"}


def test_an_unknown_package_is_named(story: dict[str, Outcome]):
    printed = story["full"].about("kinds-nonesuch")
    assert "apt on box knows no package 'kinds-nonesuch', also after `apt-get update`" in printed


def test_apt_in_somebody_elses_hands_is_waited_for_and_then_named(story: dict[str, Outcome]):
    printed = story["held"].about("kinds-one")
    assert "apt on box is still locked: process" in printed
    assert "hold-apt.py" in printed
    assert "/var/lib/dpkg/lock-frontend" in printed
    assert "What to do:" in printed
    assert story["held"].packages == set()
    assert story["full"].packages >= {"kinds-one", "kinds-library"}


def test_a_dpkg_that_was_interrupted_is_finished_first(story: dict[str, Outcome]):
    assert "an earlier dpkg on box was interrupted: finishing its work" in story["cut off"].printed
    assert story["cut off"].packages >= {"kinds-half", "kinds-rest"}


def test_an_installation_that_was_cut_off_goes_on_and_is_taken_back(story: dict[str, Outcome]):
    assert "took longer than " in story["cut off"].about("kinds-slow")
    assert "kinds-slow" not in story["cut off"].packages
    assert "kinds-slow" in story["mended"].packages
    assert "kinds-slow" not in story["destroyed"].packages


def test_a_disk_that_is_full_is_said_and_the_next_up_goes_on(story: dict[str, Outcome]):
    printed = story["full"].about("kinds-big")
    assert "found the disk full" in printed
    assert "df -h" in printed
    assert "kinds-big" in story["cut off"].packages
    assert "kinds-big" not in story["destroyed"].packages


# --- accounts ---


def test_a_range_that_is_somebody_elses_is_refused_with_the_owner_and_nothing_is_made(story: dict[str, Outcome]):
    printed = story["held"].about("pod")
    assert "overlap those of 'backstage440' (100000:65536 in /etc/subuid)" in printed
    assert "which is free" in printed
    assert "kinds-pod" not in story["held"].accounts
    assert "kinds-pod" in story["full"].accounts


def test_many_accounts_at_once_get_ranges_of_their_own(story: dict[str, Outcome]):
    for starts in story["held"].ranges.values():
        assert len(starts) == len(set(starts)) == 7
