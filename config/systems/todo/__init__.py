"""Settings of the todo app on Kubernetes, `hearth:todo`. Secrets are keys of their own (Todo.SECRETS)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AfterValidator, Field, field_validator

from config.certificates import in_pem, wrong_certificate, wrong_key
from config.model import Disagreement, Line, LogLevel, Port, Rules, matches
from config.own_files import OwnFile
from config.secret_rules import at_least, certificates, one_line, private_key, remote_postgres_address
from config.system import SystemSettings
from config.systems.todo import parts
from config.systems.todo.chart import wrong_values


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
        "todo-database-url": remote_postgres_address,
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
    kubeconfig: OwnFile | None = Field(
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
    namespace: Annotated[
        str, Field(max_length=63), matches(parts.LABEL, parts.LABEL_RULE), AfterValidator(parts.own_namespace)
    ] = Field(default="todo", description="The app's own namespace: made, and removed with all that is in it.")
    name: Annotated[str, Field(max_length=40), matches(parts.LABEL, parts.LABEL_RULE)] = Field(
        default="todo", description="What names of objects begin with."
    )
    environment: Annotated[
        str,
        matches(r"[A-Za-z0-9]([A-Za-z0-9 ._-]{0,39}[A-Za-z0-9._-])?", "must be a short name; write it as production"),
    ] = Field(default="production", description="Name of the environment, which the pages show.")
    log_level: LogLevel = Field(default="INFO", description="How much the backend logs.")
    backend: parts.TodoPart = Field(description="The backend.")
    frontend: parts.TodoPart = Field(description="The frontend.")
    ingress: parts.TodoIngress = Field(default_factory=parts.TodoIngress, description="How it is reached.")
    assistant: parts.TodoAssistant = Field(default_factory=parts.TodoAssistant, description="The assistant's API.")
    postgres: parts.TodoPostgres = Field(default_factory=parts.TodoPostgres, description="The database in the cluster.")
    registry_login: parts.TodoRegistry | None = Field(
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
        for place, remedy in parts.OWN_VALUES.items():
            found: Any = value
            for step in place.split("."):
                found = cast(dict[str, Any], found).get(step) if isinstance(found, dict) else None
            if found is not None:
                raise ValueError(f"must not hold {place}, which follows from the settings; {remedy}")
        return value

    def rules(self) -> Rules:
        return (self._authority_has_a_database, self._values_fit_the_chart)

    def _values_fit_the_chart(self) -> Iterator[Disagreement]:
        if self.values:
            yield from wrong_values(self.values)

    def _authority_has_a_database(self) -> Iterator[Disagreement]:
        if self.database_ca and self.postgres.enabled:
            rule = "database-ca is for a database elsewhere, and postgres.enabled brings one; remove one of them"
            yield Disagreement("", rule)

    def kubeconfig_file(self, project: Path | None = None) -> Path | None:
        """Return where the kubeconfig is; None where it is for kubectl's own rule to find."""
        return parts.kubeconfig_file(self.kubeconfig, project or Path.cwd())

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
