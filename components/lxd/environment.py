"""The environment file on each machine: a pure function for its text, and the resources that lay it."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
from pulumi import Input, Output, ResourceOptions

from config.systems.lxd import Lxd
from providers.resources.host import Directory, File

SECRET = "lxd-environment"


class MissingVariables(ValueError):
    """Variables that the settings require are nowhere."""


def text(plain: Mapping[str, str], secret: str, required: tuple[str, ...]) -> str:
    """Return the file: one NAME='value' per line, for a shell's `.` and for systemd's EnvironmentFile alike.

    `secret` are lines of NAME=value. Raises MissingVariables that names what is required and nowhere, and no value.
    """
    values = dict(plain)
    for line in secret.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            values[name] = value
    if missing := [name for name in required if not values.get(name)]:
        raise MissingVariables(
            f"lxd.environment requires {', '.join(missing)}, which neither `variables` nor {SECRET} gives; add"
            " a line NAME=value to that secret"
        )
    return "".join(f"{name}={quoted(value)}\n" for name, value in sorted(values.items()))


def quoted(value: str) -> str:
    """Return a value in single quotes.

    One that holds such a quote in double quotes, which both readers take back the same.

    Source: POSIX sh, 2.2 Quoting; systemd.exec(5), EnvironmentFile. Raises ValueError for a line break.
    """
    if any(character in value for character in "\n\r\x00"):
        raise ValueError("a variable of the environment file is one line; take the line break out")
    if "'" not in value:
        return f"'{value}'"
    for character in ("\\", '"', "$", "`"):
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'


def lay(parent: pulumi.Resource, name: str, settings: Lxd, secrets: Mapping[str, Input[str]]) -> None:
    """Register the file on every machine, for its owner alone, and its folder, which a fresh machine lacks."""
    wanted = settings.environment
    if wanted is None:
        return
    plain, required = wanted.variables, wanted.required
    content = Output.from_input(secrets.get(SECRET, "")).apply(lambda secret: text(plain, secret, required))
    for member in settings.members:
        # One that is there already keeps its mode and owner, and stays when this goes.
        folder = Directory(
            f"{name}-environment-folder-{member}",
            host=settings.host_of(member),
            path=str(wanted.path.parent),
            opts=ResourceOptions(parent=parent),
        )
        File(
            f"{name}-environment-{member}",
            host=settings.host_of(member),
            path=str(wanted.path),
            content=Output.secret(content),
            mode="0600",
            owner=wanted.owner,
            opts=ResourceOptions(parent=parent, depends_on=[folder]),
        )


def deployed(settings: Lxd) -> dict[str, str]:
    """Return what the checks need to know of it."""
    wanted = settings.environment
    if wanted is None:
        return {}
    return {"path": str(wanted.path), "owner": wanted.owner, "required": " ".join(wanted.required)}
