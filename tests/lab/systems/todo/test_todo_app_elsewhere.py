"""The todo app's stack on somebody else's computer: in another clone, with another kubeconfig, or with none at all."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab.project import shown
from tests.lab.systems.todo.stack import SPACE, Stack
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT
from toolchain.waiting import as_it_is, wait_until

SECOND_BRAIN = {"host": "brain", "pod": {"backend-image": "registry.example.org/backend:1", "backend-port": 8000}}
BRAIN = {"brain": {"address": "192.0.2.7", "user": "admin"}}


@pytest.fixture
def elsewhere(stack: Stack, tmp_path: Path) -> Workspace:
    """Return the same project and state, where nobody has a kubeconfig."""
    first, folder = stack.workspace, tmp_path / "clone"
    shutil.copytree(first.folder, folder, symlinks=True)
    moved = {name: value.replace(str(first.folder), str(folder)) for name, value in first.environment.items()}
    del moved["KUBECONFIG"]
    home = tmp_path / "home"
    home.mkdir()
    return dataclasses.replace(first, folder=folder, environment={**moved, "HOME": str(home)})


def with_environment(workspace: Workspace, **more: str) -> Workspace:
    return dataclasses.replace(workspace, environment={**workspace.environment, **more})


def steps(workspace: Workspace) -> tuple[dict[str, str], list[str]]:
    """Return kind and name of each resource -> what a preview would do to it, and what it says."""
    answer = workspace.pulumi("preview", "--json", "--show-sames", "--stack", workspace.stack, check=False)
    assert answer.returncode == 0, shown(answer)
    told = json.loads(answer.stdout)
    operations = {named(each["urn"]): each["op"] for each in told["steps"]}
    assert len(operations) == len(told["steps"])
    return operations, [each["message"] for each in told.get("diagnostics", [])]


def named(urn: str) -> str:
    """Return a resource's kind and name: an Ingress and a ConfigMap may have the same."""
    types, _, name = urn.rpartition("::")
    return f"{types.rpartition(':')[2]} {name}"


def values(told: Any) -> list[str]:
    """Return every text in a structure, but for the lines of the program.

    The engine writes them as seen from the project. In a clone they lie inside it; here the program lies elsewhere, and
    how much of its path shows depends on how far apart the two are.
    """
    if isinstance(told, Mapping):
        lines = {key: inner for key, inner in told.items() if key != "sourcePosition"}
        return [text for key, inner in lines.items() for text in (str(key), *values(inner))]
    if isinstance(told, list):
        return [text for inner in told for text in values(inner)]
    return [told] if isinstance(told, str) else []


def test_nothing_of_one_persons_computer_is_in_the_state(stack: Stack) -> None:
    state = stack.workspace.state()
    for path in (ROOT, stack.workspace.folder, stack.cluster.kubeconfig, stack.cluster.kubeconfig.parent):
        assert [text for text in values(state) if str(path) in text] == []
    assert "kubeconfig" not in stack.workspace.outputs()["todo"]


def test_a_preview_without_a_kubeconfig_shows_each_object_and_says_once_what_it_can_not_know(
    stack: Stack, elsewhere: Workspace
) -> None:
    operations, said = steps(elsewhere)
    assert set(operations.values()) == {"same"}
    assert operations.keys() >= {
        f"Deployment todo-app:{SPACE}/todo-backend",
        f"StatefulSet todo-database:{SPACE}/todo-postgresql",
        f"Ingress todo-app:{SPACE}/todo",
        "Job todo-migration",
    }
    assert sum("This preview goes on without the cluster" in each for each in said) == 1
    assert sum('the cluster of the context "hearth-lab"' in each for each in said) == 1
    assert not any("Traceback" in each for each in said)


