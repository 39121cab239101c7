"""The containers of the core stack, as they follow from its settings.

It is one description, of which compose.yaml (components/core/compose.py) and the component are both made, so that they
can't differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.systems.core import BACKEND_PORT, OLLAMA_PORT, Core, postgres_data, postgres_mount


@dataclass(frozen=True)
class Variable:
    """A variable of a container's environment whose value the one who starts it gives."""

    secret: str
    """Key of Core.SECRETS that holds it."""
    required: bool = False


@dataclass(frozen=True)
class HealthCheck:
    """How Docker asks a container whether it is well. Times in seconds."""

    test: tuple[str, ...]
    interval: int
    timeout: int
    retries: int
    start_period: int


@dataclass(frozen=True)
class PublishedPort:
    """A port of the container, published on the machine."""

    address: str
    port: int
    inside: int


@dataclass(frozen=True)
class StackContainer:
    """One container, as compose.yaml and the component both describe it."""

    service: str
    """Its name for the other containers."""
    image: str | None
    """None: built from apps/mail-assistant."""
    environment: Mapping[str, str]
    variables: Mapping[str, Variable]
    health: HealthCheck
    memory: str
    """The most memory, swap included."""
    volumes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Volume -> where it is mounted."""
    publications: tuple[PublishedPort, ...] = ()
    after: tuple[str, ...] = ()
    """Services that have to be healthy first."""
    profile: str | None = None
    read_only: bool = False
    """Root file system read-only, /tmp in memory, no capabilities."""
    stop_seconds: int = 10


def containers(core: Core, *, with_ollama: bool) -> tuple[StackContainer, ...]:
    """Return the containers, in the order in which they start.

    `with_ollama`: whether there is one, be it in a profile.
    """
    postgres = StackContainer(
        service="postgres",
        image=core.postgres.image,
        environment={
            "POSTGRES_USER": core.postgres.user,
            "POSTGRES_DB": core.postgres.database,
            "PGDATA": postgres_data(core.postgres.image),
        },
        variables={"POSTGRES_PASSWORD": Variable("core-postgres-password", required=True)},
        # Over TCP: while the image sets a new database up, its server listens on the socket alone.
        health=HealthCheck(
            ("pg_isready", "-q", "-h", "127.0.0.1", "-U", core.postgres.user, "-d", core.postgres.database), 2, 3, 5, 60
        ),
        memory=core.postgres.memory,
        volumes={"postgres_data": postgres_mount(core.postgres.image)},
        # A busy database needs more than Docker's ten seconds to end in good order.
        stop_seconds=60,
    )
    published = tuple(
        PublishedPort(str(address), core.backend.port, BACKEND_PORT)
        # In the order in which Docker lists them since 27: its provider takes another one for drift.
        for address in sorted(core.backend.addresses, key=lambda address: (address.version, int(address)))
    )
    backend = StackContainer(
        service="backend",
        image=core.backend.image,
        environment={
            "POSTGRES_HOST": "postgres",
            "POSTGRES_USER": core.postgres.user,
            "POSTGRES_DB": core.postgres.database,
            "OLLAMA_BASE_URL": f"http://ollama:{OLLAMA_PORT}" if with_ollama else core.ollama.url or "",
            "DB_CONNECT_ATTEMPTS": str(core.backend.connect_attempts),
            "DB_CONNECT_DELAY_SECONDS": str(core.backend.connect_delay),
            "LOG_LEVEL": core.backend.log_level,
            "ALLOWED_HOSTS": " ".join(core.backend.allowed_hosts),
            # The container listens on all of its own addresses: who can come is told by those of the machine.
            "PUBLISHED_ON": " ".join(entry.address for entry in published),
            "SIGN_IN": core.backend.sign_in,
        },
        variables={
            "POSTGRES_PASSWORD": Variable("core-postgres-password", required=True),
            "SECRET_KEY": Variable("core-secret-key", required=True),
            **({} if core.backend.sign_in == "never" else {"ACCESS_PASSWORD": Variable("core-access-password")}),
            "GMAIL_CLIENT_ID": Variable("core-gmail-client-id"),
            "GMAIL_CLIENT_SECRET": Variable("core-gmail-client-secret"),
            "GMAIL_REFRESH_TOKEN": Variable("core-gmail-refresh-token"),
        },
        # /health is 200 whatever happens: the check reads checks.db.
        health=HealthCheck(("python", "-m", "mail_assistant.healthcheck"), 5, 5, 3, 60),
        memory=core.backend.memory,
        publications=published,
        after=("postgres",),
        read_only=True,
        stop_seconds=15,
    )
    ollama = StackContainer(
        service="ollama",
        image=core.ollama.image,
        environment={},
        variables={},
        health=HealthCheck(("ollama", "list"), 10, 5, 3, 60),
        memory=core.ollama.memory,
        volumes={"ollama_data": "/root/.ollama"},
        profile="ai",
    )
    return (postgres, backend, ollama) if with_ollama else (postgres, backend)


def duration(seconds: int) -> str:
    """Return a time as Go writes it, `1m0s` for 60.

    Docker's provider reads it back so, and another form would be drift.
    """
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if seconds >= 60 else "") + f"{seconds % 60}s"
