"""Settings that would hurt a machine, through plain Pulumi: each is named, all at once, and no machine is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.config.test_previews import project
from tests.lab.project import shown
from tests.lab.workspace import Workspace, read_yaml
from tests.unit.config.test_every_system import DNS, LEAST
from tests.unit.config.test_refusals import merged

NOWHERE = {"hosts/brain/address": "192.0.2.7", "hosts/pi/address": "192.0.2.8", "hosts/vps/address": "192.0.2.9"}
"""Addresses that nothing answers at: who asked there would wait."""
TOGETHER: list[dict[str, Any]] = [
    {
        "secondbrain/account/name": "root",
        "secondbrain/account/home": "/etc",
        "secondbrain/share/mount-point": "/etc/ssh",
        "secondbrain/share/credentials-file": "/etc/sudoers",
        "secondbrain/pod/backend-image": "secondbrain/backend:latest",
        "secondbrain/pod/backend-port": True,
        "maubot/backup/folder": "/var/lib/maubot",
        "lxd/environment/path": "/etc/passwd",
        "hosts/pi/address": "pi:22",
    },
    {
        "secondbrain/account/name": "sshd",
        "secondbrain/account/home": "/home",
        "secondbrain/share/mount-point": "/home/admin",
        "secondbrain/share/credentials-file": "/etc/samba/a,uid=0,file_mode=0777,rw",
        "secondbrain/pod/name": "_x",
        "lxd/dns": {**DNS, "clients": ["0.0.0.0/0"]},
        "maubot/port": 80,
    },
    {"secondbrain/account/home": "/", "secondbrain/share/credentials-file": "/tmp/cred"},
    # Who logs in there, and what two systems want: seen together, so only where each by itself is right.
    {"secondbrain/account/name": "ann"},
    {"maubot/host": "brain", "secondbrain/share/mount-point": "/var/backups/maubot"},
]
PLACES = [
    *({each.replace("/", ".") for each in changes} - {"maubot.host", "lxd.dns"} for changes in TOGETHER[:4]),
    {"maubot.backup.folder"},
]
PLACES[1].add("lxd.dns.clients[0]")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return project(tmp_path_factory.mktemp("wrong") / "project")


def configure(workspace: Workspace, changes: dict[str, Any]) -> None:
    path: Path = workspace.folder / f"Pulumi.{workspace.stack}.yaml"
    values = merged({key: LEAST[key] for key in ("hosts", "secondbrain", "maubot", "lxd")}, NOWHERE | changes)
    settings = {**read_yaml(path), "config": {f"hearth:{key}": value for key, value in values.items()}}
    path.write_text(yaml.safe_dump(settings))


@pytest.mark.parametrize(("changes", "places"), list(zip(TOGETHER, PLACES, strict=True)))
def test_it_is_refused_before_any_connection_with_every_mistake(
    workspace: Workspace, changes: dict[str, Any], places: set[str]
) -> None:
    configure(workspace, changes)
    answer = workspace.up(check=False)
    printed = shown(answer)
    assert answer.returncode != 0
    assert [place for place in places if f"hearth:{place} " not in printed] == [], printed
    assert "nothing was touched" in printed
    assert "What to do:" in printed
    assert "Traceback" not in printed
    made = {each["type"] for each in workspace.state().get("resources", [])}
    assert made <= {"pulumi:pulumi:Stack"}, json.dumps(sorted(made))
