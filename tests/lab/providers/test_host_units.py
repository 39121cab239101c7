"""What units, and the image of a pod, do on a machine that is not as one would like it, on the real engine.

One program holds all of them and is taken through the steps of `story`; each test looks at what concerns it.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace

import pytest

from lab import Lab, Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, about, shown
from tests.lab.providers.software import SCRIPTS, bring_units_of_others, stack, write

__all__ = ["stack"]

SYSTEM = "/usr/local/lib/systemd/system"
"""Where the units lie that are neither Hearth's nor a package's."""
PROGRAM = r"""
service = "[Service]\nExecStart=/bin/sleep 1000000\n[Install]\nWantedBy=multi-user.target\n"

def unit(name, text=None, needs=None, **more):
    return Unit(name, host="box", name=name, text=text, opts=ResourceOptions(depends_on=needs), **more)

# --- what does not start as it is written at first ---
invalid = "[Service]\nExecStart=/bin/sleep 1000000\nRestrat=always\n"
fails = "[Service]\nExecStart=/bin/sh -c 'echo the port is taken >&2; exit 3'\n"
late = "[Service]\nType=notify\nExecStart=/bin/sh -c 'echo still looking; sleep 1000000'\n"
unit("kinds-bad.service", invalid.replace("Restrat", "Restart") if mended else invalid, running=True)
unit("kinds-fails.service", service if mended else fails, running=True)
unit("kinds-late.service", service if mended else late, running=True, start_timeout=60.0 if mended else 2.0)

# --- of each kind one ---
template = unit("kinds-t@.service", "[Service]\nExecStart=/bin/sleep %i\n")
unit("kinds-t@77777.service", needs=[template], running=True)
idle = unit("kinds-s.service", "[Service]\nExecStart=/bin/sleep 1000000\n")
unit("kinds-s.socket", f"[Socket]\nListenStream=/run/kinds-{place}\n", [idle], running=True)
unit("kinds-w.timer", "[Timer]\nOnCalendar=weekly\nUnit=kinds-s.service\n", [idle], running=True)
unit("srv-kinds\\x2dmount.mount", "[Mount]\nWhat=tmpfs\nWhere=/srv/kinds-mount\nType=tmpfs\n", running=True)
mount = unit("srv-auto.mount", "[Mount]\nWhat=tmpfs\nWhere=/srv/auto\nType=tmpfs\n")
automount = f"[Automount]\nWhere=/srv/auto\nTimeoutIdleSec={seconds}\n[Install]\nWantedBy=multi-user.target\n"
unit("srv-auto.automount", automount, [mount], enabled=True, running=True)

# --- many, and the system's own ---
for number in range(20):
    unit(f"kinds-many-{number}.service", service, enabled=True, running=True, restart_on=["0" if number else restart])
unit("kinds-enabled.service", enabled=False, running=False)
unit("kinds-masked.service", running=True)

# --- in each of systemd's other ways: by an alias, static, with another that comes along, of System V ---
unit("kinds-alias.service", enabled=True, running=True)
unit("kinds-static.service", enabled=None if mended else True, running=True)
unit("kinds-also.service", enabled=True)
unit("kinds-sysv.service", enabled=True, running=True)
unit("kinds-sysv-off.service", enabled=False, running=False)
unit("kinds-t-there@one.service", enabled=True, running=True)

# --- a pod of an account, and its image ---
user = User("pod", host="box", name="kinds-pod", home="/var/lib/kinds-pod", subordinate_ids="auto", linger=True,
            remove_home=True)
image = ContainerImage("image", host="box", name="docker.io/ollama/ollama:latest", user=user.name,
                       source="user:backstage440")
pod = unit("kinds.pod", "[Pod]\nPodName=kinds\n[Install]\nWantedBy=default.target\n", [image], user=user.name,
           running=True)
