"""What lets instances through where Docker has closed forwarding: its program, and where it is laid."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from components.lxd.beside_docker import PROGRAM, UNIT, links_of, program
from tests.needs import needs
from tests.unit.systems.lxd.test_component import build, wished

DOCKERS = "iptables -N DOCKER-USER && iptables -A DOCKER-USER -s 192.0.2.1 -j DROP && iptables -A DOCKER-USER -j RETURN"


def in_a_network_of_its_own(folder: Path, *steps: str) -> list[str]:
    """Run shell commands, `p1` and `p2` being the program for two sets of links; what they print, line by line."""
    for name, links in (("p1", ["lxdbr0", "br0"]), ("p2", ["br0", "x1"])):
        (folder / name).write_text(program(links))
        (folder / name).chmod(0o755)
    command = ["unshare", "--net", "sh", "-c", "\n".join(steps)]
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs("iptables", "iptables")
def test_the_real_iptables_has_exactly_the_rules_and_those_of_others_in_their_order(tmp_path: Path):
    lines = in_a_network_of_its_own(
        tmp_path,
        DOCKERS,
        "iptables -S DOCKER-USER | tail -n +2 >before",
        "p1 held; echo $?",
        "p1 let; p1 let; p1 held; echo $?",
        "iptables -S DOCKER-USER | grep -c ACCEPT",
        "p2 held; echo $?; p2 let; p2 held; echo $?",
        "iptables -S DOCKER-USER | grep ACCEPT | grep -c -e lxdbr0; iptables -S DOCKER-USER | grep -c ACCEPT",
        "iptables -S DOCKER-USER | tail -n 2",
        "p2 end; iptables -S DOCKER-USER | tail -n +2 | cmp - before && echo same; rm before",
    )
    assert lines == [
        *("1", "0", "4", "1", "0", "0", "4"),
        *("-A DOCKER-USER -s 192.0.2.1/32 -j DROP", "-A DOCKER-USER -j RETURN"),
        "same",
    ]


@needs("iptables", "iptables")
def test_without_docker_nothing_is_done(tmp_path: Path):
    steps = "p1 let && p1 held && p1 end; echo $?; iptables -S | grep -c hearth; true"
    assert in_a_network_of_its_own(tmp_path, steps) == ["0", "0"]


def test_each_member_has_it_for_its_own_links_before_its_unit_runs():
    bridges = {"br0": {"members": {"bcn2": {"nic": "eno1", "addresses": ["192.168.9.2/24"]}}}}
    settings = wished(2, bridges=bridges)
    assert (links_of(settings, "bcn1"), links_of(settings, "bcn2")) == (["lxdbr0"], ["lxdbr0", "br0"])
    made = build(settings)
    for member in ("bcn1", "bcn2"):
        unit = made.resources[f"lxd-beside-docker-{member}"]
        assert (unit.inputs["host"], unit.inputs["name"], unit.inputs["running"]) == (member, UNIT, True)
        assert f"lxd-beside-docker-program-{member}" in unit.after
        file = made.resources[f"lxd-beside-docker-program-{member}"]
        assert (file.inputs["path"], file.inputs["content"]) == (PROGRAM, program(links_of(settings, member)))


def test_without_networks_and_bridges_there_is_nothing_to_let_through():
    made = build(wished(1, networks={}, instances={}))
    assert not [name for name in made.resources if "beside-docker" in name]
