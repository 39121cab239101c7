"""What takes effect on a machine, and what looking and destroy leave behind, with the real engine, systemd and podman.

One program is taken through a story; each test looks at what concerns it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, shown

ANN = "backstage440"
HOME = f"/home/{ANN}"
OVER = f"{HOME}/.config/systemd/user/fx-quiet-network.service"
CONTROL = "/etc/systemd/system.control/fx-plain.service"
PROGRAM = rf"""
from providers.resources.host import CommandOutput, ContainerRecord, Unit

def unit(name, needs=None, **more):
    return Unit(name, host="box", name=name, opts=ResourceOptions(depends_on=needs), **more)

service = "[Service]\nExecStart=/bin/sleep 1000000\n"
share = "tmpfs /srv/fx\\040share tmpfs noauto,x-systemd.automount,nofail 0 0\n"
block = Block("fstab", host="box", path="/etc/fstab", name="share", content=share)
unit("srv-fx\\x20share.automount", [block], running=True)

# A unit that reads a file when it starts; both were there, and it runs with the old text.
read = File("read", host="box", path="/etc/fx.conf", content=conf)
zone = File("zone", host="box", path="/etc/fx.d/zone", content=conf)
unit("fx-reads.service", [read, zone], running=True, restart_on_files=["/etc/fx.conf", "/etc/fx.d"])

# A drop-in by a File, for a unit that somebody else has brought; nothing asks for a restart.
File("drop-in", host="box", path="/etc/systemd/system/fx-theirs.service.d/limits.conf",
     content="[Service]\nLimitNOFILE=" + limit + "\n")
File("users", host="box", path="{HOME}/.config/systemd/user/fx-ann.service", content=service, owner="{ANN}")
File("acts", host="box", path="/etc/environment", content="FX=1\n")

unit("fx-plain.service", text=service, running=True)
unit("fx-quiet.network", text="[Network]\nNetworkName=fx-quiet\n", user="{ANN}", running=True)
CommandOutput("asks", host="box", name="asks", command=["podman", "info", "-f", "{{{{.Host.Arch}}}}"], user="{ANN}")
ContainerRecord("old", host="box", path="/srv/fx-record.json", user="{ANN}", container="fx-old")

gone = User("gone", host="box", name="fx-gone", home="/srv/fx-gone", linger=True, remove_home=True)
mine = unit("fx-mine.service", [gone], text=service + "[Install]\nWantedBy=default.target\n", user="fx-gone",
            home="/srv/fx-gone", running=True, enabled=True, restart_on=["1"])
Directory("folder", host="box", path="/srv/fx-gone/data", owner="fx-gone", group="fx-gone", mode="0700", purge=True,
          opts=ResourceOptions(depends_on=[mine]))
