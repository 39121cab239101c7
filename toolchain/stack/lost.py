"""Forgets what a stack has on Docker engines of machines that are gone for good (`hearth:lost`).

Pulumi's Docker provider reaches a machine by the address among its own settings. With another address it takes the new
machine for the old one: it makes nothing there, and to remove anything it would have to reach a machine that is gone.
Hearth's own resources find out by themselves (docs/resources.md, "Moved machines"); what is Docker's is taken out of
the state before `up`, which then makes all of it anew on the machine that takes the place. Standard library only.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from toolchain.addresses import canonical
from toolchain.stack.recovery import pulumi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PROVIDER = "pulumi:providers:docker"
KEY = "hearth:lost"


def lost_addresses(folder: Path, stack: str, environment: Mapping[str, str]) -> set[str]:
    """Return the addresses that the stack's settings declare lost; none where the file does not speak of them."""
    file = folder / f"Pulumi.{stack}.yaml"
    # Or an environment of Pulumi ESC may speak of them.
    speaks = re.compile(rf"^(\s*[\"']?{KEY}[\"']?\s*:|environment:)", re.MULTILINE)
    if not file.is_file() or not speaks.search(file.read_text()):
        return set()
    found: Any = json.loads(pulumi(folder, environment, "config", "get", KEY, "--stack", stack) or "null")
    return {canonical(str(address)) for address in cast("list[Any]", found)} if isinstance(found, list) else set()


def forget_lost(
    folder: Path, stack: str, environment: Mapping[str, str], say: Callable[[str], None], *, really: bool = True
) -> list[str]:
    """Take out of the state what lies on Docker engines of lost machines; return the URNs.

    Without `really` it is only said: a preview changes nothing.
    """
    lost = lost_addresses(folder, stack, environment)
    if not lost:
        return []
    with tempfile.TemporaryDirectory(prefix="hearth-") as temporary:
        file = Path(temporary) / "state.json"
        # Secrets in an export are encrypted, unless asked for otherwise.
        pulumi(folder, environment, "stack", "export", "--stack", stack, "--file", str(file))
        state = json.loads(file.read_text())
        gone = without_lost(state.get("deployment") or {}, lost)
        if not gone:
            return []
        told = "is forgotten" if really else "will be forgotten by `up`, which this preview does not show"
        say(
            f"{', '.join(sorted(lost))} is lost ({KEY}): what the stack had on Docker there {told} "
            f"({len(gone)} resources), and made anew on the machine that takes its place."
        )
        if not really:
            return gone
        file.write_text(json.dumps(state))
        pulumi(folder, environment, "stack", "import", "--stack", stack, "--file", str(file))
    return gone


def without_lost(deployment: dict[str, Any], lost: Iterable[str]) -> list[str]:
    """Remove from a deployment the Docker providers of lost machines with all that is theirs; return the URNs."""
    addresses = set(lost)
    resources: list[dict[str, Any]] = deployment.get("resources") or []
    providers = {f"{each['urn']}::{each['id']}" for each in resources if _is_of(each, addresses)}
    gone = [each["urn"] for each in resources if _is_of(each, addresses) or each.get("provider") in providers]
    if not gone:
        return []
    kept = [each for each in resources if each["urn"] not in gone]
    for each in kept:
        _cut(each, set(gone))
    deployment["resources"] = kept
    operations: list[dict[str, Any]] = deployment.get("pending_operations") or []
    deployment["pending_operations"] = [each for each in operations if each["resource"]["urn"] not in gone]
    return gone


def _is_of(resource: Mapping[str, Any], addresses: set[str]) -> bool:
    """Return whether a resource is a Docker provider that reaches a machine at one of these addresses."""
    inputs: dict[str, Any] = resource.get("inputs") or {}
    host: object = inputs.get("host")
    if resource.get("type") != PROVIDER or not isinstance(host, str):
        return False
    return canonical(urlsplit(host).hostname or "") in {canonical(each) for each in addresses}


def _cut(resource: dict[str, Any], gone: set[str]) -> None:
    """Take out of a resource's state what it says of others that are not there any more."""
    if isinstance(resource.get("dependencies"), list):
        resource["dependencies"] = [urn for urn in resource["dependencies"] if urn not in gone]
    by_property: dict[str, list[str] | None] = resource.get("propertyDependencies") or {}
    for name, urns in by_property.items():
        by_property[name] = [urn for urn in urns or [] if urn not in gone]
    if resource.get("deletedWith") in gone:
        del resource["deletedWith"]
