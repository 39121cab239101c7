"""What packages, accounts, units and images do on a machine that is not as one would like it, on the real engine."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from lab import Lab, Machine, difference
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, shown

HEAD = "from providers.host.resources import ContainerImage, Package, Unit\n"
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
def box(lab: Lab, machine: MachineFactory) -> Machine:
    made = machine("software", image="machine-podman")
    made.write("/srv/make-packages.py", MAKE_PACKAGES)
    made.write("/srv/hold-apt.py", HOLD)
    # The old user's store holds the image; that account is not logged in any more, and does not linger.
    lab.seed_old_containers(made)
    made.run("podman rm -f -a", user="backstage440")
    made.run("loginctl disable-linger backstage440; systemctl stop user@$(id -u backstage440)")
    made.run("while [ -e /run/user/$(id -u backstage440) ]; do sleep 0.1; done")
    made.run("systemctl start network-online.target")  # every rootless Quadlet unit waits for it
    made.run(f"mkdir {REPOSITORY}")
    made.run(f"python3 /srv/make-packages.py {REPOSITORY}", stdin=json.dumps(PACKAGES))
    made.write("/etc/apt/sources.list.d/kinds.list", f"deb [trusted=yes] file:{REPOSITORY} ./\n")
    return made


@pytest.fixture(scope="module")
def stack(box: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One stack for all tests; when all is over, the machine is as it was."""
    made = Project(tmp_path_factory.mktemp("software"), box)
    before = box.snapshot()
    yield made
    made.destroy()
    assert [line for line in difference(before, box.snapshot()) if "session-" not in line] == []


@pytest.fixture
def project(stack: Project) -> Iterator[Project]:
    """The stack, empty at the beginning of each test."""
    yield stack
    stack.destroy()


def write(project: Project, *lines: str) -> None:
    project.program(HEAD + "".join(f"{line}\n" for line in lines))


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


# --- units ---

PLAIN = "[Service]\\nExecStart=/bin/sleep 1000000\\n[Install]\\nWantedBy=multi-user.target\\n"


def unit(name: str, text: str | None, more: str = "") -> str:
    content = "" if text is None else f', text="{text}"'
    return f'Unit({name!r}, host="box", name={name!r}{content}{more})'


def active(box: Machine, *names: str) -> list[str]:
    return box.run(f"systemctl is-active {' '.join(names)}", check=False).stdout.split()


def test_an_invalid_text_is_refused_in_systemds_own_words(project: Project):
    text = "[Service]\\nExecStart=/bin/sleep 1\\nRestrat=always\\n"
    write(project, unit("kinds-bad.service", text, ", running=True"))
    printed = project.failed_up()
    assert "the text of kinds-bad.service for box is not valid, so nothing was changed" in printed
    assert "Unknown key 'Restrat'" in printed
    assert not project.machine.exists("/etc/systemd/system/kinds-bad.service")
    write(project, unit("kinds-bad.service", text.replace("Restrat", "Restart"), ", running=True"))
    project.up()


def test_a_start_that_fails_shows_the_last_lines_of_the_log_and_the_next_up_goes_on(project: Project):
    text = "[Service]\\nExecStart=/bin/sh -c 'echo the port is taken >&2; exit 3'\\n"
    write(project, unit("kinds-fails.service", text, ", running=True"))
    printed = project.failed_up()
    assert "kinds-fails.service on box did not start" in printed
    assert "the port is taken" in printed
    write(project, unit("kinds-fails.service", PLAIN, ", running=True"))
    project.up()
    assert active(project.machine, "kinds-fails.service") == ["active"]


def test_a_start_that_takes_too_long_is_given_up_with_its_last_lines(project: Project):
    text = "[Service]\\nType=notify\\nExecStart=/bin/sh -c 'echo still looking; sleep 1000000'\\n"
    write(project, unit("kinds-late.service", text, ", running=True, start_timeout=2.0"))
    printed = project.failed_up()
    assert "kinds-late.service on box has not started within 2 s" in printed
    assert "still looking" in printed


def test_sockets_timers_mounts_and_instances_of_templates_run_and_are_restarted_by_a_new_text(project: Project):
    box = project.machine
    mount = "[Mount]\\nWhat=tmpfs\\nWhere=/srv/kinds-mount\\nType=tmpfs\\n"
    lines = [
        unit("kinds-t@.service", "[Service]\\nExecStart=/bin/sleep %i\\n"),
        unit("kinds-t@77777.service", None, ", running=True"),
        unit("kinds-s.service", "[Service]\\nExecStart=/bin/sleep 1000000\\n"),
        unit("kinds-s.socket", "[Socket]\\nListenStream=/run/kinds-PLACE\\n", ", running=True"),
        unit("kinds-w.timer", "[Timer]\\nOnCalendar=weekly\\nUnit=kinds-s.service\\n", ", running=True"),
        unit("srv-kinds\\x2dmount.mount", mount, ", running=True"),
    ]
    lines[0] = f"t = {lines[0]}"
    lines[2] = f"s = {lines[2]}"
    for place, needed in ((1, "t"), (3, "s"), (4, "s")):
        lines[place] = f"{lines[place][:-1]}, opts=ResourceOptions(depends_on=[{needed}]))"
    names = ("kinds-t@77777.service", "kinds-s.socket", "kinds-w.timer", "'srv-kinds\\x2dmount.mount'")
    write(project, *[line.replace("PLACE", "one") for line in lines])
    project.up()
    assert active(box, *names) == ["active"] * 4
    project.workspace.up("--refresh", "--expect-no-changes")
    box.run("systemctl start kinds-s.service")
    write(project, *[line.replace("PLACE", "two") for line in lines])
    project.up()
    assert active(box, *names, "kinds-s.service") == ["active"] * 5
    assert box.exists("/run/kinds-two")
    project.destroy()
    box.run("rmdir /srv/kinds-mount")


