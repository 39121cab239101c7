"""The environment file on each machine: a pure function for its text, and the resources that lay it."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from typing import TypedDict

import pulumi
from pulumi import Input, Output, ResourceOptions

from config.systems.lxd import Lxd
from config.systems.lxd.parts import Environment
from config.texts import NO_TEXT
from providers.resources.host import Directory, File, Script

SECRET = "lxd-environment"


class LinkTexts(TypedDict):
    """What the link's Script is made from."""

    name: str
    check: str
    apply: str
    undo: str


class MissingVariables(ValueError):
    """Variables that the settings require are nowhere."""


def text(plain: Mapping[str, str], secret: str, required: tuple[str, ...]) -> str:
    """Return the file: one NAME='value' per line, for a shell's `.` and for systemd's EnvironmentFile alike.

    `secret` are lines of NAME=value. Raises MissingVariables that names what is required and nowhere, and no value.
    """
    values = dict(plain)
    for line in secret.split("\n"):
        name, separator, value = line.partition("=")
        if separator and not name.lstrip().startswith("#"):
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

    Source: POSIX sh, 2.2 Quoting; systemd.exec(5), EnvironmentFile. Raises ValueError for a line break, and for what is
    no character: systemd would refuse the whole file.
    """
    if re.search(rf"[\n\r\x00{NO_TEXT}]", value):
        raise ValueError("a variable of the environment file is one line of text; take the line break out")
    if "'" not in value:
        return f"'{value}'"
    for character in ("\\", '"', "$", "`"):
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'


def lay(parent: pulumi.Resource, name: str, settings: Lxd, secrets: Mapping[str, Input[str]]) -> None:
    """Register the file on every machine, for its owner alone, its folder if a machine lacks it, and its link."""
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
        file = File(
            f"{name}-environment-{member}",
            host=settings.host_of(member),
            path=str(wanted.path),
            content=Output.secret(content),
            mode="0600",
            owner=wanted.owner,
            opts=ResourceOptions(parent=parent, depends_on=[folder]),
        )
        if wanted.link is not None:
            Script(
                f"{name}-environment-link-{member}",
                host=settings.host_of(member),
                **link_texts(wanted),
                # Another place or file is another link: the old one goes before the new one is looked at.
                opts=ResourceOptions(parent=parent, depends_on=[file], delete_before_replace=True),
            )


def link_texts(wanted: Environment) -> LinkTexts:
    """Return the Script that lays the link, refuses what is in its place, and takes only its own away."""
    link, path, owner = (shlex.quote(str(each)) for each in (wanted.link, wanted.path, wanted.owner))
    digest = hashlib.sha256(f"{wanted.link}\0{wanted.path}".encode()).hexdigest()[:12]
    return {
        "name": f"environment: the link {digest}",
        "check": f'[ -L {link} ] && [ "$(readlink -- {link})" = {path} ]\n',
        "apply": f"""link={link}
[ -L "$link" ] && [ "$(readlink -- "$link")" = {path} ] && exit 0
if [ -e "$link" ] || [ -L "$link" ]; then
    echo "$link is there already and is somebody else's, so it stays and no link was made; move it away, or give" \\
        "environment.link another place" >&2
    exit 1
fi
[ -d "$(dirname -- "$link")" ] || {{ echo "$link: the folder that it would lie in is not there" >&2; exit 1; }}
ln -s -- {path} "$link" && chown -h -- {owner}: "$link"
""",
        "undo": f'if [ "$(readlink -- {link})" = {path} ]; then rm -f -- {link}; fi\n',
    }


def deployed(settings: Lxd) -> dict[str, str]:
    """Return what the checks need to know of it."""
    wanted = settings.environment
    if wanted is None:
        return {}
    link = {} if wanted.link is None else {"link": str(wanted.link)}
    return {"path": str(wanted.path), "owner": wanted.owner, "required": " ".join(wanted.required), **link}
