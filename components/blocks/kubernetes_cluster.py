# The client's own types are incomplete.
# pyright: basic
"""A Kubernetes cluster as a kubeconfig's context names it: whether it can be reached, and what it says."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from kubernetes import client
from kubernetes import config as kubeconfig
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from components.system import Deployed
from providers.errors import HearthError

ANSWER_SECONDS = 30.0


class ClusterUnusable(HearthError, pulumi.RunError, ConnectionError):
    """The cluster can't be reached or does not let us in; the message names the kubeconfig's context."""


@dataclass(frozen=True)
class KubernetesCluster:
    """One cluster, by kubeconfig and context. Each call opens a connection of its own."""

    kubeconfig: Path | None
    """None: where kubectl looks for it, in $KUBECONFIG (one file, or several), else ~/.kube/config."""
    context: str

    @property
    def _file(self) -> str:
        return str(self.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config")

    @property
    def _kubectl(self) -> str:
        return f"kubectl --kubeconfig {self.kubeconfig}" if self.kubeconfig else "kubectl"

    @property
    def _name(self) -> str:
        return f'the cluster of the context "{self.context}" ({self._file})'

    def _unusable(self, what: str, detail: str = "", remedy: str = "") -> ClusterUnusable:
        look = f"see what answers: {self._kubectl} --context {self.context} version"
        return ClusterUnusable(f"{self._name} {what}", detail=detail, remedy=remedy or look)

    def client(self) -> client.ApiClient:
        """Return a client of the official kind. Raises ClusterUnusable where the kubeconfig is wrong."""
        settings = client.Configuration()
        settings.retries = False
        try:
            kubeconfig.load_kube_config(self._file, self.context, client_configuration=settings, persist_config=False)
        except (ConfigException, OSError, yaml.YAMLError, ValueError, TypeError, KeyError) as error:
            remedy = f"see the contexts that there are: {self._kubectl} config get-contexts"
            raise self._unusable("can't be used: the kubeconfig does not tell how", str(error), remedy) from None
        return client.ApiClient(settings)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: Any = None,
        content_type: str = "application/json",
        seconds: float = ANSWER_SECONDS,
        **query: str,
    ) -> dict[str, Any] | None:
        """Return what the API server answers, as it is written in JSON; None where there is no such thing.

        `seconds`: how long it may take to connect, and again to answer. Raises ClusterUnusable.
        """
        with self.client() as api:
            request = api.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            try:
                answer = api.call_api(*request, _request_timeout=(seconds, seconds))
                text = answer.read()
            except (HTTPError, ApiException, OSError) as error:
                detail = str(getattr(error, "reason", None) or error)
                address = api.configuration.host
                raise self._unusable(f"can't be reached at {address}; nothing was touched", detail) from None
        if answer.status == 404:
            return None
        if answer.status in (401, 403):
            remedy = f"log in again, or take another context than {self.context}"
            raise self._unusable(f"does not let us in ({answer.status} at {path})", _message(text), remedy)
        if answer.status >= 400:
            raise self._unusable(f"answers {answer.status} at {path}", _message(text))
        return json.loads(text)

    def reach(self, seconds: float) -> None:
        """Ask for what everybody may ask who is let in. Raises ClusterUnusable."""
        if self.ask("/api", seconds=seconds) is None:
            raise self._unusable("does not answer as a Kubernetes API server does")

    def away(self, seconds: float) -> ClusterUnusable | None:
        """In a preview, why the cluster can't be asked; None where it can, and outside of previews.

        A preview needs the repository and the state, nothing else. Each cluster is asked once.
        """
        return _away(self, self._file, seconds) if pulumi.runtime.is_dry_run() else None

    def ingress_address(self, namespace: str, name: str) -> str:
        """Return the address that a controller has given an Ingress; empty as long as there is none."""
        found = self.ask(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}")
        return address_of(found or {})


@functools.cache
def _away(cluster: KubernetesCluster, _file: str, seconds: float) -> ClusterUnusable | None:
    try:
        cluster.reach(seconds)
    except ClusterUnusable as error:
        return error
    return None


@contextmanager
def nothing_of_this_computer() -> Iterator[None]:
    """While a Provider without a kubeconfig is made: its class would write $KUBECONFIG's path into the state.

    The provider itself finds the file by the same variable, on each computer its own.
    """
    found = os.environ.pop("KUBECONFIG", None)
    try:
        yield
    finally:
        if found is not None:
            os.environ["KUBECONFIG"] = found


def address_of(ingress: Mapping[str, Any]) -> str:
    """Return the first address in an Ingress's status; empty where there is none."""
    entries = ingress.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
    return entries[0].get("ip") or entries[0].get("hostname") or ""


def _message(text: bytes | str | None) -> str:
    """Return what the API server says is wrong, or its answer as it is."""
    try:
        return str(json.loads(text or "")["message"])
    except (ValueError, KeyError, TypeError):
        return (text.decode(errors="replace") if isinstance(text, bytes) else text or "")[:300]


class DeployedOnCluster(Deployed):
    """What the component of a system on a cluster tells its checks, whatever else it tells."""

    context: str
    """The kubeconfig's context. Where the kubeconfig is, whoever asks knows: it is elsewhere for somebody else."""
    namespace: str
    address: str
    """Where the ingress controller answers; empty where it has not said."""
    host: str
    """Host name of the pages; empty for any."""
    tls: bool
    """Whether the pages are served over https."""
