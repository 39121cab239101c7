"""What is written into another program's syntax, read by that program on a machine: systemd, Quadlet's generator.

The tests of the same names in tests/unit use readers of their own, which are as good as their manuals; these are not.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.blocks.quadlet import Container, Form, Group, container_file
from components.blocks.unit_text import path_word, word
from components.lxd.environment import text as environment_text
from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.unit.components.test_syntaxes import lines
from tests.unit.components.test_unit_text import texts

SHOW = '#!/bin/sh\nprintf "%s\\0" "$@" >/root/shown\n'
many = settings(
    max_examples=4,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def reader(machine: MachineFactory) -> Machine:
    made = machine("reader", image="machine-podman")
    made.write("/root/show", SHOW, mode="0755")
    return made


def shown(machine: Machine, command: str) -> list[str]:
    """Have systemd run an `ExecStart=` line that calls /root/show; return the arguments that reached it."""
    # Started so often within ten seconds, systemd would refuse the sixth time.
    text = f"[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart={command}\n"
    machine.write("/run/systemd/system/shown.service", text)
    machine.run("rm -f /root/shown; systemctl daemon-reload && systemctl start shown.service")
    return machine.read("/root/shown").split("\0")[:-1]


@many
@given(st.lists(lines, min_size=40, max_size=40))
def test_systemd_reads_an_environment_file_as_it_was_meant(reader: Machine, values: list[str]) -> None:
    wanted = {f"V{number}": value for number, value in enumerate(values)}
    reader.write("/root/env", environment_text(wanted, "", ()))
    command = "systemd-run --quiet --wait --pipe --collect -p EnvironmentFile=/root/env /usr/bin/env -0"
    found = dict(each.partition("=")[::2] for each in reader.run(command).stdout.split("\0") if each)
    assert {name: value for name, value in found.items() if name in wanted} == wanted


@many
@given(st.lists(texts, min_size=20, max_size=20))
def test_systemd_hands_each_word_of_a_command_on_as_it_was_meant(reader: Machine, values: list[str]) -> None:
    assert shown(reader, " ".join(["/root/show", *map(word, values)])) == values


@many
@given(st.lists(lines.filter(lambda value: value != ""), min_size=20, max_size=20))
def test_systemd_reads_each_path_of_a_list_as_it_was_meant(reader: Machine, names: list[str]) -> None:
    paths = [f"/srv/{number}-{name}".rstrip("/") for number, name in enumerate(names)]
    text = f"[Service]\nExecStart=/bin/true\nReadWritePaths={' '.join(map(path_word, paths))}\n"
    reader.write("/run/systemd/system/paths.service", text)
    place = "/org/freedesktop/systemd1/unit/paths_2eservice org.freedesktop.systemd1.Service ReadWritePaths"
    told = reader.run(f"systemctl daemon-reload; busctl -j get-property org.freedesktop.systemd1 {place}").stdout
    assert set(json.loads(told)["data"]) == set(paths)


@many
@given(
    values=st.lists(texts, min_size=12, max_size=12),
    command=texts.filter(lambda value: value.strip() != ""),
    form=st.sampled_from(Form),
)
def test_quadlet_and_systemd_hand_a_containers_environment_and_health_check_on(
    reader: Machine, values: list[str], command: str, form: Form
) -> None:
    environment = {f"V{number:02}": value for number, value in enumerate(values)}
    container = Container("x", "X", "docker.io/a/b:1", command, environment=environment)
    unit = container_file(container, Group("g", "G", (container,), 30, 5), form)
    reader.run("rm -rf /root/quadlet && mkdir /root/quadlet")
    reader.write("/root/quadlet/x.container", unit.text.replace("Pod=g.pod\n", "").replace("Network=g.network\n", ""))
    generated = reader.run("QUADLET_UNIT_DIRS=/root/quadlet /usr/libexec/podman/quadlet -dryrun").stdout
    (line,) = [each for each in generated.split("\n") if each.startswith("ExecStart=")]
    _, arguments = line.split("/podman run ", 1)
    read = shown(reader, f"/root/show {arguments}")
    given_out = [read[place + 1] for place, each in enumerate(read) if each == "--env"]
    assert sorted(given_out) == [f"{name}={value}" for name, value in environment.items()]
    assert any(each.startswith("--health-cmd") for each in read)
    assert read[-1] == "docker.io/a/b:1"
