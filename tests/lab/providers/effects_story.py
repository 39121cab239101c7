"""One program about what takes effect, taken through a story on one machine; test_host_effects.py looks at it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lab import Machine
from tests.lab.project import Project, shown

ANN = "backstage440"
HOME = f"/home/{ANN}"
OVER = f"{HOME}/.config/systemd/user/fx-quiet-network.service"
CONTROL = "/etc/systemd/system.control/fx-plain.service"
PROGRAM = rf"""
from providers.resources.host import CommandOutput, ContainerRecord, Tree, Unit

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
unit("fx-there.network", text="[Network]\nNetworkName=fx-there\n", user="{ANN}", running=True)
CommandOutput("asks", host="box", name="asks", command=["podman", "info", "-f", "{{{{.Host.Arch}}}}"], user="{ANN}")
ContainerRecord("old", host="box", path="/srv/fx-record.json", user="{ANN}", container="fx-old")

# Full texts over units of others that are enabled: one is started by the same target, one by another.
ours = "[Service]\nExecStart=/bin/sleep 2000000\n[Install]\nWantedBy="
unit("fx-vendor.service", text=ours + "multi-user.target\n", enabled=True, running=True)
unit("fx-other.service", text=ours + "graphical.target\n", enabled=True, running=True)

# systemd has more words than one for yes.
for word in ("yes", "true", "1", "on"):
    unit("fx-" + word + ".service", text=oneshot.format(word), running=True)

# A home behind a link, which passwd has in another form.
bob = User("bob", host="box", name="fx-bob", home="/srv/fx-h/bob", more_groups=["adm"])
unit("fx-bobs.network", [bob], text="[Network]\nNetworkName=fx-bobs\n", user="fx-bob", running=True)
bobs = unit("fx-bobs.service", [bob], text=service, user="fx-bob", running=True)

File("bobs", host="box", path="/srv/fx-homes/bob/.config/systemd/user/fx-bobs.service.d/nice.conf",
     content="[Service]\nNice=7\n", owner="fx-bob", group="fx-bob", opts=ResourceOptions(depends_on=[bobs]))

# What can't be mounted, and a folder of files that managers and root read.
wrong = "tmpfs /srv/fx-none tmpfs noauto,size=wrong,x-systemd.automount,nofail 0 0\n"
Block("wrong", host="box", path="/etc/fstab", name="wrong", content=wrong, opts=ResourceOptions(depends_on=[block]))
unit("srv-fx\\x2dbad.mount", text="[Mount]\nWhat=tmpfs\nWhere=/srv/fx-bad/\nType=tmpfs\nOptions=size=wrong\n")
Tree("tree", host="box", path="/etc", source="tree", name="fx")

# An account that moves, with its units.
moves = User("moves", host="box", name="fx-moves", home=home, linger=True, remove_home=True)
unit("fx-moves.network", [moves], text="[Network]\nNetworkName=fx-moves\n", user="fx-moves", home=home, running=True)
unit("fx-moves.service", [moves], text=service, user="fx-moves", home=home, running=True)

# One that stood in the middle of a group's list.
User("ordered", host="box", name="fx-ordered", groups=["adm"])

gone = User("gone", host="box", name="fx-gone", home="/srv/fx-gone", linger=True, remove_home=True)
mine = unit("fx-mine.service", [gone], text=service + "[Install]\nWantedBy=default.target\n", user="fx-gone",
            home="/srv/fx-gone", running=True, enabled=True, restart_on=["1"])
Directory("folder", host="box", path="/srv/fx-gone/data", owner="fx-gone", group="fx-gone", mode="0700", purge=True,
          opts=ResourceOptions(depends_on=[mine]))
"""
ONESHOT = 'oneshot = "[Service]\\nType=oneshot\\nExecStart=/bin/true\\nRemainAfterExit={}\\n"\n'
REFUSED = """
from providers.resources.host import Unit
for word in ("off", "0"):
    Unit("fx-" + word, host="box", name="fx-" + word + ".service", text=oneshot.format(word), running=True)
