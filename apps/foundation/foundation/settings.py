"""What the settings of every application have: addresses, secrets, and sentences about mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, ValidationError
from pydantic_settings import BaseSettings


def http_address(example: str) -> AfterValidator:
    """Return a validator of addresses of http or https; it takes the slash at the end away, and None stays None."""

    def check(value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"must be an address of http or https; write it as {example}")
        return value.rstrip("/")

    return AfterValidator(check)


def secret_values(settings: BaseSettings, *more: str | None) -> list[str]:
    """Return every secret value of the settings, and `more`, so that the logs can be kept free of them."""
    found = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    return [*found, *(value for value in more if value)]


def problems(error: ValidationError, remedies: Mapping[str, str]) -> list[str]:
    """Return one sentence for each mistake: the variable's name and the rule, never the value.

    `remedies` says for a variable that is missing how to come by a value; "" is for every one: where to set it.
    """
    place = remedies.get("", "in the environment")
    found: list[str] = []
    for detail in error.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in detail["loc"]).upper()
        # Pydantic's own messages begin with "Input should".
        rule = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if detail["type"] == "missing":
            remedy = f", {remedies[name]}" if name in remedies else ""
            found.append(f"{name} is missing; set it {place}{remedy}")
        else:
            found.append(f"{name} is wrong: it {rule}" if name else f"{rule}; set it {place}")
    return found
