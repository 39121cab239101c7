"""Settings of the todo app on Kubernetes, `hearth:todo`. Secrets are keys of their own (Todo.SECRETS)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, Field, field_validator, model_validator

from config.certificates import in_pem, wrong_certificate, wrong_key
from config.model import (
    Disagreement,
    HttpAddress,
    ImageName,
    Line,
    LogLevel,
    Port,
    Settings,
    each_once,
    matches,
    socket_address,
)
from config.secret_rules import at_least, certificates, one_line, postgres_address, private_key
from config.system import SystemSettings

_LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"
_LABEL_RULE = "must be lowercase letters, digits and '-', and begin with a letter; choose such a name"
CLUSTER_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def _own_namespace(value: str) -> str:
    if value in CLUSTER_NAMESPACES:
        raise ValueError("must be a namespace of the app's own, as it goes with the app; choose another name")
    return value


Quantity = Annotated[
    str, matches(r"[1-9][0-9]*(Mi|Gi|Ti)", "must be a size of Kubernetes; write it as 512Mi, 1Gi or 2Ti")
]
_DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DnsName = Annotated[
    str,
    Field(max_length=253),
    matches(
        rf"(?![0-9.]+$){_DNS_LABEL}(\.{_DNS_LABEL})*",
        "must be a host name in lowercase letters, no address, without scheme and port; write it as todo.example.org",
    ),
]
SocketAddress = Annotated[str, AfterValidator(socket_address)]


NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
"""What Kubernetes takes as an object's name (RFC 1123)."""
ObjectName = Annotated[
    str,
    Field(max_length=253),
    matches(NAME, "must be an object's name in Kubernetes: lowercase letters, digits, '-' and '.'; choose such a name"),
]
Proxies = Literal["auto"] | Annotated[int, Field(ge=0, le=10)]


_PREFIX = rf"({_DNS_LABEL}(\.{_DNS_LABEL})*/)?"
AnnotationKey = Annotated[
    str,
    matches(
        rf"{_PREFIX}[A-Za-z0-9]([A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?",
        "must be an annotation's key: a name, or a domain, '/' and a name; write it as example.org/name",
    ),
]
"""Kubernetes' documentation, "Labels and Selectors", syntax and character set."""
AnnotationValue = Annotated[str, matches(r"[^\x00]*", "must be a text without NUL; correct it")]


def _kubeconfig(value: Path) -> Path:
    try:
        value.expanduser()
    except RuntimeError:
        raise ValueError("must be a path; `~` alone stands for your own home, so write the other one out") from None
    if not str(value).isprintable() or value.name in ("", ".."):
        raise ValueError("must be a file's path without control characters; write it as ~/.kube/config")
    return value


def _registry(value: str) -> str:
    try:
        if value == value.lower():
            return socket_address(value)
    except ValueError:
        pass
    raise ValueError(
        "must be the registry's name, as images have it before the first '/'; write it as registry.example.org"
    )


OWN_VALUES = {
    "fullnameOverride": "write hearth:todo.name",
    "secrets": "write the secret keys hearth:todo-...",
    "migrations.mode": "the migration is a Job of its own; remove it",
    "postgresql.enabled": "write hearth:todo.postgres.enabled",
    "postgresql.password": "write the secret key hearth:todo-postgres-password",
}
"""Place in the chart's values -> what to write instead."""


def kubeconfig_file(written: Path | None, project: Path) -> Path | None:
    """Return where a kubeconfig is that is written down relative to a project's folder, or with `~`."""
    return None if written is None else project / written.expanduser()


