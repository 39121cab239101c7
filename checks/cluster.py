"""What checks of a system on Kubernetes ask: the API server, the containers, and the pages through the ingress."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import urllib3
from kubernetes import client, stream
from urllib3.exceptions import HTTPError

from components.blocks.kubernetes_cluster import DeployedOnCluster, KubernetesCluster
from providers.errors import CommandFailed

PAGE_SECONDS = 10.0
COMMAND_SECONDS = 30.0


@dataclass(frozen=True)
class Page:
    """An answer over HTTP; status 0 where there was none, and then the text says why."""

    status: int
    text: str
    kind: str = ""
    """Its content type."""
    seconds: float = 0.0
    """From the first byte of a connection of its own to the last of the answer."""


class View(Protocol):
    """One deployed system on a cluster, as the checks see it."""

    def ask(self, path: str, **query: str) -> dict[str, Any] | None:
        """Return what the API server has at a path; None where there is nothing."""
        ...

    def run(self, pod: str, container: str, *command: str) -> str:
        """Return what a command in a container writes. Raises CommandFailed."""
        ...

    def page(self, path: str) -> Page:
        """Return what the ingress answers."""
        ...


class ClusterView:
    """The real one, from a system's output."""

    def __init__(self, deployed: DeployedOnCluster, kubeconfig: Path | None) -> None:
        """`kubeconfig`: where it is for whoever asks; None where kubectl's own rule finds it."""
        self._cluster = KubernetesCluster(kubeconfig, deployed.context)
        self._namespace = deployed.namespace
        self._host = deployed.host
        self._tls = deployed.tls
        self._address = deployed.address or self._host

    def ask(self, path: str, **query: str) -> dict[str, Any] | None:
        return self._cluster.ask(path, **cast(dict[str, Any], query))

    def run(self, pod: str, container: str, *command: str) -> str:
        # The stream takes any arguments: a type checker would read the 4 MB of this class for a method's name.
        api = cast(Any, client).CoreV1Api(self._cluster.client())
        try:
            open_stream = cast(Any, stream).stream
            socket: Any = open_stream(
                api.connect_get_namespaced_pod_exec,
                pod,
                self._namespace,
                container=container,
                command=list(command),
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
                _preload_content=False,
            )
        except (client.ApiException, OSError) as error:
            said = str(getattr(error, "reason", "") or error)
            raise CommandFailed(f"no command can be run in the pod {pod}", status=-1, detail=said) from None
        socket.run_forever(timeout=COMMAND_SECONDS)
        output, errors = cast(str, socket.read_stdout()), cast(str, socket.read_stderr())
        status = -1 if socket.is_open() else cast(int, socket.returncode)
        socket.close()
        if status != 0:
            raise CommandFailed(f"{command[0]} in the pod {pod} ended with {status}", status=status, detail=errors)
        return output

    def page(self, path: str) -> Page:
        if not self._address:
            return Page(0, "the ingress has no address")
        host, colon, port = self._address.rpartition(":")
        if not colon or self._address.endswith("]"):
            host, port = self._address, "443" if self._tls else "80"
        headers = {"Host": self._host} if self._host else {}
        begun = time.monotonic()
        with self._pool(host.strip("[]"), int(port)) as pool:
            try:
                answer = pool.request("GET", path, headers=headers, redirect=False, retries=False)
            except HTTPError as error:
                return Page(0, f"{self._address}: {error}")
            text, kind = answer.data.decode(errors="replace"), answer.headers.get("Content-Type", "")
            return Page(answer.status, text, kind, time.monotonic() - begun)

    def _pool(self, host: str, port: int) -> urllib3.HTTPConnectionPool:
        if self._tls:
            # The certificate is the pages' own, whatever the address.
            name = self._host or host
            return urllib3.HTTPSConnectionPool(
                host, port, timeout=PAGE_SECONDS, server_hostname=name, assert_hostname=name
            )
        return urllib3.HTTPConnectionPool(host, port, timeout=PAGE_SECONDS)
