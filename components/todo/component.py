"""The todo app on a Kubernetes cluster: namespace, secrets, a migration, then the chart of apps/todo/chart.

docs/systems/todo.md tells what it does for those who run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pulumi
from pulumi import CustomTimeouts, Input, Output, ResourceOptions
from pulumi.output import Unknown
from pulumi_kubernetes import Provider
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import Namespace, Secret
from pulumi_kubernetes.helm.v4 import Chart

from components.blocks.build_context import TODO
from components.blocks.docker_build import BuiltImage
from components.blocks.helm_chart import ChartWithoutCluster, chart_objects
from components.blocks.kubernetes_cluster import KubernetesCluster, nothing_of_this_computer
from components.system import SystemArgs
from components.todo import migration, secrets, values
from components.todo.deployed import DeployedTodo
from config.systems.todo import Todo
from config.systems.todo.parts import TodoPart

TodoAppArgs = SystemArgs[Todo]

UNKNOWN_DIGEST = "unknown in this preview"


def shown(value: Output[str], unknown: str) -> Output[str]:
    """Return the value, and in a preview that can't know it `unknown`.

    A chart with one unknown value has no objects in a preview, as if all of them were to be removed.
    """
    return value.apply(lambda found: unknown if isinstance(found, Unknown) else found, run_with_unknowns=True)


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
        self._cluster = KubernetesCluster(settings.kubeconfig_file(), settings.context)
        super().__init__("hearth:todo:TodoApp", name, None, opts)
        self._name, self._settings = name, settings
        away = self._cluster.away(settings.reach_timeout)
        self._is_away = away is not None
        if away:
            pulumi.log.warn(
                f"{away}\n      This preview goes on without the cluster, from the state: what only the cluster knows "
                "is unknown. `up` will stop there.",
                resource=self,
            )
        self._kubernetes = self._made_provider()
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
        mark = shown(digest, UNKNOWN_DIGEST)
        wanted = Output.all(backend=images["backend"], frontend=images["frontend"], digest=mark).apply(
            lambda found: values.app_values(settings, found, found["digest"])
        )
        app = self._chart("app", wanted, migrated)
        self._outputs(app, wanted)

    def _made_provider(self) -> Provider:
        """Return the way to the cluster. A kubeconfig is elsewhere for each person: the state shows none."""
        settings = self._settings
        with nothing_of_this_computer():
            return Provider(
                f"{self._name}-kubernetes",
                # As written: the provider works `~` and a relative path out itself, on each computer anew.
                kubeconfig=Output.secret(str(settings.kubeconfig)) if settings.kubeconfig else None,
                context=settings.context,
                # A kubeconfig that is elsewhere on another computer is still the same cluster.
                cluster_identifier=settings.context,
                # A new value is written into the same Secret: whatever refers to it by name stays right.
                enable_secret_mutable=True,
                enable_config_map_mutable=True,
                # A namespace that is there is not ours: destroy would remove it with all that is in it. But for one
                # that was left with its data, which the preflight knows.
                upsert_existing_objects=settings.keeps_data,
                opts=ResourceOptions(parent=self),
            )

    def _options(
        self, *after: pulumi.Resource, create: int | None = None, keep: bool = False, protect: bool = False
    ) -> ResourceOptions:
        return ResourceOptions(
            parent=self,
            provider=self._kubernetes,
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
        # Before it is pushed nobody knows its digest. Without a name the whole chart would be unknown in a preview.
        return shown(built.ref, f"{settings.registry}:{context.digest()}")

    def _chart(
        self, role: str, wanted: Input[Mapping[str, Any]], *after: pulumi.Resource
    ) -> Chart | ChartWithoutCluster:
        """Objects of the chart, each of which shows in a preview. The two roles share one release's name."""
        settings = self._settings
        return chart_objects(
            f"{self._name}-{role}",
            chart=values.CHART,
            release=settings.name,
            namespace=settings.namespace,
            values=wanted,
            provider=self._kubernetes,
            is_away=self._is_away,
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

    def _outputs(self, app: Chart | ChartWithoutCluster, wanted: Output[dict[str, Any]]) -> None:
        settings = self._settings
        ingress = settings.ingress
        if ingress.address:
            self.address = Output.from_input(ingress.address)
        elif self._is_away:
            self.address = cast(Output[str], Output.from_input(pulumi.UNKNOWN))
        else:
            # Asked once the chart's objects are there.
            self.address = Output.all(app.resources).apply(
                lambda _: self._cluster.ingress_address(settings.namespace, settings.name)
            )
        scheme = "https" if ingress.is_secure else "http"
        self.url = self.address.apply(lambda found: f"{scheme}://{ingress.host or found or settings.name}/")
        self.deployed = DeployedTodo.output(
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
