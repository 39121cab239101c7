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
from tests.lab.support import until
from tests.lab.systems.todo.trial import SECRETS, trial
from tests.lab.systems.todo.visitor import Visitor
from tests.lab.workspace import Workspace
from toolchain.versions import ROOT

SPACE = "todo-engine"
HOST = "engine.example"
# What comes and goes by itself, later than what it belongs to, and what a second node brings that joins meanwhile.
LATE = ("certificatesigningrequests", "csinodes", "ipaddresses", "namespaces", "nodes", "persistentvolumes")


class Stack:
    """A stack of the todo app; `plugins` is a folder of Pulumi's plugins with the Kubernetes provider."""

    def __init__(
        self,
        folder: Path,
        plugins: Path,
        cluster: Cluster,
        images: Mapping[str, str],
        space: str = SPACE,
        host: str = HOST,
    ) -> None:
        home = folder / "pulumi-home"
        home.mkdir(parents=True)
        (home / "plugins").symlink_to(plugins)
        self.cluster, self.space, self.host = cluster, space, host
        self.whole_cluster = self.cluster_wide()
        self.workspace = Workspace.create(
            folder,
            (ROOT / "__main__.py").read_text(),
            name="hearth",
            extra_environment={
                "PYTHONPATH": str(ROOT),
                "PULUMI_HOME": str(home),
                # No setting says where it is, as it is elsewhere for each person.
                "KUBECONFIG": str(cluster.kubeconfig),
            },
        )
        self.workspace.configure("hearth:hosts", "{}")
        self.workspace.configure_secrets({f"hearth:{key}": value for key, value in SECRETS.items()})
        self.whole = trial(cluster, images, space, host)
        self.settings()

    def settings(self, **values: Any) -> None:
        """Change settings, for the next `up`."""
        self.whole = {**self.whole, **values}
        self.workspace.configure("hearth:todo", json.dumps(self.whole))

    def gone(self) -> None:
        """Destroy what a test did not."""
        if self.workspace.state().get("resources"):
            self.workspace.destroy(check=False)

    def up(self, *flags: str) -> str:
        """Run `pulumi up`, which must go well; return what it printed."""
        return shown(went_well(self.workspace.up(*flags, check=False)))

    def change(self, **values: Any) -> str:
        """Change settings, and `pulumi up`."""
        self.settings(**values)
        return self.up()

    def checked(self, *, disruptive: bool = False) -> list[CheckResult]:
        """Return what the checks say of what the stack says that it has."""
        deployed = DeployedTodo.parse("todo", self.workspace.outputs()["todo"])
        return check_todo(deployed, disruptive, kubeconfig=self.cluster.kubeconfig)

    def wrong(self) -> list[CheckResult]:
        """Return what does not work."""
        rows = self.checked()
        assert rows
        return [row for row in rows if row.status is Status.FAIL]

    def kubectl(self, *words: str) -> str:
        return self.cluster.kubectl("-n", self.space, *words, timeout=330).stdout

    def objects(self, *words: str) -> list[dict[str, Any]]:
        """Return what kubectl gets, in its full length."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))["items"]

    def living(self, part: str) -> list[dict[str, Any]]:
        """Return a part's pods that are not on their way out."""
        return living(self.kubectl, f"app.kubernetes.io/component={part}")

    def pods(self, part: str) -> set[str]:
        """Their names."""
        return {pod["metadata"]["name"] for pod in self.living(part)}

    def replaced(self, part: str, before: set[str]) -> set[str]:
        """Wait until none of a part's pods is one of these; their names.

        A deployment is done when the new pods are ready: the last of the old ones may still wait for its end.
        """
        until(lambda: not before & self.pods(part), f"none of {sorted(before)} is there any more", 120)
        return self.pods(part)

    def migrations(self) -> set[str]:
        """Return the migrations' Jobs, each by what is never used twice."""
        return {job["metadata"]["uid"] for job in self.objects("jobs")}

    def visitor(self, email: str) -> Visitor:
        """Somebody with an account."""
        return Visitor(self.cluster.ingress_address, self.host).signed_up(email)

    def database_lets_in(self, password: str) -> bool:
        """Return whether the database takes a password over the network; from its own loopback it asks for none."""
        command = 'PGPASSWORD=$(cat) psql -X -w -h "$(hostname -i)" -U todo -d todo -c "SELECT 1"'
        words = ("exec", "-i", "todo-postgresql-0", "-c", "postgresql", "--", "sh", "-c", command)
        return self.cluster.kubectl("-n", self.space, *words, stdin=password, check=False, timeout=60).ok

    def namespaces(self) -> set[str]:
        return set(self.cluster.kubectl("get", "namespaces", "-o", "name").stdout.split())

    def cluster_wide(self) -> set[str]:
        """Return every object of the cluster that is in no namespace."""
        kinds = self.cluster.kubectl("api-resources", "--namespaced=false", "--verbs=list", "-o", "name").stdout.split()
        wanted = ",".join(kind for kind in kinds if kind.partition(".")[0] not in LATE)
        return set(self.cluster.kubectl("get", wanted, "-o", "name", timeout=120).stdout.split())
