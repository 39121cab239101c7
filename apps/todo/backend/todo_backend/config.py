"""What the environment says, read once at start."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+asyncpg"
SHORTEST_SECRET = 32
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
IGNORED_PARAMETERS = {"channel_binding", "connect_timeout", "application_name"}
"""Of libpq's parameters, those that hosted databases put into their addresses and this driver settles by itself."""


def _http_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must be an address of http or https; write it as https://api.openai.com/v1")
    return value.rstrip("/")


def _database_address(value: SecretStr) -> SecretStr:
    rule = "must be written as postgresql://user:password@host:5432/name"
    try:
        url = make_url(value.get_secret_value())
    except (ArgumentError, ValueError):
        raise ValueError(rule) from None
    # The name before any driver: a dialect that is not installed would be looked for otherwise.
    if url.drivername.split("+")[0] not in {"postgresql", "postgres"} or not url.host or not url.database:
        raise ValueError(rule)
    unknown = sorted(set(url.query) - IGNORED_PARAMETERS - {"sslmode"})
    if unknown:
        raise ValueError(f"has the parameter {unknown[0]!r}; only sslmode can be given there")
    if url.query.get("sslmode", "prefer") not in SSL_MODES:
        raise ValueError(f"has another sslmode than {', '.join(SSL_MODES)}")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"must have at least {SHORTEST_SECRET} characters; take what `openssl rand -hex 32` prints")
    return value


class MigrationSettings(BaseSettings):
    """What `todo-backend migrate` needs. An empty value counts as none."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    database_url: Annotated[SecretStr, AfterValidator(_database_address)]
    migrate_wait: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=60, description="Seconds to wait for a database that does not answer."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def database(self) -> URL:
        """Where the database is, for SQLAlchemy. `str` of it hides the password."""
        url = make_url(self.database_url.get_secret_value())
        mode = url.query.get("sslmode")
        return url.set(drivername=DRIVER, query={"ssl": mode} if mode else {})

    def secrets(self) -> list[str]:
        """Every secret value, so that the logs can be kept free of them."""
        found = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        return [*found, *([self.database.password] if self.database.password else [])]


class Settings(MigrationSettings):
    """What `todo-backend serve` needs."""

    auth_secret: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(description="Signs the sessions' cookies.")
    openai_api_key: SecretStr | None = Field(default=None, description="Without it the assistant says that it is off.")
    openai_base_url: Annotated[str, AfterValidator(_http_address)] = "https://api.openai.com/v1"
    openai_model: str = "gpt-4o-mini"
    openai_timeout: Annotated[float, Field(gt=0, le=80)] = Field(
        default=30, description="Seconds that the assistant's model may think. The frontend waits 90."
    )
    environment: str = Field(default="", max_length=63, description="A name that /health shows.")
    cookie_secure: Literal["auto", "true", "false"] = Field(
        default="auto", description="Whether cookies travel by https alone; auto: where the visitor came by https."
    )
    proxies: Annotated[int, Field(ge=0, le=10)] = Field(
        default=1, description="How many proxies stand before us and add to X-Forwarded-For; 0: believe no header."
    )
    registrations_per_hour: Annotated[int, Field(ge=1)] = Field(
        default=100, description="New accounts from one address; a house or a cluster's node may share one."
    )
    host: str = Field(default="0.0.0.0", description="Address to listen on.")
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    shutdown_grace: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=20, description="Seconds for requests under way, once asked to stop."
    )


def problems(error: ValidationError) -> list[str]:
    """One sentence for each mistake: the variable's name and the rule, never the value."""
    found: list[str] = []
    for detail in error.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in detail["loc"]).upper()
        if detail["type"] == "missing":
            remedy = ", for example to what `openssl rand -hex 32` prints" if name == "AUTH_SECRET" else ""
            found.append(f"{name} is missing; set it in the environment{remedy}")
        else:
            found.append(f"{name} is wrong: it {detail['msg'].removeprefix('Value error, ')}")
    return found
