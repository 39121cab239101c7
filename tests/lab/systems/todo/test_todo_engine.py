"""The todo app by the real engine: what a person sees whose cluster is off. No machine is needed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lab.engine_providers import kubernetes_plugins
from tests.lab.project import shown
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

IMAGE = "registry.example.org/todo@sha256:" + "0" * 64
SETTINGS = {"kubeconfig": "kubeconfig", "context": "trial", "backend": {"image": IMAGE}, "frontend": {"image": IMAGE}}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Yield a stack of the todo app whose cluster is off."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "plugins").symlink_to(kubernetes_plugins())
    made = Workspace.create(
        tmp_path,
        (ROOT / "__main__.py").read_text(),
        name="trial",
        extra_environment={"PYTHONPATH": str(ROOT), "PULUMI_HOME": str(home)},
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
        (made.folder / "kubeconfig").write_text(yaml.safe_dump(content))
        made.configure("hearth:todo", json.dumps(SETTINGS))
        made.configure("hearth:hosts", "{}")
        made.configure_secrets(
            {
                "hearth:todo-auth-secret": "canary-signing-key-0123456789abcdef",
                "hearth:todo-database-url": "postgresql://todo:canary@db.example.org/todo",
            }
        )
        yield made


def test_a_cluster_that_is_off_is_one_error_that_names_the_context_and_nothing_is_begun(workspace: Workspace) -> None:
    answer = workspace.up(check=False)
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


@pytest.mark.parametrize("secrets", [True, False])
def test_a_first_preview_goes_on_without_the_cluster_and_without_secrets_and_shows_what_would_be_made(
    workspace: Workspace, secrets: bool
) -> None:
    if not secrets:
        path = workspace.folder / f"Pulumi.{workspace.stack}.yaml"
        settings = yaml.safe_load(path.read_text())
        settings["config"] = {key: value for key, value in settings["config"].items() if "secret" not in key}
        path.write_text(yaml.safe_dump(settings))
    answer = workspace.preview(check=False)
    printed = shown(answer)
    assert answer.returncode == 0, printed
    assert printed.count("This preview goes on without the cluster") == 1
    assert "can't be reached at https://127.0.0.1" in printed
    for made in ("apps/v1:Deployment", "core/v1:Service", "core/v1:ConfigMap", "batch/v1:Job"):
        assert f"kubernetes:{made}" in printed
    assert "todo-app:todo/todo-frontend" in printed
    assert "canary" not in printed
    assert "Traceback" not in printed