def test_a_preview_without_a_kubeconfig_shows_what_would_change_and_the_other_systems_too(
    stack: Stack, elsewhere: Workspace
) -> None:
    project = elsewhere.folder / "Pulumi.yaml"
    plugin = {"providers": [{"name": "hearth", "path": str(ROOT / "providers" / "plugin")}]}
    project.write_text(project.read_text().replace('plugins: {"providers": []}', f"plugins: {json.dumps(plugin)}"))
    elsewhere.configure("hearth:hosts", json.dumps(BRAIN))
    elsewhere.configure("hearth:secondbrain", json.dumps(SECOND_BRAIN))
    elsewhere.configure("hearth:todo", json.dumps({**stack.whole, "log-level": "DEBUG"}))
    operations, _ = steps(elsewhere)
    changed = {name for name, operation in operations.items() if operation not in ("same", "create")}
    assert changed == {f"ConfigMap todo-app:{SPACE}/todo", f"Deployment todo-app:{SPACE}/todo-backend"}
    assert "delete" not in operations.values()
    created = {name for name, operation in operations.items() if operation == "create"}
    assert "SecondBrain secondbrain" in created
    assert {name.split(" ")[1].partition("-")[0] for name in created} <= {"secondbrain", "default"}
    # `up` is another matter: it says so, and touches nothing.
    answer = elsewhere.up(check=False)
    assert answer.returncode != 0
    assert 'the cluster of the context "hearth-lab"' in shown(answer)
    assert "kubectl" in shown(answer)


def test_somebody_else_with_another_kubeconfig_sees_no_change_and_runs_the_checks(
    stack: Stack, elsewhere: Workspace, tmp_path: Path
) -> None:
    mine = tmp_path / "my kubeconfig"
    shutil.copy(stack.cluster.kubeconfig, mine)
    theirs = with_environment(elsewhere, KUBECONFIG=str(mine))
    answer = theirs.drift()
    assert answer.returncode == 0, shown(answer)
    command = [sys.executable, "-m", "checks", "--stack", theirs.stack, "--project", str(theirs.folder)]

    def asked() -> subprocess.CompletedProcess[str]:
        environment = dict(theirs.environment)
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False
        )

    # One asks how quick the pages are: the processor may be another test's just then.
    done = wait_until(asked, 120, as_it_is, good=lambda found: found.returncode == 0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 FAIL" in done.stdout


def test_a_kubeconfig_that_the_settings_name_is_found_from_the_projects_folder(
    stack: Stack, elsewhere: Workspace
) -> None:
    shutil.copy(stack.cluster.kubeconfig, elsewhere.folder / "kubeconfig")
    elsewhere.configure("hearth:todo", json.dumps({**stack.whole, "kubeconfig": "kubeconfig"}))
    operations, said = steps(elsewhere)
    # The way to the cluster alone, which replaces nothing.
    changed = {name: operation for name, operation in operations.items() if operation != "same"}
    assert changed == {"kubernetes todo-kubernetes": "update"}
    assert not any("without the cluster" in each for each in said)


@pytest.mark.parametrize("absent", ["~/.kube/of-the-cluster", "/home/somebody/.kube/config", "no such file"])
def test_a_pull_request_that_names_a_kubeconfig_which_is_not_there_is_shown_all_the_same(
    stack: Stack, elsewhere: Workspace, absent: str
) -> None:
    elsewhere.configure("hearth:todo", json.dumps({**stack.whole, "kubeconfig": absent, "log-level": "DEBUG"}))
    operations, said = steps(elsewhere)
    changed = {name: operation for name, operation in operations.items() if operation != "same"}
    assert changed == {
        "kubernetes todo-kubernetes": "update",
        f"ConfigMap todo-app:{SPACE}/todo": "update",
        f"Deployment todo-app:{SPACE}/todo-backend": "update",
    }
    assert sum("This preview goes on without the cluster" in each for each in said) == 1
    assert sum('the cluster of the context "hearth-lab"' in each for each in said) == 1
    assert not any("Traceback" in each for each in said)