container = (
    "[Container]\nContainerName=kinds-ollama\nImage=docker.io/ollama/ollama:latest\nPod=kinds.pod\n"
    f"HealthCmd={health}\nHealthInterval=2s\nNotify=healthy\n[Service]\nTimeoutStartSec={patience}\n"
    "[Install]\nWantedBy=default.target\n"
)
unit("kinds-ollama.container", container, [pod], user=user.name, running=True, enabled=True, restart_on=[restart])
"""


@dataclass(frozen=True)
class Declared:
    """What the program reads; the fields are its variables."""

    mended: bool = True
    place: str = "one"
    seconds: int = 600
    restart: str = "1"
    health: str = "ollama list"
    patience: int = 80

    def variables(self) -> str:
        return "".join(f"{name} = {value!r}\n" for name, value in asdict(self).items())


# What is looked at after each step; each command's output is put on one line.
MANY = [f"kinds-many-{number}.service" for number in range(20)]
AS_POD = "setpriv --reuid=kinds-pod --regid=kinds-pod --init-groups --reset-env env -C /"
LOOKS = {
    "texts": "cd /etc/systemd/system; ls kinds-bad.service srv-auto.mount",
    "mended": "systemctl is-active kinds-bad.service kinds-fails.service kinds-late.service",
    "of each": "systemctl is-active kinds-t@77777.service kinds-s.socket kinds-w.timer 'srv-kinds\\x2dmount.mount'",
    "socket": "systemctl is-active kinds-s.service; ls /run/kinds-two",
    "automount": "systemctl is-active srv-auto.automount",
    "seconds": "systemctl show -p TimeoutIdleUSec --value srv-auto.automount",
    "mounts": "findmnt -n -o FSTYPE /srv/auto",
    "many": f"systemctl is-active {' '.join(MANY)}",
    "processes": f"systemctl show -p MainPID --value {' '.join(MANY)}",
    "enabled": "systemctl is-active kinds-enabled.service; systemctl is-enabled kinds-enabled.service",
    "others": "systemctl is-active kinds-real kinds-static kinds-also kinds-along kinds-sysv kinds-sysv-off"
    " kinds-t-there@one",
    "links": "find /etc/systemd/system /etc/rc?.d -name '*kinds-[art]*' -printf '%f>%l ' -o -name '*kinds-sysv*'"
    " -printf '%f>%l '",
    "masked": "systemctl is-active kinds-masked.service; systemctl is-enabled kinds-masked.service",
    "old account": "pgrep -u backstage440",
    "container": f"{AS_POD} podman inspect -f '{{{{.Id}}}} {{{{.State.Health.Status}}}}' kinds-ollama",
}


@dataclass
class Trial:
    """What each step printed, and how the machine was after it: step -> what of LOOKS -> what that said."""

    project: Project
    printed: dict[str, str] = field(default_factory=dict[str, str])
    seen: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def wish(self, wish: Declared) -> None:
        write(self.project, wish.variables(), PROGRAM)

    def keep(self, step: str, printed: str) -> None:
        self.printed[step] = printed
        program = "".join(f"echo '{name}:' $({command} 2>/dev/null)\n" for name, command in LOOKS.items())
        lines = self.project.machine.run("sh", stdin=program).stdout.splitlines()
        self.seen[step] = {name: said.strip() for name, _, said in (line.partition(":") for line in lines)}

    def about(self, step: str, name: str) -> str:
        return about(self.printed[step], name)

    def done(self, step: str) -> dict[str, str]:
        """Return the resources that a step made or changed, each with the properties that differed."""
        line = r"(?m)^ [+~] +hearth:host:\w+ (\S+) (?:created|updated)\b[^\[\n]*(?:\[diff: (.*?)\])?"
        return dict(re.findall(line, self.printed[step]))


@pytest.fixture(scope="module")
def box(lab: Lab, machine: MachineFactory) -> Machine:
    """Yield the machine with an old account whose store holds the pod's image; it is not logged in any more."""
    made = machine("units", image="machine-podman")
    lab.seed_old_containers(made)
    made.run("podman rm -f -a", user="backstage440")
    made.run("loginctl disable-linger backstage440; systemctl stop user@$(id -u backstage440)")
    made.run("while [ -e /run/user/$(id -u backstage440) ]; do sleep 0.1; done")
    made.run("systemctl start network-online.target")  # every rootless Quadlet unit waits for it
    return made


