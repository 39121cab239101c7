"""The todo app's settings by the real engine: what a person sees whose cluster is off. No machine is needed."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import yaml

from tests.lab.project import shown
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

IMAGE = "registry.example.org/todo@sha256:" + "0" * 64
SETTINGS = {"kubeconfig": "kubeconfig", "context": "trial", "backend": {"image": IMAGE}, "frontend": {"image": IMAGE}}


@pytest.mark.parametrize("command", ["preview", "up"])
def test_a_cluster_that_is_off_is_one_error_that_names_the_context_and_nothing_is_begun(
    tmp_path: Path, command: str
) -> None:
    workspace = Workspace.create(
        tmp_path, (ROOT / "__main__.py").read_text(), name="trial", extra_environment={"PYTHONPATH": str(ROOT)}
    )
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        cluster = {"name": "a", "cluster": {"server": f"https://127.0.0.1:{nobody.getsockname()[1]}"}}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": "a", "user": {"token": "canary-token"}}],
            "contexts": [{"name": "trial", "context": {"cluster": "a", "user": "a"}}],
        }
        (workspace.folder / "kubeconfig").write_text(yaml.safe_dump(content))
        workspace.configure("hearth:todo", json.dumps(SETTINGS))
        workspace.configure("hearth:hosts", "{}")
        for key, value in (
            ("todo-auth-secret", "canary-signing-key-0123456789abcdef"),
            ("todo-database-url", "postgresql://todo:canary@db.example.org/todo"),
        ):
            workspace.pulumi("config", "set", "--secret", "--stack", workspace.stack, f"hearth:{key}", value)
        answer = getattr(workspace, command)(check=False)
    printed = shown(answer)
    assert answer.returncode != 0, printed
    # `up` shows it while it runs, and once more at the end.
    told = printed.partition("Diagnostics:")[2] or printed
    assert told.count("error: ") == told.count('the cluster of the context "trial"') == 1, printed
    assert "can't be reached at https://127.0.0.1" in printed
    assert "nothing was touched" in printed
    assert "What to do: see what answers: kubectl" in printed
    assert "Traceback" not in printed
    assert "canary" not in printed
    state = workspace.state().get("resources") or []
    assert [each["type"] for each in state if each["type"] != "pulumi:pulumi:Stack"] == []
