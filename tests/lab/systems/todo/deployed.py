"""The todo app's component, carried out on the lab's cluster, for its tests and the bench."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.todo.component import TodoApp, TodoAppArgs
from config.systems.todo import Todo
from lab.kubernetes.cluster import Cluster
from tests.lab.lab.cluster_pods import living
from tests.lab.systems.todo.kubernetes_applier import Applier
from tests.lab.systems.todo.trial import SECRETS, trial
from tests.lab.systems.todo.visitor import Visitor
from tests.unit.recording import Recorder

SPACE = "todo-component"
HOST = "todo.example"


class CarriedOut:
    """The component on the cluster; `up` carries it out, again and again if need be."""

    def __init__(self, cluster: Cluster, images: Mapping[str, str]) -> None:
        self.cluster, self._images = cluster, images
        self.recorder, self.applier = Recorder(lambda *_: {}), Applier(cluster)

    def up(self, **settings: Any) -> None:
        whole = {
            **trial(self.cluster, self._images, SPACE, HOST),
            "ingress": {"host": HOST, "class-name": "traefik", "address": self.cluster.ingress_address},
            "values": {
                # Its data is its pod's: it stays on the node that is never drained.
                "postgresql": {"nodeSelector": {"kubernetes.io/hostname": self.cluster.nodes[0].name}},
                # The checks wait for what a probe finds out, twice; the chart's own 10 s are no better tried.
                "backend": {"probes": {"liveness": {"periodSeconds": 4}}},
            },
            **settings,
        }
        self.applier = Applier(self.cluster)

        def program() -> None:
            secrets = {key: pulumi.Output.secret(value) for key, value in SECRETS.items()}
            TodoApp("todo", TodoAppArgs(Todo.model_validate(whole), secrets=secrets))

        self.recorder = Recorder(self.applier).run(program)

    def down(self, *, wait: bool = True) -> None:
        """Take it away, with all that is in its namespace; pods take most of a minute to end in good order."""
        self.cluster.kubectl("delete", "namespace", SPACE, f"--wait={str(wait).lower()}", timeout=200)

    @property
    def output(self) -> dict[str, Any]:
        return self.recorder.outputs["todo"]["deployed"]

    def kubectl(self, *words: str, timeout: float = 330) -> str:
        return self.cluster.kubectl("-n", SPACE, *words, timeout=timeout).stdout

    def pods(self, part: str) -> list[dict[str, Any]]:
        return living(self.kubectl, f"app.kubernetes.io/component={part}")

    def visitor(self, email: str) -> Visitor:
        """Somebody with an account."""
        return Visitor(self.cluster.ingress_address, HOST).signed_up(email)
