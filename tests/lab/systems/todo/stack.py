"""Hearth's own program with the todo app alone in its settings, brought up by the engine on the lab's cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checks.result import CheckResult, Status
from checks.todo.app import check_todo
from components.todo.deployed import DeployedTodo
from lab.kubernetes.cluster import Cluster
from tests.lab.lab.cluster_pods import living
from tests.lab.project import shown, went_well
from tests.lab.systems.todo.trial import SECRETS, trial
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

SPACE = "todo-engine"
HOST = "engine.example"
# What comes and goes by itself, later than what it belongs to.
LATE = ("certificatesigningrequests", "ipaddresses", "namespaces", "persistentvolumes")


class Stack:
    """A stack of the todo app; `plugins` is a folder of Pulumi's plugins with the Kubernetes provider."""

    def __init__(self, folder: Path, plugins: Path, cluster: Cluster, images: Mapping[str, str]) -> None:
        home = folder / "pulumi-home"
        home.mkdir(parents=True)
        (home / "plugins").symlink_to(plugins)
        self.cluster, self._images = cluster, images
        self.whole_cluster = self.cluster_wide()
        self.workspace = Workspace.create(
            folder,
            (ROOT / "__main__.py").read_text(),
            name="hearth",
            extra_environment={"PYTHONPATH": str(ROOT), "PULUMI_HOME": str(home)},
        )
        self.workspace.configure("hearth:hosts", "{}")
        for key, value in SECRETS.items():
            self.workspace.configure(f"hearth:{key}", value, secret=True)
        self.settings()

    def settings(self, **values: Any) -> None:
        self.whole = {**trial(self.cluster, self._images, SPACE, HOST), "start-timeout": 240, **values}
        self.workspace.configure("hearth:todo", json.dumps(self.whole))

    def up(self, *flags: str) -> str:
        """Run `pulumi up`, which must go well; return what it printed."""
        return shown(went_well(self.workspace.up(*flags, check=False)))

    def wrong(self) -> list[CheckResult]:
        """Return what does not work of what the stack says that it has."""
        rows = check_todo(DeployedTodo.parse("todo", self.workspace.outputs()["todo"]))
        assert rows
        return [row for row in rows if row.status is Status.FAIL]

    def kubectl(self, *words: str) -> str:
        return self.cluster.kubectl("-n", SPACE, *words, timeout=270).stdout

    def pods(self, part: str) -> set[str]:
        """Return the names of a part's pods that are not on their way out."""
        return {pod["metadata"]["name"] for pod in living(self.kubectl, f"app.kubernetes.io/component={part}")}

    def migrations(self) -> set[str]:
        """Return the migrations' Jobs, each by what is never used twice."""
        return {job["metadata"]["uid"] for job in json.loads(self.kubectl("get", "jobs", "-o", "json"))["items"]}

    def namespaces(self) -> set[str]:
        return set(self.cluster.kubectl("get", "namespaces", "-o", "name").stdout.split())

    def cluster_wide(self) -> set[str]:
        """Return every object of the cluster that is in no namespace."""
        kinds = self.cluster.kubectl("api-resources", "--namespaced=false", "--verbs=list", "-o", "name").stdout.split()
        wanted = ",".join(kind for kind in kinds if kind.partition(".")[0] not in LATE)
        return set(self.cluster.kubectl("get", wanted, "-o", "name", timeout=120).stdout.split())
