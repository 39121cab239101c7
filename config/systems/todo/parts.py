"""The parts of the todo app's settings, and the rules of their values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.addresses import HttpAddressFromContainer, socket_address
from config.model import Disagreement, ImageName, Line, Rules, Settings, each_once, fits_64_bits, matches

LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"
LABEL_RULE = "must be lowercase letters, digits and '-', and begin with a letter; choose such a name"
CLUSTER_NAMESPACES = ("default", "ingress-nginx", "cert-manager")
"""What is the cluster's own, or somebody else's by its name; so is all that begins with `kube-` (Kubernetes'
documentation, "Namespaces")."""


def own_namespace(value: str) -> str:
    if value in CLUSTER_NAMESPACES or value.startswith("kube-"):
        raise ValueError("must be a namespace of the app's own, as it goes with the app; choose another name")
    return value


Quantity = Annotated[
    str,
    matches(r"[1-9][0-9]*(Mi|Gi|Ti)", "must be a size of Kubernetes; write it as 512Mi, 1Gi or 2Ti"),
    AfterValidator(fits_64_bits),
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
AnnotationValue = Annotated[
    str,
    Field(max_length=256 * 1024),  # Kubernetes' apimachinery, TotalAnnotationSizeLimitB
    matches(
        r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*",
        "must hold no control characters but line breaks and tabs; take them out",
    ),
]


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

    def rules(self) -> Rules:
        return (self._image_has_one_source, self._registry_is_a_name)

    def _image_has_one_source(self) -> Iterator[Disagreement]:
        if (self.image is None) == (self.registry is None):
            rule = "one of image and registry must say where the image comes from; give exactly one of them"
            yield Disagreement("", rule)

    def _registry_is_a_name(self) -> Iterator[Disagreement]:
        if self.registry and ("@" in self.registry or ":" in self.registry.rpartition("/")[2]):
            rule = "registry must have neither tag nor digest, which come with the build; write the name"
            yield Disagreement("", rule)


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

    def rules(self) -> Rules:
        return (self._certificate_has_one_source, self._certificate_has_a_host, self._kind_is_of_an_issuer)

    def _certificate_has_one_source(self) -> Iterator[Disagreement]:
        if self.own_certificate and self.issuer:
            rule = "own-certificate and issuer each say where the certificate comes from; remove one of them"
            yield Disagreement("", rule)

    def _certificate_has_a_host(self) -> Iterator[Disagreement]:
        if self.is_secure and not self.host:
            yield Disagreement("", f"{self._tls_key} needs host, as a certificate is for a name; give host")

    def _kind_is_of_an_issuer(self) -> Iterator[Disagreement]:
        if self.issuer is None and self.issuer_kind != "ClusterIssuer":
            yield Disagreement("", "issuer-kind needs issuer, which it is the kind of; give issuer")

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
        Line, matches(r"[^\s:]+", "must be a user's name without blanks and ':'; write it as the registry has it")
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

    url: HttpAddressFromContainer = Field(default="https://api.openai.com/v1", description="Where it is.")
    model: Line = Field(default="gpt-4o-mini", min_length=1, description="The model that is asked.")
