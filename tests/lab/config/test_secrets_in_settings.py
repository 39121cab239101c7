"""A secret within a plain key, set by Pulumi's own command: refused with the key to use, and shown nowhere."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.lab.project import shown
from tests.lab.workspace import Workspace, read_yaml
from tests.unit.config.test_every_system import LEAST
from tests.unit.config.test_example import secrets
from toolchain.versions import ROOT

CANARY = "canary-9f3b"
PLACES = [
    # (what is set, what the message says to do instead)
    ("secondbrain.pod.backend-environment.TOKEN", "hearth:secondbrain-backend-environment"),
    ("secondbrain.podmgr.url", "hearth:secondbrain-smb-username or"),
    ("core.postgres.user", "hearth:core-postgres-password"),
    ("core.backend.allowed-hosts[0]", "hearth:core-postgres-password or hearth:core-secret-key"),
    ("todo.registry-login.user", "hearth:todo-registry-password"),
    ("todo.values.backend.extraEnv[1].value", "hearth:todo-auth-secret or"),
    ("maubot.instances.echo.config.token", "hearth:maubot-admin-password or"),
    ("maubot.bots.instagram-bot.displayname", "hearth:maubot-bot-passwords"),
    ("lxd.environment.variables.TOKEN", "hearth:lxd-environment"),
    ("lxd.instances.web.users.ann.keys[0]", "hearth:lxd-environment or hearth:lxd-zerotier-token"),
    ("hosts.brain.address", "it is nothing secret"),
    ("lost[0]", "it is nothing secret"),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Hearth's own program with the least settings of all five systems, right as they are."""
    made = Workspace.create(
        tmp_path_factory.mktemp("secrets"),
        (ROOT / "__main__.py").read_text(),
        name="hearth",
        providers={"hearth": ROOT / "providers" / "plugin"},
        extra_environment={"PYTHONPATH": str(ROOT)},
    )
    (made.folder / "apps").symlink_to(ROOT / "apps")
    path = made.folder / f"Pulumi.{made.stack}.yaml"
    settings = {**read_yaml(path), "config": {f"hearth:{key}": value for key, value in LEAST.items()}}
    # JSON is YAML.
    path.write_text(json.dumps(settings))
    return made


def nothing_shown(workspace: Workspace, *printed: Any) -> None:
    """Assert that the secret is in nothing that was printed, in no state, and in no file of the project."""
    for each in printed:
        assert CANARY not in shown(each)
    assert CANARY not in json.dumps(workspace.state())
    files = [path for path in workspace.folder.rglob("*") if path.is_file() and "apps" not in path.parts]
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []


@pytest.fixture(scope="module")
def refused(workspace: Workspace) -> str:
    """Return what a preview says of a secret in each of the places at once; afterwards the settings are right again."""
    path = workspace.folder / f"Pulumi.{workspace.stack}.yaml"
    before = path.read_text()
    words = ("--stack", workspace.stack, "--path")
    try:
        for place, _ in PLACES:
            if "[1]" in place:  # Pulumi appends to lists, and makes none with a hole
                workspace.pulumi("config", "set", *words, f"hearth:{place.replace('[1]', '[0]')}", "plain")
        workspace.configure_secrets({f"hearth:{place}": CANARY for place, _ in PLACES}, path=True)
        answer = workspace.preview(check=False)
        assert answer.returncode != 0
        nothing_shown(workspace, answer)
        for place, _ in PLACES:  # what the message says, done
            workspace.pulumi("config", "rm", *words, f"hearth:{place}")
        assert "secure" not in path.read_text().partition("encryptionsalt")[0]
    finally:
        path.write_text(before)
    return shown(answer)


@pytest.mark.parametrize(("place", "instead"), PLACES)
def test_it_is_refused_with_the_place_and_the_secret_key_to_use(refused: str, place: str, instead: str) -> None:
    mistakes = re.split(r"(?m)^ +\d+\. ", refused)
    (said,) = (each for each in mistakes if each.startswith(f"hearth:{place} is encrypted"))
    assert f"pulumi config rm --path 'hearth:{place}'" in said
    assert instead in said
    assert "Traceback" not in refused


def test_a_whole_key_that_is_encrypted_is_refused_by_up_too_and_nothing_is_made(workspace: Workspace) -> None:
    path = workspace.folder / f"Pulumi.{workspace.stack}.yaml"
    before = path.read_text()
    try:
        encrypted = json.dumps({**LEAST["core"], "name": CANARY})
        workspace.configure_secrets({f"hearth:{key}": value for key, value in {**secrets(), "core": encrypted}.items()})
        answer = workspace.up(check=False)
        assert answer.returncode != 0
        assert "hearth:core is encrypted" in shown(answer)
        assert "nothing was touched" in shown(answer)
        nothing_shown(workspace, answer)
        made = [
            each["type"] for each in workspace.state().get("resources", []) if each["type"] != "pulumi:pulumi:Stack"
        ]
        assert made == []
    finally:
        path.write_text(before)
