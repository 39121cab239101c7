"""What units, and the image of a pod, do on a machine that is not as one would like it, on the real engine."""

from __future__ import annotations

import pytest

from lab import Machine
from tests.lab.project import Project, shown
from tests.lab.software import HEAD, plain_box, project, stack, write

__all__ = ["plain_box", "project", "stack"]


@pytest.fixture(scope="module")
def box(plain_box: Machine) -> Machine:
    return plain_box


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


def test_an_automount_and_its_mount_are_made_repaired_changed_while_in_use_and_taken_away(project: Project):
    box = project.machine
    mounts = "findmnt -n -o FSTYPE /srv/auto"

    def wished(idle: int) -> None:
        mount = "[Mount]\\nWhat=tmpfs\\nWhere=/srv/auto\\nType=tmpfs\\n"
        text = f"[Automount]\\nWhere=/srv/auto\\nTimeoutIdleSec={idle}\\n[Install]\\nWantedBy=multi-user.target\\n"
        after = ", enabled=True, running=True, opts=ResourceOptions(depends_on=[m])"
        write(project, f"m = {unit('srv-auto.mount', mount)}", unit("srv-auto.automount", text, after))

    wished(600)
    project.up()
    assert box.run(mounts).stdout.split() == ["autofs"]
    box.run("touch /srv/auto/file")  # whoever looks there has it mounted
    assert box.run(mounts).stdout.split() == ["autofs", "tmpfs"]
    project.up("--refresh", "--expect-no-changes")

    wished(700)
    project.up()
    assert active(box, "srv-auto.automount") == ["active"]
    idle = box.run("systemctl show -p TimeoutIdleUSec --value srv-auto.automount").stdout.strip()
    assert idle == "11min 40s"
    box.run("ls /srv/auto/.")

    box.run("systemctl disable --now srv-auto.automount")
    drift = project.workspace.drift()
    assert drift.returncode == 7, shown(drift)
    assert "running" in drift.stdout
    assert "enabled" in drift.stdout
    project.up("--refresh")
    assert box.run(mounts).stdout.split()[0] == "autofs"
    box.run("touch /srv/auto/in-use")

    project.destroy()
    assert not box.run(mounts, check=False).ok
    assert not box.exists("/etc/systemd/system/srv-auto.mount")
    box.run("rmdir /srv/auto")


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
