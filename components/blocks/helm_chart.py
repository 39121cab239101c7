"""The objects of a Helm chart as resources of Pulumi: on a cluster, and in a preview that has none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pulumi
import yaml
from pulumi import Input, Output, ResourceOptions
from pulumi_kubernetes import Provider
from pulumi_kubernetes.helm.v4 import Chart

CHART = "kubernetes:helm.sh/v4:Chart"
TEMPLATE = "kubernetes:helm:template"


class ChartWithoutCluster(pulumi.ComponentResource):
    """What `helm.v4.Chart` would register, for a preview on a computer that can't reach the cluster.

    The provider refuses to make a Chart then, though it can tell what changes in each object; and objects that nobody
    registers show as removed. So they are rendered by the provider's own helm, and registered from here under the
    names and types that they have in the state. Nothing of this is ever carried out.
    """

    def __init__(
        self,
        name: str,
        *,
        chart: Path,
        release: str,
        namespace: str,
        values: Input[Mapping[str, Any]],
        provider: Provider,
        opts: ResourceOptions,
    ) -> None:
        super().__init__(CHART, name, None, opts)
        self._name, self._namespace = name, namespace
        place = {"path": str(chart), "release_name": release, "namespace": namespace, "kube_version": oldest(chart)}
        options = Output.from_input(values).apply(lambda found: json.dumps({**place, "values": found}))
        rendered = pulumi.runtime.invoke_output(
            TEMPLATE, {"jsonOpts": options}, pulumi.InvokeOutputOptions(parent=self, provider=provider)
        )
        self.resources: Output[list[pulumi.Resource]] = Output.from_input(rendered).apply(self._registered)
        self.register_outputs({})

    def _registered(self, rendered: Any) -> list[pulumi.Resource]:
        return [self._one(each) for each in cast(list[dict[str, Any]], rendered["result"])]

    def _one(self, described: dict[str, Any]) -> pulumi.Resource:
        metadata = described["metadata"]
        place = f"{metadata.get('namespace') or self._namespace}/{metadata['name']}"
        opts = ResourceOptions(parent=self)
        return pulumi.CustomResource(type_of(described), f"{self._name}:{place}", described, opts)


def oldest(chart: Path) -> str:
    """Return the oldest Kubernetes that a chart takes. Without a cluster, helm takes 1.20 for granted."""
    wanted = str(yaml.safe_load((chart / "Chart.yaml").read_text()).get("kubeVersion", ""))
    found = re.search(r"\d+\.\d+\.\d+", wanted)
    return found[0] if found else ""


def type_of(described: Mapping[str, Any]) -> str:
    """Return the provider's type of an object: of the group `core` Kubernetes leaves the name out."""
    version = str(described["apiVersion"])
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{described['kind']}"


def chart_objects(
    name: str,
    *,
    chart: Path,
    release: str,
    namespace: str,
    values: Input[Mapping[str, Any]],
    provider: Provider,
    is_away: bool,
    opts: ResourceOptions,
) -> Chart | ChartWithoutCluster:
    """Return a chart's objects. `is_away`: this is a preview, and the cluster can't be reached from here."""
    if is_away:
        return ChartWithoutCluster(
            name, chart=chart, release=release, namespace=namespace, values=values, provider=provider, opts=opts
        )
    return Chart(name, chart=str(chart), name=release, namespace=namespace, values=values, opts=opts)
