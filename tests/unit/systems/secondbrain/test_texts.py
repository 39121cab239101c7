"""The texts of the SecondBrain host: fstab, credentials, scripts and podmgr's definition."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.blocks.fstab import CifsMount, cifs_block, cifs_line, credentials, unit_of
from components.secondbrain import podmgr
from components.secondbrain.scripts import COMMANDS, PACKAGES, remove_old, require_script, stop_old
from tests.unit.components.test_quadlet import GROUP
from tests.unit.components.unit_reader import assignments
from toolchain.versions import ROOT

MOUNT = CifsMount(
    server="WINDOWS-HOST",
    share="SHARE-NAME",
    mount_point="/mnt/PersonalAssistantHub",
    credentials_file="/etc/samba/credentials.secondbrain",
    uid=990,
    gid=985,
)
HEALTH = {"brain-ollama": podmgr.HttpHealth(11434, "/"), "brain-backend": podmgr.HttpHealth(8000, "/health")}
STAND_IN = ROOT / "lab" / "systems" / "secondbrain" / "podmgr-stand-in"


def test_the_line_has_every_option_of_the_task_list_in_its_order():
    options = (
        "credentials=/etc/samba/credentials.secondbrain,uid=990,gid=985,file_mode=0640,dir_mode=0750,"
        "soft,_netdev,x-systemd.automount,nofail,echo_interval=10"
    )
    assert cifs_line(MOUNT) == f"//WINDOWS-HOST/SHARE-NAME /mnt/PersonalAssistantHub cifs {options},ro 0 0"


def test_a_share_that_may_be_written_is_not_read_only():
    assert cifs_line(replace(MOUNT, read_only=False)).split()[3].endswith("nofail,echo_interval=10")


def test_a_port_and_an_ipv6_server_are_written_as_mount_cifs_reads_them():
    line = cifs_line(replace(MOUNT, server="fd00::1", port=1445))
    assert line.startswith("//[fd00::1]/SHARE-NAME ")
    assert "port=1445" in line


def test_the_block_explains_each_option_and_holds_one_line():
    lines = cifs_block(MOUNT).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [cifs_line(MOUNT)]
    assert all(any(option in line for line in lines[:-1]) for option in ("soft", "_netdev", "nofail", "uid", "ro"))


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/mnt/PersonalAssistantHub", "mnt-PersonalAssistantHub.automount"),
        ("/mnt/my-share", "mnt-my\\x2dshare.automount"),
        ("/srv/.hidden/ü", "srv-.hidden-\\xc3\\xbc.automount"),
    ],
)
def test_a_path_becomes_the_units_name(path: str, unit: str):
    assert unit_of(path, "automount") == unit


@pytest.mark.parametrize("path", ["/mnt/PersonalAssistantHub", "/mnt/my-share", "/.x/y", "/a b/c", "/srv/.hidden/ü"])
def test_the_name_is_the_one_that_systemd_itself_gives(path: str):
    if shutil.which("systemd-escape") is None:
        pytest.skip("systemd-escape is not installed here")
    said = subprocess.run(["systemd-escape", "--path", path], capture_output=True, text=True, check=True).stdout.strip()
    assert unit_of(path, "mount") == f"{said}.mount"


def test_credentials_are_three_lines():
    assert credentials("u", "p w", "WORKGROUP") == "username=u\npassword=p w\ndomain=WORKGROUP\n"


def test_a_secret_of_two_lines_is_refused_without_being_shown():
    with pytest.raises(ValueError, match="password must be one line") as caught:
        credentials("u", "canary\nx", "d")
    assert "canary" not in str(caught.value)


def shell(text: str, folder: Path, *, interpreter: str = "sh") -> subprocess.CompletedProcess[str]:
    """Run a text with the programs in `folder` alone, and a shell's own."""
    return subprocess.run(
        [shutil.which(interpreter) or interpreter, "-c", text],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(folder), "HOME": str(folder)},
    )


def program(folder: Path, name: str, text: str = "exit 0") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_missing_prerequisites_are_named_and_nothing_is_done(tmp_path: Path):
    apply, check = require_script(COMMANDS, PACKAGES)
    for name in COMMANDS:
        program(tmp_path, name)
    assert shell(check, tmp_path).returncode == 0
    assert shell(apply, tmp_path).returncode == 0
    (tmp_path / "machinectl").unlink()
    (tmp_path / "podman").unlink()
    assert shell(check, tmp_path).returncode == 1
    done = shell(apply, tmp_path)
    assert done.returncode == 1
    assert "missing on this machine: podman machinectl" in done.stderr
    assert "apt-get install podman" in done.stderr


PODMAN = """\
log() { echo "$@" >> "$HOME/log"; }
case "$1 $2" in
"container exists") [ -e "$HOME/box-$3" ] ;;
"container inspect") while read -r state; do echo "$state"; done < "$HOME/box-$5" ;;
"image exists") [ -e "$HOME/image" ] ;;
"stop "*) log "$@"; echo false > "$HOME/box-$2" ;;
"start "*) log "$@"; echo true > "$HOME/box-$2" ;;
*) log "$@" ;;
esac"""


def old_user(folder: Path, **containers: str) -> Path:
    """Return a podman whose containers are files, which hold whether they run."""
    program(folder, "podman", PODMAN)
    for name, running in containers.items():
        (folder / f"box-{name}").write_text(f"{running}\n")
    return folder


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines() if (folder / "log").exists() else []


