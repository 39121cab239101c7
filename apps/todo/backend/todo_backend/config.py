"""What the environment says, read once at start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from foundation.settings import http_address, secret_values
from foundation.settings import problems as problems_of
from todo_backend import database_address
from todo_backend.database_address import DatabaseAddress

SHORTEST_SECRET = 32  # characters


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_SECRET:
        raise ValueError(f"must have at least {SHORTEST_SECRET} characters; take what `openssl rand -hex 32` prints")
    return value


def _proxies(value: object) -> int | Literal["auto"]:
    text = str(value)
    if text == "auto":
        return "auto"
    if not re.fullmatch("[0-9]|10", text):
        raise ValueError("must be auto, or a number from 0 to 10")
    return int(text)


class MigrationSettings(BaseSettings):
    """What `todo-backend migrate` needs. An empty value counts as none."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    # Before the address, which is read together with it.
    database_ca: str | None = Field(
        default=None, description="Certificates in PEM of the authority that signs the database's. No secret."
    )
    database_url: SecretStr
    migrate_wait: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=60, description="Seconds to wait for a database that does not answer."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("database_url")
    @classmethod
    def _is_an_address(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        database_address.read(value.get_secret_value(), info.data.get("database_ca"))
        return value

    @property
    def database(self) -> DatabaseAddress:
        """Where the database is."""
        return database_address.read(self.database_url.get_secret_value(), self.database_ca)

    def secrets(self) -> list[str]:
        """Return every secret value, so that the logs can be kept free of them."""
        return secret_values(self, self.database.url.password)


class Settings(MigrationSettings):
    """What `todo-backend serve` needs."""

    database_url_file: Path | None = Field(
        default=None,
        description="A file with DATABASE_URL as it is now, where something renews it: its password is tried too.",
    )
    auth_secret: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(description="Signs the sessions' cookies.")
    openai_api_key: SecretStr | None = Field(default=None, description="Without it the assistant says that it is off.")
    openai_base_url: Annotated[str, http_address("https://api.openai.com/v1")] = "https://api.openai.com/v1"
    openai_model: str = "gpt-4o-mini"
    openai_timeout: Annotated[float, Field(gt=0, le=80)] = Field(
        default=30, description="Seconds that the assistant's model may think. The frontend waits 90."
    )
    environment: str = Field(default="", max_length=63, description="A name that /health shows.")
    cookie_secure: Literal["auto", "true", "false"] = Field(
        default="auto", description="Whether cookies travel by https alone; auto: where the visitor came by https."
    )
    proxies: Annotated[int | Literal["auto"], BeforeValidator(_proxies)] = Field(
        default="auto",
        description="How many proxies stand before us and add to X-Forwarded-For; 0: believe no header; auto: as many "
        "as have an address of an internal network.",
    )
    registrations_per_hour: Annotated[int, Field(ge=1)] = Field(
        default=100, description="New accounts from one address; a house or a cluster's node may share one."
    )
    migrate_when_empty: bool = Field(
        default=False, description="Whether a database that is found without any table is migrated from here."
    )
    host: str = Field(default="0.0.0.0", description="Address to listen on.")
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    shutdown_grace: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=20, description="Seconds for requests under way, once asked to stop."
    )


def problems(error: ValidationError) -> list[str]:
    """Return one sentence for each mistake: the variable's name and the rule, never the value."""
    return problems_of(error, {"AUTH_SECRET": "for example to what `openssl rand -hex 32` prints"})
