"""What the environment says, read once at start. What a user sets is in services/known_settings.py."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from foundation.settings import http_address, secret_values
from foundation.settings import problems as problems_of
from mail_assistant.hosts import read_names

DRIVER = "postgresql+asyncpg"
SHORTEST_PASSWORD = 12  # characters
SHORT_SECRET = 16
"""A SECRET_KEY with fewer characters can be guessed; the application says so and goes on."""


HttpAddress = http_address("http://ollama:11434")
REMEDIES = {
    "": "in the environment or in .env",
    "SECRET_KEY": "for example to what `openssl rand -hex 32` prints",
}
"""What is added where a variable is missing, and where it is set."""


class Settings(BaseSettings):
    """What the environment (or a file `.env`) says. An empty value counts as none."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    secret_key: SecretStr = Field(description="Signs the forms' tokens.")
    postgres_password: SecretStr | None = Field(default=None, description="The database's password.")
    database_url: SecretStr | None = Field(default=None, description="Takes the place of every POSTGRES_ value.")
    postgres_host: str = "postgres"
    postgres_port: Annotated[int, Field(ge=1, le=65535)] = 5432
    postgres_user: str = "mail_assistant"
    postgres_db: str = "mail_assistant"
    gmail_client_id: str | None = None
    gmail_client_secret: SecretStr | None = None
    gmail_refresh_token: SecretStr | None = None
    gmail_token_url: Annotated[str, HttpAddress] = "https://oauth2.googleapis.com/token"
    ollama_base_url: Annotated[str | None, HttpAddress] = Field(
        default=None, description="Where Ollama answers, until a user saves another address. Without it: no AI."
    )
    db_connect_attempts: Annotated[int, Field(ge=1, le=1000)] = 5
    db_connect_delay_seconds: Annotated[int, Field(ge=0, le=60)] = 2
    allowed_hosts: str = Field(
        default="", description="Names under which the pages may be asked for, beside localhost and addresses."
    )
    access_password: SecretStr | None = Field(default=None, description="Asked for before any page is shown.")
    sign_in: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether visitors give it; auto: unless only this machine itself can come.",
    )
    published_on: str = Field(
        default="", description="Where others reach it, where that is not HOST: a container's published addresses."
    )
    host: str = Field(default="0.0.0.0", description="Address to listen on.")
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("allowed_hosts")
    @classmethod
    def _are_names(cls, value: str) -> str:
        read_names(value)
        return value

    @field_validator("access_password")
    @classmethod
    def _can_not_be_guessed(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_PASSWORD:
            raise ValueError(f"must have at least {SHORTEST_PASSWORD} characters; take several words, say")
        return value

    @model_validator(mode="after")
    def _others_need_a_password(self) -> Settings:
        if self.access_password is not None and self.sign_in == "never":
            raise ValueError("SIGN_IN is never, so nobody is asked for ACCESS_PASSWORD; remove one of them")
        if self.access_password is not None or self.sign_in == "never":
            return self
        places = (self.published_on or self.host).replace(",", " ").split()
        others = [place for place in places if not is_loopback(place)]
        if self.sign_in == "always":
            raise ValueError("ACCESS_PASSWORD is missing, and SIGN_IN is always")
        if others:
            raise ValueError(
                f"ACCESS_PASSWORD is missing, and others can reach {others[0][:80]} (or let HOST, in a container "
                "PUBLISHED_ON, be 127.0.0.1; or say SIGN_IN=never where something before it asks who comes)"
            )
        return self

    @model_validator(mode="after")
    def _database_is_known(self) -> Settings:
        if self.database_url is None and self.postgres_password is None:
            raise ValueError("POSTGRES_PASSWORD is missing (or DATABASE_URL instead of it)")
        if self.database_url is not None:
            try:
                scheme = make_url(self.database_url.get_secret_value()).get_backend_name()
            except (ArgumentError, ValueError):
                scheme = ""
            if scheme not in {"postgresql", "postgres"}:
                raise ValueError("DATABASE_URL must be written as postgresql://user@host:5432/name")
        return self

    @property
    def host_names(self) -> tuple[str, ...]:
        """The names of ALLOWED_HOSTS."""
        return read_names(self.allowed_hosts)

    @property
    def database(self) -> URL:
        """Where the database is, for SQLAlchemy. `str` of it hides the password."""
        if self.database_url is not None:
            return make_url(self.database_url.get_secret_value()).set(drivername=DRIVER)
        assert self.postgres_password is not None, "the validator asks for it where there is no DATABASE_URL"
        return URL.create(
            DRIVER,
            username=self.postgres_user,
            password=self.postgres_password.get_secret_value(),
            host=self.postgres_host,
            port=self.postgres_port,
            database=self.postgres_db,
        )

    def secrets(self) -> list[str]:
        """Return every secret value, so that the logs can be kept free of them."""
        return secret_values(self, self.database.password)


def is_loopback(place: str) -> bool:
    """Return whether an address to listen on is reached from this machine alone."""
    try:
        address = ipaddress.ip_address(place.strip("[]"))
    except ValueError:
        return place.lower() == "localhost"
    return address.is_loopback or bool(getattr(address, "ipv4_mapped", None) and address.ipv4_mapped.is_loopback)


def problems(error: ValidationError) -> list[str]:
    """Return one sentence for each mistake: the variable's name and the rule, never the value."""
    return problems_of(error, REMEDIES)