@pytest.fixture(scope="module")
def story(stack: Project) -> Trial:
    project, box, story = stack, stack.machine, Trial(stack)
    for name in ("kinds-enabled", "kinds-masked"):
        text = "[Service]\nExecStart=/bin/sleep 1000000\n[Install]\nWantedBy=multi-user.target\n"
        box.write(f"{SYSTEM}/{name}.service", text)
    bring_units_of_others(box, SYSTEM)
    box.run("systemctl daemon-reload; systemctl enable --now kinds-enabled; systemctl mask --runtime kinds-masked")
    box.run("systemctl enable kinds-real kinds-sysv-off; systemctl start kinds-sysv-off")
    story.keep("before", "")

    story.wish(Declared(mended=False))
    story.keep("made", project.failed_up("--continue-on-error"))

    box.run("touch /srv/auto/file")  # whoever looks there has it mounted
    wish = Declared(restart="2")
    story.wish(wish)
    story.keep("mended", shown(project.up("--refresh")))

    box.run("systemctl start kinds-s.service")
    wish = replace(wish, place="two", seconds=700)
    story.wish(replace(wish, health="echo no model can be read; false", patience=6))
    story.keep("changed", project.failed_up("--continue-on-error"))

    box.run("ls /srv/auto/.; systemctl disable --now srv-auto.automount")
    story.wish(wish)
    story.keep("repaired", shown(project.up("--refresh")))

    box.run("touch /srv/auto/in-use")
    story.keep("destroyed", shown(project.destroy()))
    box.run("test ! -e /srv/kinds-mount && test ! -e /srv/auto")  # what systemd makes to mount on, and leaves
    box.run("systemctl stop kinds-sysv-off; systemctl disable --now kinds-enabled kinds-real")
    box.run("systemctl unmask --runtime kinds-masked")
    box.run("; ".join(f"rm /etc/init.d/{name}; update-rc.d {name} remove" for name in SCRIPTS))
    box.run(f"rm -r {SYSTEM}; rmdir /usr/local/lib/systemd; systemctl daemon-reload")
    return story


def test_an_invalid_text_is_refused_in_systemds_own_words(story: Trial):
    printed = story.about("made", "kinds-bad.service")
    assert "the text of kinds-bad.service for box is not valid, so nothing was changed" in printed
    assert "Unknown key 'Restrat'" in printed
    assert story.seen["made"]["texts"] == "srv-auto.mount"
    assert story.seen["mended"]["texts"] == "kinds-bad.service srv-auto.mount"


def test_a_start_that_fails_shows_the_last_lines_of_the_log(story: Trial):
    printed = story.about("made", "kinds-fails.service")
    assert "kinds-fails.service on box did not start" in printed
    assert "the port is taken" in printed


def test_a_start_that_takes_too_long_is_given_up_with_its_last_lines(story: Trial):
    printed = story.about("made", "kinds-late.service")
    assert "kinds-late.service on box has not started within 2 s" in printed
    assert "still looking" in printed


def test_after_a_start_that_failed_the_next_up_goes_on(story: Trial):
    assert "active" not in story.seen["made"]["mended"].split()
    assert story.seen["mended"]["mended"] == "active active active"


def test_a_refresh_after_an_up_finds_nothing_to_do_but_what_failed_or_is_wished_anew(story: Trial):
    failed = {"kinds-bad.service", "kinds-fails.service", "kinds-late.service", "kinds-static.service"}
    assert story.done("mended").keys() == {*failed, MANY[0], "kinds-ollama.container"}
    # A pod stops when its last container can't be started.
    assert story.done("repaired").keys() - {"kinds.pod"} == {"srv-auto.automount", "kinds-ollama.container"}


