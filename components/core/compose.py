"""compose.yaml of the core stack, for running it by hand: made from the same containers as the component.

`python -m components.core.compose` writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from components.core.containers import StackContainer, containers
from config.systems.core import Core

COMPOSE_FILE = Path(__file__).resolve().parents[2] / "apps" / "mail-assistant" / "compose.yaml"
HEAD = """\
# Made by `python -m components.core.compose` from containers.py there, as the Pulumi component is: not to edit.
#   cp .env.example .env      and fill it in
#   docker compose up -d      with Ollama: docker compose --profile ai up -d
# What is to be different here belongs into compose.override.yaml: see compose.override.example.yaml.
"""
CHANGEABLE = {
    "OLLAMA_BASE_URL": "-",
    "DB_CONNECT_ATTEMPTS": ":-",
    "DB_CONNECT_DELAY_SECONDS": ":-",
    "LOG_LEVEL": ":-",
    "ALLOWED_HOSTS": ":-",
    "SIGN_IN": ":-",
}
"""Variables that .env may set, and how the default is joined: `-` where an empty value means none."""


def _escaped(text: str) -> str:
    """Return a value in which compose is to find no variables."""
    return text.replace("$", "$$")


def _published_on(container: StackContainer) -> list[str]:
    """Return the addresses on which a port is published; where it is one, .env may name another."""
    addresses = [entry.address for entry in container.publications]
    return [f"${{BACKEND_ADDRESS:-{addresses[0]}}}"] if len(addresses) == 1 else addresses


def _environment(container: StackContainer) -> dict[str, str]:
    values = {
        name: f"${{{name}{CHANGEABLE[name]}{value}}}" if name in CHANGEABLE else _escaped(value)
        for name, value in container.environment.items()
    }
    if container.publications:
        values["PUBLISHED_ON"] = " ".join(_published_on(container))
    for name, variable in container.variables.items():
        values[name] = f"${{{name}:?set {name} in .env}}" if variable.required else f"${{{name}:-}}"
    return values


def _service(container: StackContainer) -> dict[str, Any]:
    health = container.health
    service: dict[str, Any] = {}
    if container.profile:
        service["profiles"] = [container.profile]
    if container.image is None:
        # The folder above: the image shares apps/foundation with others.
        build = {"context": "..", "dockerfile": "mail-assistant/Dockerfile"}
        service |= {"build": build, "image": "mail-assistant"}
    else:
        service["image"] = container.image
    service["restart"] = "unless-stopped"
    if container.after:
        service["depends_on"] = {name: {"condition": "service_healthy"} for name in container.after}
    if environment := _environment(container):
        service["environment"] = environment
    if container.publications:
        service["ports"] = [
            f"{address}:${{BACKEND_PORT:-{entry.port}}}:{entry.inside}"
            for address, entry in zip(_published_on(container), container.publications, strict=True)
        ]
    if container.volumes:
        service["volumes"] = [f"{name}:{path}" for name, path in container.volumes.items()]
    service["healthcheck"] = {
        "test": ["CMD", *health.test],
        "interval": f"{health.interval}s",
        "timeout": f"{health.timeout}s",
        "retries": health.retries,
        "start_period": f"{health.start_period}s",
    }
    # Both: with the first alone, a container may use as much swap again.
    service |= {"mem_limit": container.memory, "memswap_limit": container.memory}
    if container.read_only:
        service |= {
            "read_only": True,
            "tmpfs": ["/tmp"],
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
        }
    service["stop_grace_period"] = f"{container.stop_seconds}s"
    service["logging"] = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    return service


def compose(core: Core) -> dict[str, Any]:
    """Return the content of compose.yaml. Ollama is there, under its profile, whatever `ai` says."""
    wanted = containers(core, with_ollama=True)
    volumes: dict[str, None] = {name: None for container in wanted for name in container.volumes}
    return {
        "name": core.name,
        "services": {container.service: _service(container) for container in wanted},
        "volumes": volumes,
    }


class _Plain(yaml.SafeDumper):
    """Lists indented below their keys, and nothing where there is no value."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _none(_dumper: yaml.SafeDumper, _value: None) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:null", "")


_Plain.add_representer(type(None), _none)


def text() -> str:
    """compose.yaml as it stands in its file: with the default settings."""
    content = compose(Core(host="here"))
    return HEAD + yaml.dump(content, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    COMPOSE_FILE.write_text(text())
    print(f"Written: {COMPOSE_FILE}")