class TodoPart(Settings):
    """Backend or frontend: where its image comes from, and how many pods there are."""

    image: ImageName | None = Field(default=None, description="A ready-made image, best by its digest.")
    registry: ImageName | None = Field(
        default=None,
        description="Instead of `image`: the name under which it is built and pushed, as registry.example.org/todo.",
    )
    platforms: Annotated[tuple[Literal["linux/arm64", "linux/amd64"], ...], AfterValidator(each_once)] = Field(
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
    class_name: ObjectName | None = Field(
        default=None, description="Class of the Ingress. Without it: the cluster's default."
    )
    own_certificate: bool = Field(
        default=False,
        description="Whether the pages have the certificate of the secrets todo-tls-certificate and todo-tls-key.",
    )
    issuer: ObjectName | None = Field(
        default=None, description="The issuer of cert-manager that gives a certificate, and renews it."
    )
    issuer_kind: Literal["ClusterIssuer", "Issuer"] = Field(
        default="ClusterIssuer", description="Whether that issuer is the cluster's, or one of the app's namespace."
    )
    tls_secret: ObjectName | None = Field(
        default=None,
        description="Name of the certificate's Secret in the app's namespace, where somebody else puts it there. With "
        "`issuer` or `own-certificate`: its name, by default NAME-tls.",
    )
    proxies: Proxies = Field(
        default="auto",
        description="How many proxies add to X-Forwarded-For: 1 for the controller alone, 2 with a balancer before it. "
        "`auto`: as many as have an internal address.",
    )
    annotations: dict[AnnotationKey, AnnotationValue] = Field(
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
        if self.own_certificate and self.issuer:
            raise ValueError("own-certificate and issuer each say where the certificate comes from; remove one of them")
        if self.is_secure and not self.host:
            raise ValueError(f"{self._tls_key} needs host, as a certificate is for a name; give host")
        if self.issuer is None and self.issuer_kind != "ClusterIssuer":
            raise ValueError("issuer-kind needs issuer, which it is the kind of; give issuer")
        return self

    @property
    def _tls_key(self) -> str:
        return "own-certificate" if self.own_certificate else "issuer" if self.issuer else "tls-secret"

    @property
    def is_secure(self) -> bool:
        """Whether the pages are served by https."""
        return self.own_certificate or self.issuer is not None or self.tls_secret is not None


class TodoRegistry(Settings):
    """Who the cluster logs in as to pull the app's images; the password is the secret todo-registry-password."""

    address: Annotated[str, AfterValidator(_registry)] = Field(
        description="The registry, as registry.example.org or docker.io."
    )
    user: Annotated[
        str, matches(r"[^\s:]+", "must be a user's name without blanks and ':'; write it as the registry has it")
    ] = Field(description="The user's name there.")


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
    model: Line = Field(default="gpt-4o-mini", min_length=1, description="The model that is asked.")


class Todo(SystemSettings):
    """The todo app on a Kubernetes cluster: backend, frontend, ingress and, for development, a database."""

    SECRETS: ClassVar[Mapping[str, str]] = {
        "todo-auth-secret": "Key with which the todo app signs its sessions: 32 random characters or more.",
        "todo-database-url": "Where the todo app's database is, as postgresql://user:password@host:5432/database.",
        "todo-postgres-password": "Password of the todo app's database inside the cluster.",
        "todo-openai-api-key": "Key of the OpenAI-compatible API; without it the todo app has no assistant.",
        "todo-registry-password": "Password or token with which the cluster pulls the todo app's images.",
        "todo-tls-certificate": "Certificate of the todo app's pages in PEM, the chain up to its authority included.",
        "todo-tls-key": "Key of that certificate, in PEM and without a passphrase.",
    }
    SECRET_RULES: ClassVar[Mapping[str, Callable[[str], None]]] = {
        "todo-auth-secret": at_least(32),
        "todo-database-url": postgres_address,
        "todo-postgres-password": one_line,
        "todo-openai-api-key": one_line,
        "todo-registry-password": one_line,
        "todo-tls-certificate": certificates,
        "todo-tls-key": private_key,
    }
    SECRETS_INSTEAD: ClassVar[Mapping[str, str]] = {
        "registry-login": "todo-registry-password",
        "ingress": "todo-tls-key",
        "assistant": "todo-openai-api-key",
        "postgres": "todo-postgres-password",
    }
    # It is on a cluster, and on no machine of hearth:hosts.
    HOST_FIELDS: ClassVar[tuple[str, ...]] = ()

    context: Line = Field(min_length=1, description="The kubeconfig's context: which cluster, and as whom.")
    kubeconfig: Annotated[Path, AfterValidator(_kubeconfig)] | None = Field(
        default=None,
        description="The kubeconfig; a relative path starts at the project's folder. Without it, as kubectl finds it: "
        "$KUBECONFIG, else ~/.kube/config.",
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
        str,
        matches(r"[A-Za-z0-9]([A-Za-z0-9 ._-]{0,39}[A-Za-z0-9._-])?", "must be a short name; write it as production"),
    ] = Field(default="production", description="Name of the environment, which the pages show.")
    log_level: LogLevel = Field(default="INFO", description="How much the backend logs.")
    backend: TodoPart = Field(description="The backend.")
    frontend: TodoPart = Field(description="The frontend.")
    ingress: TodoIngress = Field(default_factory=TodoIngress, description="How it is reached.")
    assistant: TodoAssistant = Field(default_factory=TodoAssistant, description="The assistant's API.")
    postgres: TodoPostgres = Field(default_factory=TodoPostgres, description="The database in the cluster.")
    registry_login: TodoRegistry | None = Field(
        default=None, description="Login with which the cluster pulls private images. Without it: none is needed."
    )
    database_ca: Annotated[str, AfterValidator(in_pem)] | None = Field(
        default=None,
        description="Certificate in PEM of the authority that signed the database's own: proves whose database it is. "
        "For a public authority sslmode=verify-full in the address is enough.",
    )
    data: Literal["keep", "remove"] = Field(
        default="keep",
        description="Whether destroy leaves the volume of a database in the cluster, and with it the namespace.",
    )
    protect_data: bool = Field(
        default=False, description="Whether Pulumi refuses to destroy what holds data until this is off again."
    )
    database_port: Port = Field(default=5432, description="Port of the database, which network policies let through.")
    values: dict[str, Any] = Field(
        default_factory=dict,
        description="Further values of the chart, over those that follow from these settings; see its values.yaml.",
    )

    @field_validator("values")
    @classmethod
    def _values_are_not_settings(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Return values that would part objects which have to know each other."""
        for place, remedy in OWN_VALUES.items():
            found: Any = value
            for step in place.split("."):
                found = cast(dict[str, Any], found).get(step) if isinstance(found, dict) else None
            if found is not None:
                raise ValueError(f"must not hold {place}, which follows from the settings; {remedy}")
        return value

    @model_validator(mode="after")
    def _authority_has_a_database(self) -> Todo:
        if self.database_ca and self.postgres.enabled:
            raise ValueError(
                "database-ca is for a database elsewhere, and postgres.enabled brings one; remove one of them"
            )
        return self

    def kubeconfig_file(self, project: Path | None = None) -> Path | None:
        """Return where the kubeconfig is; None where it is for kubectl's own rule to find."""
        return kubeconfig_file(self.kubeconfig, project or Path.cwd())

    @property
    def keeps_data(self) -> bool:
        """Whether a volume in the cluster holds data that destroy leaves."""
        return self.holds_data and self.data == "keep"

    @property
    def holds_data(self) -> bool:
        """Whether there is a volume in the cluster."""
        return self.postgres.enabled and self.postgres.storage is not None

    def against_secrets(self, given: Mapping[str, str]) -> Iterator[Disagreement]:
        """Hold the certificate and its key against each other, the host, and today."""
        certificate, key = given.get("todo-tls-certificate"), given.get("todo-tls-key")
        if not self.ingress.own_certificate or certificate is None:
            return
        now = datetime.datetime.now(datetime.UTC)
        for rule in wrong_certificate(certificate, self.ingress.host or "", now):
            yield Disagreement("todo-tls-certificate", rule)
        if key is not None:
            for rule in wrong_key(key, certificate):
                yield Disagreement("todo-tls-key", rule)

    def required_secrets(self) -> Mapping[str, str]:
        """Return the secrets that these settings need.

        They are the key of its sessions, its database (inside the cluster by password, elsewhere by address), and what
        its login and certificate need.
        """
        database = "todo-postgres-password" if self.postgres.enabled else "todo-database-url"
        found: dict[str, str] = {"todo-auth-secret": "todo", database: "todo"}
        if self.registry_login is not None:
            found["todo-registry-password"] = "todo.registry-login"
        if self.ingress.own_certificate:
            owner = "todo.ingress.own-certificate"
            found |= {"todo-tls-certificate": owner, "todo-tls-key": owner}
        return found