"""
# Each command's output is kept after every step.
LOOKS = {
    "processes": f"ps -u {ANN} -o args= | sort",
    "of operators": f"ps -u {ANN} -o cgroup:200= | grep -c session-",
    "stale": "systemctl show -p NeedDaemonReload --value '*' | sort -u",
    "automount": "systemctl show -p LoadState -p ActiveState --value 'srv-fx\\x20share.automount' | xargs",
    "reads": "cat /run/fx-read; systemctl show -p ActiveEnterTimestampMonotonic --value fx-reads",
    "limit": "systemctl show -p LimitNOFILE --value fx-theirs",
    "ann": f"runuser -u {ANN} -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user show -p LoadState --value fx-ann",
    "fstab": "stat -c %a:%U /etc/fstab; cat /etc/fstab",
    "environment": "stat -c %a:%U /etc/environment",
    "fragment": "systemctl show -p FragmentPath --value fx-plain; systemctl is-active fx-plain",
    "network": f"runuser -u {ANN} -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user show -p FragmentPath --value"
    " fx-quiet-network",
    "over": f"ls {OVER.rpartition('/')[0]} /etc/systemd/system.control | xargs",
    "failed": "systemctl --failed --plain --no-legend | grep -c fx",
    "left": "ls -d /run/hearth /run/user/*/hearth /var/lib/hearth /srv/fx-gone /srv/fx?share | xargs",
}
READER = "[Service]\nExecStart=/bin/sh -c 'cat /etc/fx.conf /etc/fx.d/zone >/run/fx-read; exec sleep 1000000'\n"


@dataclass
class Story:
    project: Project
    printed: dict[str, str] = field(default_factory=dict[str, str])
    codes: dict[str, int] = field(default_factory=dict[str, int])
    seen: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def look(self, step: str) -> None:
        program = "".join(
            f"echo; echo '=== {name}'; {{ {command}; }} 2>/dev/null </dev/null\n" for name, command in LOOKS.items()
        )
        said = self.project.machine.run("sh", stdin=program, check=False).stdout
        parts = re.split(r"(?m)^=== (.*)\n", said)
        self.seen[step] = {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}

    def make(self, step: str, verb: str, *flags: str) -> None:
        answer = self.project.run_make(verb, *flags)
        self.codes[step], self.printed[step] = answer.returncode, shown(answer)
        self.look(step)


def prepare(box: Machine) -> None:
    box.write("/usr/local/lib/systemd/system/fx-reads.service", READER)
    box.write("/usr/local/lib/systemd/system/fx-theirs.service", "[Service]\nExecStart=/bin/sleep 1000000\n")
    box.run(
        f"mkdir -p /etc/fx.d /etc/systemd/system/fx-theirs.service.d /srv/rootfs; echo theirs >/etc/fx.conf;"
        " echo theirs >/etc/fx.d/zone; touch /etc/environment; chmod 0666 /etc/environment;"
        f" install -d -o {ANN} -g {ANN} {HOME}/.config {HOME}/.config/systemd {HOME}/.config/systemd/user;"
        " printf '# theirs\\n/dev/no /nowhere auto noauto 0 0' >/etc/fstab;"
        f" systemctl daemon-reload; systemctl start fx-reads fx-theirs; loginctl enable-linger {ANN};"
        " until [ -S /run/user/1000/bus ]; do sleep 0.1; done; systemctl start network-online.target"
    )
    box.run("podman create --quiet --name fx-old --expose 8080/tcp --rootfs /srv/rootfs true", user=ANN)
    box.run(f"pkill -u {ANN} -x podman; pkill -u {ANN} catatonit; rm -f /run/user/1000/libpod/tmp/pause.pid; true")


@pytest.fixture(scope="module")
def story(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Story:
    box = machine("effects", image="machine-podman")
    prepare(box)
    story = Story(Project(tmp_path_factory.mktemp("effects"), box))
    story.project.program('conf, limit = "ours\\n", "4000"\n' + PROGRAM)
    story.look("before")
    story.make("made", "up")
    story.make("looked", "drift")
    # What strangers and other tools do to it.
    fstab = box.read("/etc/fstab")
    box.write("/etc/fstab", f"overlay /srv/fx\\040share/ tmpfs noauto 0 0\n{fstab}")
    box.run("chmod 0666 /etc/fstab; chmod 0646 /etc/environment; echo edited >/etc/fx.d/zone")
    box.write(CONTROL, "[Service]\nExecStart=/bin/sleep 2000000\n")
    box.write(OVER, "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n")
    box.run(f"chown -R {ANN}: {HOME}/.config; systemctl daemon-reload")
    box.run("systemctl --user daemon-reload", user=ANN)
    story.make("drifted", "drift")
    story.make("repaired", "up", "--refresh")
    story.project.program('conf, limit = "ours\\n", "5000"\n' + PROGRAM)
    story.make("changed", "up")
    box.run("touch '/srv/fx share/used'; loginctl disable-linger fx-gone; systemctl stop user@$(id -u fx-gone)")
    box.run("userdel fx-gone; ls /srv/fx-gone")
    story.make("down", "down")
    return story


def test_the_first_up_goes_well_and_a_look_after_it_finds_nothing(story: Story):
    assert story.codes["made"] == 0, story.printed["made"]
    assert story.codes["looked"] == 0, story.printed["looked"]


def test_what_was_started_with_old_files_is_restarted_by_the_first_up_and_again_when_they_were_edited(story: Story):
    texts = {step: seen["reads"].split("\n") for step, seen in story.seen.items()}
    assert texts["before"][:2] == ["theirs", "theirs"]
    assert texts["made"][:2] == ["ours", "ours"]
    assert texts["looked"] == texts["made"]
    assert "another text than when fx-reads.service started" in story.printed["drifted"]
    assert texts["repaired"][:2] == ["ours", "ours"]
    assert texts["changed"] == texts["repaired"]


def test_files_that_a_manager_reads_are_read_anew_when_they_come_change_and_go(story: Story):
    for step in ("made", "repaired", "changed", "down"):
        assert story.seen[step]["stale"] == "no", step
    assert [story.seen[step]["limit"] for step in ("made", "changed", "down")] == [
        "4000",
        "5000",
        story.seen["before"]["limit"],
    ]
    assert story.seen["made"]["ann"] == "loaded"
    assert story.seen["down"]["ann"] == "not-found"


def test_an_automount_of_a_block_is_there_with_it_and_goes_with_it(story: Story):
    assert story.seen["made"]["automount"] == "loaded active"
    assert story.seen["down"]["automount"] == "not-found inactive"
    assert story.seen["down"]["failed"] == "0"


def test_an_fstab_that_all_may_write_or_that_says_something_else_first_is_drift_and_mended(story: Story):
    assert story.codes["drifted"] == 7
    assert "everybody may write into it: its mode is 0666" in story.printed["drifted"]
    assert "line 1 says something else of /srv/fx share and comes first" in story.printed["drifted"]
    lines = story.seen["repaired"]["fstab"].split("\n")
    assert lines[0] == "664:root"
    assert lines.index("# END hearth share") < next(n for n, line in enumerate(lines) if line.startswith("overlay"))
    assert story.seen["down"]["fstab"].split("\n")[1:] == [
        "overlay /srv/fx\\040share/ tmpfs noauto 0 0",
        "# theirs",
        "/dev/no /nowhere auto noauto 0 0",
    ]


def test_a_file_that_root_acts_on_is_closed_to_all_and_opened_again_by_destroy(story: Story):
    modes = {step: seen["environment"] for step, seen in story.seen.items()}
    assert (modes["before"], modes["made"], modes["repaired"], modes["down"]) == (
        "666:root",
        "664:root",
        "644:root",
        "666:root",
    )


def test_units_that_came_over_ours_are_moved_aside_and_back(story: Story):
    assert f"the manager uses {CONTROL}" in story.printed["drifted"]
    assert "its service is " in story.printed["drifted"]
    assert story.codes["repaired"] == 0, story.printed["repaired"]
    assert story.seen["repaired"]["fragment"] == "/etc/systemd/system/fx-plain.service\nactive"
    assert "/generator/" in story.seen["repaired"]["network"]
    assert f"{CONTROL}.hearth-aside" in story.printed["repaired"]
    assert "hearth-aside" in story.seen["repaired"]["over"]
    assert "hearth-aside" not in story.seen["down"]["over"]
    assert "fx-quiet-network.service" in story.seen["down"]["over"]
    assert story.seen["down"]["fragment"] == f"{CONTROL}\ninactive"


def test_looking_leaves_no_process_behind(story: Story):
    assert story.seen["looked"]["processes"] == story.seen["made"]["processes"]
    for step in ("made", "looked", "drifted"):
        assert story.seen[step]["of operators"] == "0", step


def test_nothing_is_left_after_destroy_although_an_account_was_removed_by_hand(story: Story):
    assert story.codes["down"] == 0, story.printed["down"]
    assert "/run/hearth" in story.seen["changed"]["left"]
    # The folder is one of somebody else's line by now.
    assert story.seen["down"]["left"] == "/srv/fx share", story.printed["down"]
