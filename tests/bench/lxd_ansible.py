"""The LXD cluster against Ansible: the same cluster by a playbook with `community.general.lxd_*`, in one run.

On two machines: the daemon, a cluster, a pool, a network across the members, the usual profiles, an image, and an
instance on each member. The modules know profiles and instances; a cluster, pools, networks and images they do not, so
those are commands behind a question, as people write them. Names, SSH, bridges and the environment file are left out
on both sides. Ansible's machines are new ones: there is no playbook that takes a cluster back.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from components.lxd.instances import config_of, devices_of, profiles_of
from components.lxd.names import network_config
from components.lxd.profiles import profiles
from config.systems.lxd import Lxd
from lab.systems.lxd import instance_image
from tests.bench.ansible import play
from tests.bench.compare import Row
from tests.bench.figures import Figure
from tests.bench.measure import PHASES, Cost, cost_of
from tests.bench.workload import WrongResult
from tests.lab.support import until
from tests.lab.systems.lxd.plain_stack import plain_stack
from toolchain import apt

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Lab, Machine
    from tests.lab.systems.lxd.cluster_stack import ClusterStack

NAMES = ("bcn1", "bcn2")
CONFIGURATION = """
[defaults]
inventory = inventory
nocows = true
host_key_checking = true
[ssh_connection]
pipelining = true
control_path_dir = {sockets}
"""
HAS = "lxc {kind} show {name}"


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """Measure both sides, one after the other, each on fresh machines."""
    found: dict[str, dict[str, Cost]] = {}
    for side in ("Hearth", "Ansible"):
        machines = lab.machines(NAMES, image="machine-lxd", fresh=True)
        image = instance_image.put(lab, machines[0])
        place = folder / side.lower()
        place.mkdir()
        stack = plain_stack(place, machines, image)
        run = _hearth(stack) if side == "Hearth" else Ansible(place / "playbook", machines, stack.settings).run
        found[side] = {}
        for phase in PHASES:
            found[side][phase] = cost_of(lambda run=run, phase=phase: run(phase))
            lab.say(f"{side}, {phase}: {found[side][phase].seconds:.1f} s")
            if phase == PHASES[0]:
                until(lambda machine=machines[0]: _runs(machine), f"both instances of {side}'s run", 60)
        for name in NAMES:
            lab.remove(name)
    rows = [Row(len(NAMES), phase, found["Hearth"][phase], found["Ansible"][phase]) for phase in PHASES]
    return [
        Figure(row.phase, f"{row.hearth.seconds:.1f} s against {row.ansible.seconds:.1f} s: {row.ratio:.3f}")
        for row in rows
    ]


def _hearth(stack: ClusterStack) -> Any:
    def run(phase: str) -> None:
        workspace = stack.project.workspace
        if phase == "first up":
            stack.up()
            return
        answer = workspace.up("--expect-no-changes", check=False) if phase == "nothing to do" else workspace.drift()
        if answer.returncode != 0:
            raise WrongResult(f"Hearth's {phase} ended with {answer.returncode}:\n{answer.stdout}")

    return run


def _runs(machine: Machine) -> bool:
    told = machine.run("mkdir -p /run/client; HOME=/run/client lxc list --format csv -c ns", check=False).stdout.split()
    return told == ["c1,RUNNING", "c2,RUNNING"]


class Ansible:
    """One playbook over both machines."""

    def __init__(self, folder: Path, machines: list[Machine], settings: dict[str, Any]) -> None:
        install()
        folder.mkdir()
        self._folder = folder
        self._machines = machines
        plays = playbook(Lxd.model_validate(settings), machines, str(settings["images"]["debian"]["file"]))
        hosts = "\n".join(machine.name for machine in machines)
        ssh = f"ansible_ssh_common_args='-F {machines[0].ssh_config}'"
        texts = {
            "site.yml": yaml.safe_dump(plays, sort_keys=False, width=200),
            "ansible.cfg": CONFIGURATION.format(sockets=folder / "s"),
            "inventory": f"{hosts}\n\n[all:vars]\n{ssh}\nansible_python_interpreter=/usr/bin/python3\n",
        }
        for name, text in texts.items():
            (folder / name).write_text(text)

    def run(self, phase: str) -> None:
        """Do one phase; a second run that changes anything is an error. `lxd_profile` can't be asked by a check."""
        play(
            self._folder,
            phase,
            lambda changed: len(changed) == len(self._machines) and any(changed) == (phase == "first up"),
        )