User("me", host="box", name="admin", shell="/usr/sbin/nologin")
Unit("ssh", host="box", name="ssh.service", running=False)
"""
TREE = {
    "systemd__system__fx-theirs_service_d__tree_conf": "[Service]\nLimitCORE=1000\n",
    "systemd__system__fx-tree_service": "[Service]\nExecStart=/bin/sleep 1000000\n",
    "cron_d__fx": "# ours\n",
}
# Each command's output is kept after every step.
LOOKS = {
    # A podman that is about to end has its time to.
    "processes": f"for n in $(seq 20); do pgrep -u {ANN} -x podman || break; sleep 0.5; done >/dev/null;"
    f" ps -u {ANN} -o args= | sort",
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
    "networks": f"cd {HOME}/.local/share/containers/storage/networks && ls fx-*.json | xargs",
    "over": f"ls {OVER.rpartition('/')[0]} /etc/systemd/system.control | xargs",
    "core": "systemctl show -p LimitCORE --value fx-theirs",
    "tree": "systemctl show -p LoadState --value fx-tree",
    "cron": "stat -c %a:%U /etc/cron.d/fx; cat /etc/cron.d/fx",
    "vendor": "for unit in fx-vendor fx-other; do readlink -e /etc/systemd/system/*.wants/$unit.service;"
    " ls -d /etc/systemd/system/*.wants/$unit.service; systemctl is-enabled $unit; systemctl is-active $unit;"
    " systemctl show -p ExecStart --value $unit | grep -o 'sleep [0-9][0-9]*' | head -n 1; done",
    "dangling": "find /etc/systemd -xtype l -name 'fx-*' | wc -l",
    "words": "systemctl is-active fx-yes fx-true fx-1 fx-on | xargs",
    "bob": "getent passwd fx-bob; runuser -u fx-bob -- env XDG_RUNTIME_DIR=/run/user/$(id -u fx-bob)"
    " systemctl --user is-active fx-bobs fx-bobs-network;"
    " runuser -u fx-bob -- env XDG_RUNTIME_DIR=/run/user/$(id -u fx-bob)"
    " systemctl --user show -p Nice -p NeedDaemonReload fx-bobs | sort;"
    " find /srv/fx-homes -path '*/.config/*' -name 'fx-bobs.*' -type f | sort",
    "moves": "runuser -u fx-moves -- env XDG_RUNTIME_DIR=/run/user/$(id -u fx-moves)"
    " systemctl --user is-active fx-moves fx-moves-network;"
    " find /srv/fx-mov* -path '*/.config/*' -name 'fx-moves.*' | sort",
    "members": "grep -h ^fx-order: /etc/group /etc/gshadow; id -Gn fx-ordered",
    "failed": "systemctl --failed --plain --no-legend | grep -c fx",
    "left": "ls -d /run/hearth /run/user/*/hearth /var/lib/hearth /srv/fx-gone /srv/fx?share /srv/fx-mov* | xargs",
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


def bring(project: Project, **files: str) -> None:
    """Write files of the project's folder `tree`, by their paths in it with two underscores for a slash."""
    for name, text in files.items():
        path = project.workspace.folder / "tree" / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def prepare(box: Machine) -> None:
    for name in ("fx-vendor", "fx-other"):
        text = "[Service]\nExecStart=/bin/sleep 1000000\n[Install]\nWantedBy=multi-user.target\n"
        box.write(f"/usr/local/lib/systemd/system/{name}.service", text)
    box.run(
        "systemctl daemon-reload; systemctl enable --now fx-vendor fx-other; mkdir -p /etc/cron.d /srv/fx-homes;"
        " echo '# theirs' >/etc/cron.d/fx; chmod 0666 /etc/cron.d/fx; ln -s fx-homes /srv/fx-h;"
        " useradd --system --create-home --home-dir /srv/fx-h/bob fx-bob; usermod --home /srv/fx-h/./bob fx-bob;"
        " usermod --add-subuids 500000-565535 --add-subgids 500000-565535 fx-bob; loginctl enable-linger fx-bob;"
        " until [ -S /run/user/$(id -u fx-bob)/bus ]; do sleep 0.1; done;"
        " runuser -u fx-bob -- mkdir -p /srv/fx-h/bob/.config/systemd/user/fx-bobs.service.d;"
        " groupadd fx-order; useradd --system --no-create-home fx-ordered;"
        f" for name in fx-bob fx-ordered {ANN}; do gpasswd --add $name fx-order; done"
    )
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
    box.run("podman network create fx-there", user=ANN)
    box.run("podman create --quiet --name fx-old --expose 8080/tcp --rootfs /srv/rootfs true", user=ANN)
    box.run(f"pkill -u {ANN} -x podman; pkill -u {ANN} catatonit; rm -f /run/user/1000/libpod/tmp/pause.pid; true")