def test_old_containers_are_stopped_backend_first_and_started_again_by_undo(tmp_path: Path):
    machine = old_user(tmp_path, backend="true", ollama="true")
    apply, check, undo = stop_old(["backend", "ollama"])
    assert shell(check, machine).returncode == 1
    assert shell(apply, machine).returncode == 0
    assert shell(check, machine).returncode == 0
    assert shell(undo, machine).returncode == 0
    assert log(machine) == ["stop backend", "stop ollama", "start backend", "start ollama"]


def test_old_containers_that_are_gone_are_no_matter(tmp_path: Path):
    machine = old_user(tmp_path)
    apply, check, undo = stop_old(["backend", "ollama"])
    assert [shell(text, machine).returncode for text in (check, apply, undo)] == [0, 0, 0]
    assert log(machine) == []


def test_old_containers_are_removed_and_the_image_only_if_asked(tmp_path: Path):
    machine = old_user(tmp_path, backend="false")
    (tmp_path / "image").touch()
    apply, check = remove_old(["backend", "ollama"], None)
    assert shell(check, machine).returncode == 1
    assert shell(apply, machine).returncode == 0
    assert log(machine) == ["rm --force --ignore backend", "rm --force --ignore ollama"]
    (tmp_path / "box-backend").unlink()
    assert shell(check, machine).returncode == 0
    apply, check = remove_old(["backend", "ollama"], "localhost/secondbrain/backend:latest")
    assert shell(check, machine).returncode == 1
    shell(apply, machine)
    assert log(machine)[-1] == "rmi localhost/secondbrain/backend:latest"


def test_podmgrs_definition_has_what_the_task_list_names():
    found = yaml.safe_load(podmgr.pod_yaml(GROUP, HEALTH))
    assert (found["name"], found["restart_policy"]) == ("brain", "always")
    assert list(found["services"]) == ["ollama", "backend"]
    assert found["services"]["backend"]["depends_on"] == ["ollama"]
    assert found["services"]["backend"]["health"] == {"type": "http", "port": 8000, "path": "/health"}
    assert found["services"]["ollama"]["volumes"] == ["/var/lib/brain/ollama:/root/.ollama"]


def test_podmgrs_definition_has_further_groups_and_a_health_command():
    by_command = {**HEALTH, "brain-backend": podmgr.CommandHealth("python3 -c 'ask()'")}
    found = yaml.safe_load(podmgr.pod_yaml(GROUP, by_command))["services"]
    assert found["backend"]["groups"] == ["0"]
    assert found["backend"]["health"] == {"type": "command", "command": "python3 -c 'ask()'"}
    assert "groups" not in found["ollama"]


def stand_in(code: str, text: str) -> str:
    """Return what a line of Python prints with the stand-in for podmgr at hand and a text on its standard input."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=STAND_IN, input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(
    "value",
    [
        "true",
        "12",
        "\u00b2",
        "a: b # c",
        'it\'s "50%" of $HOME \\n',
        "[ -e /tmp/x ] && exit 0 || exit 1; " * 20,
        "- \u00fc \x85 \u2028 \U0001f600",
        " blanks ",
    ],
)
def test_the_stand_in_reads_the_definition_as_yaml_does(value: str):
    group = replace(GROUP, containers=(GROUP.containers[0], replace(GROUP.containers[1], environment={"A": value})))
    text = podmgr.pod_yaml(group, {**HEALTH, "brain-backend": podmgr.CommandHealth(value)})
    code = "import json, sys; from podmgr.definition import validated; print(json.dumps(validated(sys.stdin.read())))"
    found = yaml.safe_load(text)
    assert json.loads(stand_in(code, text)) == found
    assert found["services"]["backend"]["health"]["command"] == value


def test_the_stand_in_hands_health_command_groups_and_environment_to_quadlet():
    command = "[ \"$A\" = '100%' ]"
    text = podmgr.pod_yaml(GROUP, {**HEALTH, "brain-backend": podmgr.CommandHealth(command)})
    code = (
        "import json, sys; from podmgr.definition import validated; from podmgr.units import units; "
        "print(json.dumps(units(validated(sys.stdin.read()))))"
    )
    unit = json.loads(stand_in(code, text))["brain-backend.container"]
    read = {(key, value) for _, key, value in assignments(unit)}
    assert {("PodmanArgs", "--group-add=0"), ("Notify", "healthy")} <= read
    health = next(value for key, value in read if key == "HealthCmd")
    # As systemd hands it on, and as the shell in the container then reads it.
    assert shlex.split(health.replace("%%", "%").replace("$$", "$")) == ["eval", command]


def test_podmgr_is_driven_by_the_commands_of_the_task_list_in_their_order():
    lines = podmgr.apply_script(GROUP, "/var/lib/brain/brain-pod.yaml", "name: brain").splitlines()
    assert "source /opt/podmgr/.venv/bin/activate" in lines
    assert [line for line in lines if line.startswith("podmgr ")] == [
        "podmgr --version",
        'podmgr config validate "$file"',
        'podmgr pod init "$file"',
        "podmgr pod start brain",
    ]
    assert 'if [ "$waited" -ge 90 ]; then' in "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        podmgr.apply_script(GROUP, "/a b/c.yaml", "x"),
        podmgr.check_script(GROUP, "/a b/c.yaml", "x"),
        podmgr.undo_script(GROUP, "/a b/c.yaml"),
    ],
    ids=["apply", "check", "undo"],
)
def test_podmgrs_scripts_are_valid_bash(text: str):
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_another_definition_image_or_secret_is_another_mark_so_that_the_pod_is_made_anew():
    marks = [podmgr.digest(*parts) for parts in (("a",), ("b",), ("a", "c"), ("a", "d"), ("ac",), ("a", "c", "d"))]
    assert len(set(marks)) == len(marks)
    assert len({podmgr.check_script(GROUP, "/c.yaml", mark) for mark in marks}) == len(marks)