def install() -> None:
    """See to it that Ansible is here with its collections: from Debian's archive, as root."""
    known = ["ansible-doc", "--type", "module", "community.general.lxd_container"]
    if shutil.which("ansible-doc") and subprocess.run(known, capture_output=True, check=False).returncode == 0:
        return
    if not apt.can_install():
        raise WrongResult(
            "the collection community.general is not here, so there is nothing to compare with, and only root may "
            "install it. Run `apt-get install ansible` and the bench again."
        )
    apt.install("ansible")


def playbook(settings: Lxd, machines: list[Machine], image: str) -> list[dict[str, Any]]:
    """Return the plays: every machine's daemon; the cluster, one member after another; what is in it."""
    first = machines[0]
    begin: dict[str, Any] = {"config": {"core.https_address": f"{first.address}:8443"}}
    begin["cluster"] = {"server_name": first.name, "enabled": True}
    network = network_config(settings, "lxdbr0")
    within = " ".join(f"'{key}={value}'" for key, value in network.items())
    members = " && ".join(f"lxc network create lxdbr0 --target {machine.name}" for machine in machines)
    pools = " && ".join(f"lxc storage create default dir --target {machine.name}" for machine in machines)
    tasks = [
        *_once("The pool", HAS.format(kind="storage", name="default"), f"{pools} && lxc storage create default dir"),
        *_once(
            "The network",
            HAS.format(kind="network", name="lxdbr0"),
            f"{members} && lxc network create lxdbr0 {within}",
        ),
        *_once("The image", "lxc image alias list debian | grep -q debian", f"lxc image import {image} --alias debian"),
        *(
            {
                "name": f"The profile {name}",
                "community.general.lxd_profile": {
                    "name": name,
                    "description": wanted.description,
                    "config": dict(wanted.config),
                    "devices": {device: dict(keys) for device, keys in wanted.devices.items()},
                },
            }
            for name, wanted in profiles(settings).items()
        ),
        *(
            {
                "name": f"The instance {name}",
                "community.general.lxd_container": {
                    "name": name,
                    "target": wanted.member,
                    "ignore_volatile_options": False,
                    "source": {"type": "image", "alias": wanted.image},
                    "profiles": profiles_of(wanted),
                    "config": config_of(settings, name),
                    "devices": devices_of(settings, name),
                    "state": "started",
                    "timeout": 300,
                    "wait_for_container": True,
                },
                # Asked of its own member: an operation of another's, which still runs, is a failure to the module.
                "delegate_to": wanted.member,
            }
            for name, wanted in settings.instances.items()
        ),
    ]
    return [
        {
            "name": "Daemons",
            "hosts": "all",
            "become": True,
            "tasks": [
                {
                    "name": "Packages",
                    "ansible.builtin.apt": {
                        "name": ["nftables", "dnsmasq-base", "lxd"],
                        "install_recommends": False,
                    },
                },
                {"name": "The socket", "ansible.builtin.systemd": {"name": "lxd.socket", "state": "started"}},
            ],
        },
        {
            "name": "The cluster",
            "hosts": first.name,
            "become": True,
            "tasks": _once("The cluster", "lxc cluster list", "lxd init --preseed", json.dumps(begin)),
        },
        *(_join(first, machine) for machine in machines[1:]),
        {"name": "What is in it", "hosts": first.name, "become": True, "tasks": tasks},
    ]


def _join(first: Machine, machine: Machine) -> dict[str, Any]:
    cluster = {
        "enabled": True,
        "server_name": machine.name,
        "server_address": f"{machine.address}:8443",
        "cluster_token": "{{ token.stdout }}",
    }
    missing = {"when": "there.rc != 0", "no_log": True}
    return {
        "name": f"{machine.name} joins",
        "hosts": machine.name,
        "become": True,
        "tasks": [
            _asked("lxc cluster list"),
            {
                "name": "A token",
                "ansible.builtin.command": f"lxc cluster add {machine.name} --quiet",
                "delegate_to": first.name,
                "register": "token",
                **missing,
            },
            {
                "name": "Join",
                "ansible.builtin.shell": {"cmd": "lxd init --preseed", "stdin": json.dumps({"cluster": cluster})},
                **missing,
            },
        ],
    }


def _asked(question: str) -> dict[str, Any]:
    return {
        "name": "Whether it is there",
        "ansible.builtin.shell": question,
        "register": "there",
        "changed_when": False,
        "failed_when": False,
        "check_mode": False,
    }


def _once(name: str, question: str, command: str, stdin: str | None = None) -> list[dict[str, Any]]:
    """Return the two tasks of a thing that no module knows: asked for, and made where it is not there."""
    words: dict[str, Any] = {"cmd": command} if stdin is None else {"cmd": command, "stdin": stdin}
    return [_asked(question), {"name": name, "ansible.builtin.shell": words, "when": "there.rc != 0"}]
