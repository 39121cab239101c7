"""The todo app on a Kubernetes cluster: namespace, secrets, a migration, then the chart of apps/todo/chart.

docs/systems/todo.md tells what it does for those who run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pulumi
from pulumi import CustomTimeouts, Input, Output, ResourceOptions
from pulumi_kubernetes import Provider
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import Namespace, Secret
from pulumi_kubernetes.helm.v4 import Chart

from components.blocks.build_context import TODO
from components.blocks.docker_build import BuiltImage
from components.blocks.kubernetes_cluster import KubernetesCluster
from components.system import SystemArgs
from components.todo import migration, secrets, values
from components.todo.deployed import DeployedTodo
from config.systems.todo import Todo, TodoPart

TodoAppArgs = SystemArgs[Todo]


class TodoApp(pulumi.ComponentResource):
    """The todo app in a namespace of its own, on the cluster of the kubeconfig's context.

    Does not make the cluster, its ingress controller or an issuer of certificates. Destroy removes the namespace with
    all that is in it, unless it holds the volume of a database and the settings keep data; a database elsewhere is left
    alone.
    """

    address: Output[str]
    """Where the ingress controller answers; empty where it has not said."""
    url: Output[str]
    """Where the pages are."""
    deployed: Output[Mapping[str, Any]]
    """What the checks need to know."""

    def __init__(self, name: str, args: TodoAppArgs, opts: ResourceOptions | None = None) -> None:
        settings = args.settings
        kubeconfig = settings.kubeconfig_file()
        self._cluster = KubernetesCluster(kubeconfig, settings.context)
        super().__init__("hearth:todo:TodoApp", name, None, opts)
        self._name, self._settings = name, settings
        self._provider = Provider(
            f"{name}-kubernetes",
            kubeconfig=str(kubeconfig),
            context=settings.context,
            # A kubeconfig that is elsewhere on another computer is still the same cluster.
            cluster_identifier=settings.context,
            # A new value is written into the same Secret: whatever refers to it by name stays right.
            enable_secret_mutable=True,
            enable_config_map_mutable=True,
            # A namespace that is there is not ours: destroy would remove it with all that is in it. But for one that
            # was left with its data, which the preflight knows.
            upsert_existing_objects=settings.keeps_data,
            opts=ResourceOptions(parent=self),
        )
        namespace = Namespace(
            f"{name}-namespace",
            metadata={
                "name": settings.namespace,
                "labels": values.NAMESPACE_LABELS,
                "annotations": values.FORCED,
            },
            opts=self._options(keep=settings.keeps_data, protect=settings.holds_data and settings.protect_data),
        )
        data = Output.secret(
            Output.all(**args.secrets).apply(lambda found: secrets.secret_data(settings, cast(dict[str, str], found)))
        )
        secret = self._secret("secret", values.secret_name(settings), "Opaque", data, namespace)
        ready: list[pulumi.Resource] = [secret, *self._given(args.secrets, namespace)]
        # Shown in descriptions of pods, on purpose: it tells nothing.
        digest = Output.unsecret(data.apply(secrets.keyed_digest))
        images = {
            part: self._image(part, of) for part, of in (("backend", settings.backend), ("frontend", settings.frontend))
        }
        if settings.postgres.enabled:
            ready = [self._chart("database", values.database_values(settings), *ready)]
        migrated = self._job(images["backend"], digest, *ready)
        wanted = Output.all(backend=images["backend"], frontend=images["frontend"], digest=digest).apply(
            lambda found: values.app_values(settings, found, found["digest"])
        )
        app = self._chart("app", wanted, migrated)
        self._outputs(app, wanted)

    def _options(
        self, *after: pulumi.Resource, create: int | None = None, keep: bool = False, protect: bool = False
    ) -> ResourceOptions:
        return ResourceOptions(
            parent=self,
            provider=self._provider,
            depends_on=list(after),
            custom_timeouts=CustomTimeouts(create=f"{create}s") if create else None,
            retain_on_delete=keep or None,
            protect=protect or None,
        )

    def _secret(self, role: str, name: str, kind: str, data: Input[Mapping[str, str]], after: Namespace) -> Secret:
        return Secret(
            f"{self._name}-{role}",
            metadata=cast(Any, values.metadata(self._settings, name)),
            type=kind,
            string_data=data,
            opts=self._options(after),
        )

    def _given(self, given: Mapping[str, Input[str]], after: Namespace) -> Iterator[Secret]:
        """Register what has to be there before what refers to it by name: a registry's login, a certificate."""
        settings = self._settings
        login = settings.registry_login
        if login is not None:
            password = Output.secret(given["todo-registry-password"])
            data = password.apply(lambda plain: secrets.registry_data(login.address, login.user, plain))
            name = values.registry_name(settings)
            yield self._secret("registry", name, "kubernetes.io/dockerconfigjson", data, after)
        if settings.ingress.own_certificate:
            pair = {"tls.crt": given["todo-tls-certificate"], "tls.key": given["todo-tls-key"]}
            data = Output.secret(Output.all(**pair))
            yield self._secret("tls", values.tls_name(settings), "kubernetes.io/tls", cast(Any, data), after)

    def _image(self, part: str, settings: TodoPart) -> Input[str]:
        """Return the image's name, by digest where it is built here."""
        if settings.image is not None:
            return settings.image
        context = TODO[part]
        built = BuiltImage(
            f"{self._name}-{part}-image",
            context=context,
            tags=[f"{settings.registry}:{context.digest()}"],
            platforms=settings.platforms,
            opts=ResourceOptions(parent=self),
        )
        return built.ref

    def _chart(self, role: str, wanted: Input[Mapping[str, Any]], *after: pulumi.Resource) -> Chart:
        """Objects of the chart, each of which shows in a preview. The two roles share one release's name."""
        settings = self._settings
        return Chart(
            f"{self._name}-{role}",
            chart=str(values.CHART),
            name=settings.name,
            namespace=settings.namespace,
            values=wanted,
            opts=self._options(*after),
        )

    def _job(self, image: Input[str], digest: Input[str], *after: pulumi.Resource) -> Job:
        """Register the Job, which is awaited: a new one runs before the pods of a new image start."""
        settings = self._settings
        both = Output.all(image, digest)
        return Job(
            f"{self._name}-migration",
            metadata=cast(Any, both.apply(lambda found: migration.job_metadata(settings, found[0], found[1]))),
            spec=cast(Any, both.apply(lambda found: migration.job_spec(settings, found[0]))),
            opts=self._options(*after, create=settings.start_timeout),
        )

    def _outputs(self, app: Chart, wanted: Output[dict[str, Any]]) -> None:
        settings = self._settings
        ingress = settings.ingress
        if ingress.address:
            self.address = Output.from_input(ingress.address)
        else:
            # Asked once the chart's objects are there.
            self.address = Output.all(app.resources).apply(
                lambda _: self._cluster.ingress_address(settings.namespace, settings.name)
            )
        scheme = "https" if ingress.is_secure else "http"
        self.url = self.address.apply(lambda found: f"{scheme}://{ingress.host or found or settings.name}/")
        self.deployed = DeployedTodo.output(
            kubeconfig=str(self._cluster.kubeconfig),
            context=settings.context,
            namespace=settings.namespace,
            name=settings.name,
            secret=values.secret_name(settings),
            address=self.address,
            host=ingress.host or "",
            tls=ingress.is_secure,
            url=self.url,
            replicas=wanted.apply(values.fewest_pods),
            environment=settings.environment,
            postgres=settings.postgres.enabled,
            start_timeout=settings.start_timeout,
        )
        self.register_outputs({"address": self.address, "url": self.url, "deployed": self.deployed})