def test_twenty_units_at_once_do_not_meet_and_a_change_restarts_only_its_own(project: Project):
    box = project.machine
    names = [f"kinds-many-{number}.service" for number in range(20)]
    lines = [unit(name, PLAIN, ', enabled=True, running=True, restart_on=["1"]') for name in names]
    write(project, *lines)
    project.up()
    assert active(box, *names) == ["active"] * 20
    project.up("--refresh", "--expect-no-changes")
    show = f"systemctl show -p MainPID --value {' '.join(names)}"
    before = box.run(show).stdout.split()
    write(project, lines[0].replace('"1"', '"2"'), *lines[1:])
    project.up()
    after = box.run(show).stdout.split()
    assert before[0] != after[0]
    assert before[1:] == after[1:]
    project.up("--expect-no-changes")


def test_a_unit_of_the_system_gets_its_enabled_running_and_masked_state_back(project: Project):
    box = project.machine
    folder = "/usr/local/lib/systemd/system"
    box.run(f"mkdir -p {folder}")
    box.write(f"{folder}/kinds-old.service", PLAIN.replace("\\n", "\n"))
    box.run("systemctl daemon-reload; systemctl enable --now kinds-old.service")
    try:
        write(project, unit("kinds-old.service", None, ", enabled=False, running=False"))
        project.up()
        assert active(box, "kinds-old.service") == ["inactive"]
        project.destroy()
        assert active(box, "kinds-old.service") == ["active"]
        assert box.run("systemctl is-enabled kinds-old.service").stdout.strip() == "enabled"
        box.run("systemctl disable --now kinds-old.service; systemctl mask --runtime kinds-old.service")
        write(project, unit("kinds-old.service", None, ", running=True"))
        project.up()
        assert active(box, "kinds-old.service") == ["active"]
        project.destroy()
        assert active(box, "kinds-old.service") == ["inactive"]
        assert box.run("systemctl is-enabled kinds-old.service", check=False).stdout.strip() == "masked-runtime"
    finally:
        box.run("systemctl unmask --runtime kinds-old.service; systemctl disable --now kinds-old.service")
        box.run(f"rm -r {folder}; rmdir /usr/local/lib/systemd; systemctl daemon-reload")


# --- a pod of an account, and its image ---

POD = r"""
user = User("pod", host="box", name="kinds-pod", home="/var/lib/kinds-pod", subordinate_ids="auto", linger=True,
            remove_home=True)
image = ContainerImage("image", host="box", name="docker.io/ollama/ollama:latest", user=user.name,
                       source="user:backstage440")
after = ResourceOptions(depends_on=[image])
pod = Unit("pod-unit", host="box", name="kinds.pod", user=user.name, running=True, opts=after,
           text="[Pod]\nPodName=kinds\n[Install]\nWantedBy=default.target\n")
Unit("container", host="box", name="kinds-ollama.container", user=user.name, running=True, enabled=True,
     restart_on=["RESTART"], opts=ResourceOptions(depends_on=[pod]),
     text="[Container]\nContainerName=kinds-ollama\nImage=docker.io/ollama/ollama:latest\nPod=kinds.pod\n"
          "HealthCmd=HEALTH\nHealthInterval=2s\nNotify=healthy\n[Service]\nTimeoutStartSec=TIME\n"
          "[Install]\nWantedBy=default.target\n")
"""


def pod(health: str = "ollama list", seconds: int = 80, restart: str = "1") -> str:
    return POD.replace("HEALTH", health).replace("TIME", str(seconds)).replace("RESTART", restart)


def test_a_pod_runs_with_the_image_of_an_account_that_is_not_logged_in(project: Project):
    box = project.machine
    project.program(HEAD + pod())
    project.up()
    assert not box.run("pgrep -u backstage440", check=False).ok
    show = "podman inspect -f '{{.Id}} {{.State.Health.Status}}' kinds-ollama"
    first = box.run(show, user="kinds-pod").stdout
    assert "healthy" in first
    project.program(HEAD + pod(restart="2"))
    project.up()
    assert (
        box.run("podman inspect -f '{{.Id}} {{.State.Health.Status}}' kinds-ollama", user="kinds-pod").stdout != first
    )
    project.program(HEAD + pod(health="echo no model can be read; false", seconds=6, restart="2"))
    printed = project.failed_up()
    assert "kinds-ollama.service on box (services of kinds-pod) did not start" in printed
    assert "start operation timed out" in printed
    project.program(HEAD + pod(restart="2"))
    project.up()
    box.run("podman image rm -f docker.io/ollama/ollama:latest", user="kinds-pod")
    box.run("loginctl disable-linger kinds-pod")
    project.up("--refresh")
    project.up("--refresh", "--expect-no-changes")
