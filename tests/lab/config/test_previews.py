"""A preview needs the repository and the state, nothing else: no passphrase, no file of secrets, nobody's own files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import stack_file
from tests.lab.project import shown, went_well
from tests.lab.workspace import Workspace, read_yaml
from tests.unit.config.test_every_system import LEAST
from tests.unit.config.test_example import secrets
from toolchain.stack.environment import pulumi_environment
from toolchain.stack.unreadable import ready_for_preview
from toolchain.versions import ROOT

SYSTEMS = ("secondbrain", "maubot", "lxd")
"""Those that need no provider but Hearth's own."""
CANARY = "canary-5e11"


def project(folder: Path, **more: Any) -> Workspace:
    """Return Hearth's own program with the least settings of these systems."""
    made = Workspace.create(
        folder,
        (ROOT / "__main__.py").read_text(),
        name="hearth",
        providers={"hearth": ROOT / "providers" / "plugin"},
        extra_environment={"PYTHONPATH": str(ROOT)},
    )
    (folder / "apps").symlink_to(ROOT / "apps")
    path = folder / f"Pulumi.{made.stack}.yaml"
    values = {key: LEAST[key] for key in ("hosts", *SYSTEMS)} | more
    settings = {**read_yaml(path), "config": {f"hearth:{key}": each for key, each in values.items()}}
    path.write_text(yaml.safe_dump(settings))
    return made


def systems_in(printed: str) -> set[str]:
    return {key for key in SYSTEMS if f"hearth:{key}:" in printed}


def test_a_fork_without_the_passphrase_sees_what_would_change_and_that_its_secrets_are_unknown(tmp_path: Path) -> None:
    own = project(tmp_path / "own")
    given = {key: value for key, value in secrets().items() if key.startswith(SYSTEMS)}
    given |= {"secondbrain-smb-password": CANARY, "maubot-bot-passwords": f"instagram-bot={CANARY}"}
    own.configure_secrets({f"hearth:{key}": value for key, value in given.items()})
    with_secrets = went_well(own.preview(check=False))
    assert systems_in(shown(with_secrets)) == set(SYSTEMS)
    assert "encryptionsalt" in (own.folder / "Pulumi.dev.yaml").read_text()

    fork = tmp_path / "fork"
    shutil.copytree(own.folder, fork, symlinks=True, ignore=shutil.ignore_patterns(".state"))
    # As pulumi/actions runs it there: the secret of the repository is an empty text.
    environment = {
        **pulumi_environment(fork, own_state=True),
        "PYTHONPATH": str(ROOT),
        "PULUMI_CONFIG_PASSPHRASE": "",
    }
    environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    (fork / ".state").mkdir()
    elsewhere = Workspace(fork, environment, own.stack)
    assert elsewhere.pulumi("stack", "select", "--create", own.stack, check=False).returncode != 0 or (
        elsewhere.preview(check=False).returncode != 0
    ), "the salt alone stops it: so the settings are readied"
    gone = ready_for_preview(fork / f"Pulumi.{own.stack}.yaml", environment)
    assert gone is not None
    assert {key.removeprefix("hearth:") for key in gone} == given.keys()
    elsewhere.pulumi("stack", "select", "--create", own.stack)
    answer = went_well(elsewhere.preview(check=False))
    printed = shown(answer)
    assert systems_in(printed) == set(SYSTEMS)
    assert CANARY not in printed
    assert printed.count("hearth:secondbrain-smb-password is missing") == 1
    assert "Traceback" not in printed


@pytest.mark.parametrize("name", ["~/nowhere/secrets.json", "nowhere/secrets.json"])
def test_a_file_of_secrets_that_is_not_there_is_said_once(tmp_path: Path, name: str) -> None:
    more = {"secrets-file": name, "ssh-config": "~/nowhere/ssh_config"}
    answer = went_well(project(tmp_path / "project", **more).preview(check=False))
    printed = shown(answer)
    assert systems_in(printed) == set(SYSTEMS)
    assert printed.count("hearth:secrets-file") == 1
    assert "are unknown" in printed


def test_settings_for_all_stacks_count_for_the_checks_as_they_do_for_the_program(tmp_path: Path) -> None:
    made = project(tmp_path / "project")
    whole = made.folder / "Pulumi.yaml"
    hosts = {"whole": {"address": "192.0.2.9", "port": 2222}}
    file = made.folder / f"Pulumi.{made.stack}.yaml"
    settings = read_yaml(file)
    del settings["config"]["hearth:hosts"]
    file.write_text(yaml.safe_dump(settings))
    whole.write_text(yaml.safe_dump({**read_yaml(whole), "config": {"hearth:hosts": {"value": hosts}}}))
    told = went_well(made.pulumi("config", "--json"))
    assert json.loads(told.stdout)["hearth:hosts"]["objectValue"] == hosts
    program = (
        "import pathlib, sys; from checks.stack import *; s = settings_of(pathlib.Path(sys.argv[1]), sys.argv[2])\n"
    )
    program += "print(machines_of(s, '').hosts['whole'].port, sorted(written_of(s)))"
    command = [sys.executable, "-c", program, str(made.folder), made.stack]
    answer = subprocess.run(command, cwd=ROOT, env=made.environment, capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == f"2222 {sorted(SYSTEMS)}", shown(answer)


PLAIN = """\
    a: on
    b: no
    c: 010
    d: 1e3
    e: 03:15
    f: 1:20
    g: 0x1F
    h: 1_000
    i: ~
    j:
    k: yes
    l: 0o17
    m: .5
    n: 5.10
    o: True
    p: y
    q: 8000.0
    r: 0b11
    s: "010"
    t: -0
    u: [on, 1:20, {off: Yes}]
    on: key
    no: key
"""


def test_a_stacks_file_is_read_as_the_engine_reads_it(tmp_path: Path) -> None:
    made = Workspace.create(tmp_path / "words", "", name="words")
    path = made.folder / f"Pulumi.{made.stack}.yaml"
    path.write_text(f"{path.read_text() if path.exists() else ''}\nconfig:\n  words:all:\n{PLAIN}")
    told = went_well(made.pulumi("config", "--json"))
    assert stack_file.settings(path)["words:all"] == json.loads(told.stdout)["words:all"]["objectValue"]
