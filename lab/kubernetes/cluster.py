"""The lab's Kubernetes cluster: made on lab machines, asked by its own kubectl and helm."""

from __future__ import annotations

import functools
import io
import json
import os
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.docker import cli
from lab.errors import LabError
from lab.kubernetes import build, certificates, node_files
from lab.kubernetes.node_files import CONTROL_UNITS, FOLDER, NODE_UNITS, Node
from lab.kubernetes.node_options import NODE_IMAGE
from lab.locks import machine_lock
from lab.ssh_files import write_private
from toolchain.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from lab.docker.cli import Result
    from lab.machine import Machine
    from lab.maker import Maker

KUBECONFIG = "kubeconfig"
CACHE = "kubernetes-cache"
START_SECONDS = 300
READY_SECONDS = 600
NODE_NAME = "kube"
MANIFESTS = Path(__file__).parent / "manifests"


class Cluster:
    """A Kubernetes cluster of one or two nodes (more work as well). Made by `Lab.kubernetes`; gone with `Lab.down`."""

    def __init__(self, lab: Maker, programs: Path, nodes: list[Machine]) -> None:
        self._lab = lab
        self.programs = programs
        """The folder of Kubernetes' own programs, with kubectl and helm."""
        self.nodes = nodes
        """The machines `kube1`, `kube2`, ...; the first runs the control plane as well."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig (0600), context `hearth-lab`; it goes with the lab."""
        return self._lab.folder / KUBECONFIG

    @property
    def ingress_address(self) -> str:
        """Where the ingress controller answers HTTP, as `IP:port`, from this machine."""
        return f"{self.nodes[0].address}:80"

    @property
    def ingress_tls_address(self) -> str:
        """Where it answers HTTPS: with the certificate of an Ingress, for the name that is asked for."""
        return f"{self.nodes[0].address}:443"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which kubectl and helm find this cluster, and leave nothing in the user's home."""
        cache = self._lab.folder / CACHE
        own = {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(cache / "kubectl"), "NO_PROXY": "*"}
        own |= {f"HELM_{kind}_HOME": str(cache / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        path = f"{self.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, **own, "no_proxy": "*", "PATH": path}

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = 120) -> Result:
        """Run the cluster's own kubectl as its administrator; `timeout` in seconds. Raises EngineError with `check`."""
        return self._run("kubectl", arguments, stdin, check, timeout)

    def helm(self, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = 300) -> Result:
        """Run the pinned helm as the cluster's administrator."""
        return self._run("helm", arguments, stdin, check, timeout)

    def _run(self, name: str, arguments: tuple[str, ...], stdin: str | None, check: bool, timeout: float) -> Result:
        command = [str(self.programs / name), *arguments]
        return cli.run(command, stdin=stdin, check=check, timeout=timeout, env=self.environment)

    def add_node(self) -> Machine:
        """Make a further machine, let it join with a range of pods of its own, and wait until it is ready."""
        number = len(self.nodes) + 1
        machine = self._lab.machine(f"{NODE_NAME}{number}", image=NODE_IMAGE, users=())
        self.nodes = [*self.nodes, machine]
        self._install_node(machine, self._authority())
        for other in self.nodes[:-1]:
            # The others learn the way to its pods.
            self._write_environment(other)
            other.run("/bin/sh -c 'set -a; . /etc/kubernetes/node.env; exec /usr/local/lib/hearth-lab/prepare-node'")
        self.wait_until_ready()
        return machine

    def wait_until_ready(self, timeout: float = READY_SECONDS) -> None:
        """Wait until each node is Ready and so is everything of kube-system; raise LabError with what is not."""

        def not_ready(missing: list[str]) -> NoReturn:
            raise LabError(
                f"The cluster was not ready within {timeout:g} s: {'; '.join(missing)}. It is left as it is: look "
                f"with `KUBECONFIG={self.kubeconfig} kubectl describe`, or on the machine kube1 with journalctl."
            )

        wait_until(self._missing, timeout, not_ready, good=lambda missing: not missing)

    def node_states(self) -> dict[str, str]:
        """Return each node's state, `Ready` or `NotReady`; nothing where the API server does not answer."""
        if not (self.programs / "kubectl").exists():
            # Made by another state of the lock files, whose programs are elsewhere or gone.
            return {}
        answer = self.kubectl("get", "nodes", "-o", "json", "--request-timeout=5s", check=False)
        items: list[dict[str, Any]] = json.loads(answer.stdout)["items"] if answer.ok else []
        count = len(self.nodes)
        return {item["metadata"]["name"]: "Ready" if _is_ready(item, count) else "NotReady" for item in items}

    def _missing(self) -> list[str]:
        answer = self.kubectl(
            "get", "nodes,deployments,daemonsets", "--namespace", "kube-system", "-o", "json", check=False
        )
        if not answer.ok:
            return [answer.stderr.strip()[-300:]]
        items: list[dict[str, Any]] = json.loads(answer.stdout)["items"]
        found = [f"{item['kind']} {item['metadata']['name']}" for item in items if not _is_ready(item, len(self.nodes))]
        there = {item["metadata"]["name"] for item in items}
        wanted = [*(machine.name for machine in self.nodes), "coredns", "traefik"]
        return found + [f"{name} (not there yet)" for name in wanted if name not in there]

    # How it is made

    def prepare(self) -> None:
        """Make what is missing of the control plane, the nodes and the system's pods."""
        first = self.nodes[0]
        known = first.exists(f"{FOLDER}/pki/ca.key") and self.kubeconfig.exists()
        authority = self._authority() if known else certificates.make_authority()
        server = node_files.server_url(first.address)
        if not known:
            admin = certificates.issue(authority, "hearth-lab", groups=["system:masters"])
            _put(first, node_files.control_plane_files(self._node(first), authority, server))
            write_private(self.kubeconfig, certificates.kubeconfig(server, authority.public, admin, "hearth-lab"))
            self._write_environment(first)
            first.run(f"systemctl enable --now --no-block {' '.join(CONTROL_UNITS)}", timeout=START_SECONDS)
        with ThreadPoolExecutor(4, thread_name_prefix="lab-nodes") as pool:
            # Its kubelet asks the API server, which is getting ready meanwhile.
            list(pool.map(functools.partial(self._install_node, authority=authority), self.nodes))
        self._wait_for_api_server()
        self._apply_system()

    def _install_node(self, machine: Machine, authority: certificates.Pair) -> None:
        if not machine.exists(f"{FOLDER}/kubelet.conf"):
            server = node_files.server_url(self.nodes[0].address)
            _put(machine, node_files.node_files(self._node(machine), authority, server))
        self._write_environment(machine)
        machine.run(
            f"systemctl enable {' '.join(NODE_UNITS)} && systemctl start {' '.join(NODE_UNITS)}", timeout=START_SECONDS
        )

    def _write_environment(self, machine: Machine) -> None:
        cgroup = node_files.cgroup_of(machine.read("/proc/1/cgroup"))
        others = [self._node(other) for other in self.nodes]
        _put(machine, {f"{FOLDER}/node.env": node_files.node_environment(self._node(machine), others, cgroup)})

    def _authority(self) -> certificates.Pair:
        first = self.nodes[0]
        return certificates.Pair(first.read(f"{FOLDER}/pki/ca.key"), first.read(f"{FOLDER}/pki/ca.crt"))

    def _node(self, machine: Machine) -> Node:
        return Node(machine.name, int(machine.name.removeprefix(NODE_NAME)), machine.address)

    def _wait_for_api_server(self) -> None:
        def not_ready(answer: Result) -> NoReturn:
            log = self.nodes[0].run("journalctl --no-pager -n 15 -u kube-apiserver", check=False).stdout
            raise LabError(
                f"The API server did not get ready within {START_SECONDS} s: {answer.stderr.strip()[-300:]}. It is "
                f"left as it is, on the machine {self.nodes[0].name}. Its last log lines:\n{log}"
            )

        wait_until(
            lambda: self.kubectl("get", "--raw", "/readyz", "--request-timeout=20s", check=False),
            START_SECONDS,
            not_ready,
            good=lambda answer: answer.ok,
        )

    def _apply_system(self) -> None:
        apply = ("apply", "--server-side", "--force-conflicts", "-f")
        self.kubectl(*apply, str(self.programs / build.GATEWAY_FILE))
        self.kubectl(
            "wait",
            "--for=condition=Established",
            "crd/gateways.gateway.networking.k8s.io",
            "crd/gatewayclasses.gateway.networking.k8s.io",
        )
        texts = [path.read_text() for path in sorted(MANIFESTS.glob("*.yaml"))]
        whole = "\n---\n".join(texts).replace("@ADDRESS@", self.nodes[0].address)
        self.kubectl(*apply, "-", stdin=whole)


def programs(say: Callable[[str], None]) -> Path:
    """Return the folder of Kubernetes' programs, built first where they are missing. Raises LabError."""
    try:
        return build.built() or build.build(say)
    except build.UnavailableError as error:
        raise LabError(
            f"The lab's Kubernetes can't be built on this machine: {error}. No cluster was made. See docs/lab.md, "
            "which says what is needed: Go 1.26 or later, and a way to the Go module proxy."
        ) from error


def find_cluster(lab: Maker) -> Cluster | None:
    """Return the lab's cluster as it is, on or off; None if there is none."""
    names = _node_names(lab)
    if not names or not (lab.folder / KUBECONFIG).exists():
        return None
    return Cluster(lab, build.build_folder(), [lab.find(name) for name in names])


def ensure_cluster(lab: Maker, nodes: int) -> Cluster:
    """Return the lab's cluster, up and ready; `Lab.kubernetes` describes it."""
    if nodes < 1:
        raise LabError(f"A cluster of {nodes} nodes has no control plane. Nothing was made. Ask for one node or more.")
    lab.prepare()
    folder = programs(lab.say)
    started = time.monotonic()
    with machine_lock(f"{lab.prefix}-kubernetes"), ThreadPoolExecutor(4, thread_name_prefix="lab-cluster") as pool:
        registry = pool.submit(lab.registry)
        # Those that were added before belong to it as well.
        count = max(nodes, len(_node_names(lab)))
        names = [f"{NODE_NAME}{number}" for number in range(1, count + 1)]
        machines = list(pool.map(functools.partial(lab.machine, image=NODE_IMAGE, users=()), names))
        registry.result()
        cluster = Cluster(lab, folder, machines)
        cluster.prepare()
        cluster.wait_until_ready()
    lab.say(
        f"cluster: {len(machines)} nodes ready in {time.monotonic() - started:.0f} s, KUBECONFIG={cluster.kubeconfig}"
    )
    return cluster


def _node_names(lab: Maker) -> list[str]:
    numbers = [name.removeprefix(NODE_NAME) for name in lab.hosts() if name.startswith(NODE_NAME)]
    return [f"{NODE_NAME}{number}" for number in sorted(int(text) for text in numbers if text.isdigit())]


def _put(machine: Machine, files: Mapping[str, str]) -> None:
    """Write many files in one go, all 0600 but for certificates."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(path.removeprefix("/"))
            member.size, member.mode = len(data), 0o644 if path.endswith((".crt", ".conflist")) else 0o600
            archive.addfile(member, io.BytesIO(data))
    machine.run("tar --extract --directory=/ --no-same-owner", stdin=stream.getvalue())


def _is_ready(item: dict[str, Any], nodes: int) -> bool:
    """Say whether a node, a deployment or a daemon set of `kubectl get -o json` is ready; a daemon set on all nodes."""
    status: dict[str, Any] = item.get("status") or {}
    if item["kind"] == "Node":
        conditions: list[dict[str, Any]] = status.get("conditions") or []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    if item["kind"] == "DaemonSet":
        return status.get("numberReady", 0) >= nodes
    return status.get("readyReplicas", 0) == item["spec"]["replicas"]