def test_sockets_timers_mounts_and_instances_of_templates_run_and_are_restarted_by_a_new_text(story: Trial):
    assert story.seen["made"]["of each"] == "active active active active"
    assert story.done("changed")["kinds-s.socket"] == "~text"
    assert story.seen["changed"]["of each"] == "active active active active"
    assert story.seen["changed"]["socket"] == "active /run/kinds-two"


def test_an_automount_and_its_mount_are_made_repaired_changed_while_in_use_and_taken_away(story: Trial):
    assert story.seen["made"]["mounts"] == "autofs"
    assert story.seen["mended"]["mounts"] == "autofs tmpfs"
    assert story.seen["changed"]["automount"] == "active"
    assert story.seen["changed"]["seconds"] == "11min 40s"
    assert story.done("repaired")["srv-auto.automount"] == "~enabled,running"
    assert story.seen["repaired"]["mounts"].startswith("autofs")
    assert story.seen["destroyed"]["mounts"] == ""
    assert story.seen["destroyed"]["texts"] == ""


def test_twenty_units_at_once_do_not_meet_and_a_change_restarts_only_its_own(story: Trial):
    assert story.seen["made"]["many"].split() == ["active"] * 20
    assert story.done("mended")[MANY[0]] == "~restartOn"
    before, after = (story.seen[step]["processes"].split() for step in ("made", "mended"))
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_a_unit_of_the_system_gets_its_enabled_running_and_masked_state_back(story: Trial):
    assert story.seen["made"]["enabled"] == "inactive disabled"
    assert story.seen["destroyed"]["enabled"] == "active enabled"
    assert story.seen["made"]["masked"] == "active disabled"
    assert story.seen["destroyed"]["masked"] == "inactive masked-runtime"


def test_a_unit_is_managed_by_its_alias_and_with_all_that_comes_along_and_given_back_exactly(story: Trial):
    before, made, destroyed = (story.seen[step] for step in ("before", "made", "destroyed"))
    assert before["others"] == "inactive inactive inactive inactive inactive active inactive"
    assert made["others"] == "active inactive inactive inactive active inactive active"
    links = {step: set(seen["links"].split()) for step, seen in story.seen.items()}
    also = {f"{name}.service>{SYSTEM}/{name}.service" for name in ("kinds-also", "kinds-along")}
    instance = f"kinds-t-there@one.service>{SYSTEM}/kinds-t-there@.service"
    on, off = (f"S01{name}>../init.d/{name}" for name in SCRIPTS)
    assert {*also, instance, on} <= links["made"]
    assert off not in links["made"]
    assert off in links["before"]
    assert (destroyed["others"], links["destroyed"]) == (before["others"], links["before"])


def test_a_unit_that_can_not_be_enabled_is_refused_with_the_reason(story: Trial):
    printed = story.about("made", "kinds-static.service")
    assert "kinds-static.service on box has no [Install] section" in printed
    assert "Nothing was changed" in printed


def test_a_pod_runs_with_the_image_of_an_account_that_is_not_logged_in(story: Trial):
    assert story.seen["made"]["old account"] == ""
    first, health = story.seen["made"]["container"].split()
    assert health == "healthy"
    second, health = story.seen["mended"]["container"].split()
    assert health == "healthy"
    assert second != first, "restart_on has changed"


def test_a_container_that_does_not_get_healthy_is_said_and_the_next_up_goes_on(story: Trial):
    printed = story.about("changed", "kinds-ollama.container")
    assert "kinds-ollama.service on box (services of kinds-pod) did not start" in printed, printed
    assert "start operation timed out" in printed, printed
    assert story.seen["repaired"]["container"].endswith(" healthy")
