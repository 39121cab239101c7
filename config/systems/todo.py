"""Settings of the todo app on Kubernetes, `hearth:todo`. Secrets are keys of their own (Todo.SECRETS)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from config.model import HttpAddress, ImageName, LogLevel, Port, Settings, matches
from config.system import SystemSettings

_LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"
_LABEL_RULE = "must be small letters, digits and '-', and begin with a letter; choose such a name"
CLUSTER_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def _own_namespace(value: str) -> str:
    if value in CLUSTER_NAMESPACES:
        raise ValueError("must be a namespace of the app's own, as it goes with the app; choose another name")
    return value


Quantity = Annotated[
    str, matches(r"[1-9][0-9]*(Mi|Gi|Ti)", "must be a size of Kubernetes; write it as 512Mi, 1Gi or 2Ti")
]
DnsName = Annotated[
    str,
    Field(max_length=253),
    matches(
        r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "must be a host name in small letters, without scheme and port; write it as todo.example.org",
    ),
]
SocketAddress = Annotated[
    str,
    matches(r"(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?", "must be an address; write it as 192.168.49.2:80"),
]


class TodoPart(Settings):
    """Backend or frontend: where its image comes from, and how many pods there are."""

    image: ImageName | None = Field(default=None, description="A ready-made image, best by its digest.")
    registry: ImageName | None = Field(
        default=None,
        description="Instead of `image`: the name under which it is built and pushed, as registry.example.org/todo.",
    )
    platforms: tuple[Literal["linux/arm64", "linux/amd64"], ...] = Field(
        default=("linux/amd64",), min_length=1, description="Processors that a pushed image is built for."
    )
    replicas: Annotated[int, Field(ge=1, le=100)] = Field(default=2, description="How many pods there are.")

    @model_validator(mode="after")
    def _image_has_one_source(self) -> TodoPart:
        if (self.image is None) == (self.registry is None):
            raise ValueError("one of image and registry must say where the image comes from; give exactly one of them")
        if self.registry and ("@" in self.registry or ":" in self.registry.rpartition("/")[2]):
            raise ValueError("registry must have neither tag nor digest, which come with the build; write the name")
        return self


class TodoIngress(Settings):
    """How the app is reached from outside the cluster."""

    host: DnsName | None = Field(default=None, description="Host name of the pages. Without it: any.")
    class_name: str | None = Field(default=None, description="Class of the Ingress. Without it: the cluster's default.")
    tls_secret: str | None = Field(
        default=None, description="Secret of the certificate, in the app's namespace. Without it: http alone."
    )
    annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations of the Ingress, as a certificate issuer wants them."
    )
    wait: bool = Field(
        default=True,
        description="Whether `up` waits until the controller gives the Ingress an address. Some never do.",
    )
    address: SocketAddress | None = Field(
        default=None, description="Where the controller answers. Without it: what the Ingress says."
    )

    @model_validator(mode="after")
    def _certificate_has_a_host(self) -> TodoIngress:
        if self.tls_secret and not self.host:
            raise ValueError("tls-secret needs host, as a certificate is for a name; give host")
        return self


class TodoPostgres(Settings):
    """A PostgreSQL in the cluster, for development: one pod, no backup."""

    enabled: bool = Field(default=False, description="Whether it runs. Without it: the secret todo-database-url.")
    image: ImageName = Field(default="docker.io/library/postgres:17", description="Its image.")
    storage: Quantity | None = Field(
        default=None, description="Size of its volume, of the default class. Without it: the data goes with the pod."
    )


class TodoAssistant(Settings):
    """The OpenAI-compatible API that turns sentences into todos."""

    url: HttpAddress = Field(default="https://api.openai.com/v1", description="Where it is.")
    model: str = Field(default="gpt-4o-mini", min_length=1, description="The model that is asked.")


class Todo(SystemSettings):
    """The todo app on a Kubernetes cluster: backend, frontend, ingress and, for development, a database."""

    SECRETS: ClassVar[Mapping[str, str]] = {
        "todo-auth-secret": "Key with which the todo app signs its sessions: 32 random characters or more.",
        "todo-database-url": "Where the todo app's database is, as postgresql://user:password@host:5432/database.",
        "todo-postgres-password": "Password of the todo app's database inside the cluster.",
        "todo-openai-api-key": "Key of the OpenAI-compatible API; without it the todo app has no assistant.",
    }
    # It is on a cluster, and on no machine of hearth:hosts.
    HOST_FIELDS: ClassVar[tuple[str, ...]] = ()

    context: str = Field(min_length=1, description="The kubeconfig's context: which cluster, and as whom.")
    kubeconfig: Path = Field(
        default=Path("~/.kube/config"),
        description="The kubeconfig. A relative path starts at the project's folder.",
    )
    reach_timeout: Annotated[int, Field(ge=1, le=120)] = Field(
        default=10, description="Seconds within which the cluster has to answer before anything is begun."
    )
    start_timeout: Annotated[int, Field(ge=10, le=3600)] = Field(
        default=300, description="Seconds that migrations, or pods on their way to ready, may take."
    )
    namespace: Annotated[str, Field(max_length=63), matches(_LABEL, _LABEL_RULE), AfterValidator(_own_namespace)] = (
        Field(default="todo", description="The app's own namespace: made, and removed with all that is in it.")
    )
    name: Annotated[str, Field(max_length=40), matches(_LABEL, _LABEL_RULE)] = Field(
        default="todo", description="What names of objects begin with."
    )
    environment: Annotated[
        str, matches(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,40}", "must be a short name; write it as production")
    ] = Field(default="production", description="Name of the environment, which the pages show.")
    log_level: LogLevel = Field(default="INFO", description="How much the backend logs.")
    backend: TodoPart = Field(description="The backend.")
    frontend: TodoPart = Field(description="The frontend.")
    ingress: TodoIngress = Field(default_factory=TodoIngress, description="How it is reached.")
    assistant: TodoAssistant = Field(default_factory=TodoAssistant, description="The assistant's API.")
    postgres: TodoPostgres = Field(default_factory=TodoPostgres, description="The database in the cluster.")
    database_port: Port = Field(default=5432, description="Port of the database, which network policies let through.")
    values: dict[str, Any] = Field(
        default_factory=dict,
        description="Further values of the chart, over those that follow from these settings; see its values.yaml.",
    )

    def kubeconfig_file(self, project: Path | None = None) -> Path:
        """Where the kubeconfig is, `~` and a path relative to `project` (or the current folder) worked out."""
        return (project or Path.cwd()) / self.kubeconfig.expanduser()

    def required_secrets(self) -> Mapping[str, str]:
        """The key of its sessions, and its database: inside the cluster by password, elsewhere by address."""
        database = "todo-postgres-password" if self.postgres.enabled else "todo-database-url"
        return dict.fromkeys(("todo-auth-secret", database), "todo")
