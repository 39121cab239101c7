"""What a package is wished to be, and what dpkg and apt say that it is."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from providers.errors import CouldNotLook
from providers.kind import Facts, Inputs
from providers.machine.session import Session
from toolchain.lines import lines_in

_THERE = ("installed", "triggers-awaited", "triggers-pending")
_HALF = ("unpacked", "half-configured", "half-installed")


def _package_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?", value):
        raise ValueError(
            "must be a Debian package name (lowercase letters, digits, '+', '-', '.'); one Package for each"
        )
    return value


def _version(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+:~-]*\*?", value):
        raise ValueError(
            "must be a version as apt has it (apt-cache policy), as '5.4.2+ds1-2', or its beginning, as '5.4*'"
        )
    return value


class PackageInputs(Inputs):
    name: Annotated[
        str,
        AfterValidator(_package_name),
        Field(description="Name of the package, as apt knows it. A change replaces the resource."),
    ]
    recommends: bool = Field(
        default=False, description="Whether what the package recommends comes along when it is installed."
    )
    version: Annotated[
        str | None,
        AfterValidator(_version),
        Field(description="The version, as apt has it; with '*' at its end how it begins. It may be an older one."),
    ] = None
    hold: bool | None = Field(
        default=None,
        description="Whether apt keeps the version that is there, also when all is upgraded (apt-mark hold).",
    )


class PackageFacts(Facts):
    version: str = Field(default="", description="The installed version; as it is wished where dpkg finds both equal.")
    hold: bool = Field(default=False, description="Whether apt is told to keep it.")
    exact: str = Field(default="", description="The installed version, as dpkg writes it.")
    unfinished: bool = Field(default=False, description="Unpacked, and not yet configured: there, and not usable.")
    automatic: bool = Field(default=False, description="Whether apt holds it for a mere dependency of others.")
    configured: bool = Field(default=False, description="Removed, but its configuration files are still there.")


def facts_of(query: str, states: str) -> PackageFacts:
    r"""Read what dpkg and apt say of a package.

    `query` is the answer to `dpkg-query -f '${db:Status-Status}\t${Version}\t${db:Status-Want}'`, a line for each
    architecture, and `states` the package's paragraph of apt's extended_states.
    """
    lines = [(*line.split("\t"), "", "")[:3] for line in lines_in(query) if line.strip()]
    automatic = "Auto-Installed: 1" in states
    for status, version, want in lines:
        if status in _THERE:
            held = want == "hold"
            return PackageFacts(present=True, version=version, exact=version, automatic=automatic, hold=held)
    for status, version, want in lines:
        if status in _HALF:
            held = want == "hold"
            return PackageFacts(present=False, exact=version, automatic=automatic, hold=held, unfinished=True)
    return PackageFacts(present=False, configured=any(status == "config-files" for status, _, _ in lines))


async def observe(session: Session, inputs: PackageInputs) -> PackageFacts:
    bare = inputs.name.partition(":")[0]
    form = "${db:Status-Status}\\t${Version}\\t${db:Status-Want}\\n"
    query, states = await asyncio.gather(
        session.run("dpkg-query", "-W", "-f", form, inputs.name, check=False),
        session.run("grep", "-x", "-A3", f"Package: {bare}", "/var/lib/apt/extended_states", check=False),
    )
    if query.status == 127:
        raise CouldNotLook(
            f"{session.machine} has no dpkg, so it has no Debian packages",
            remedy="a Package is for Debian and Ubuntu; install the software there in another way, with a Script",
        )
    facts = facts_of(query.stdout if query.ok else "", states.stdout)
    if inputs.version is None or not facts.present or not await is_version(session, facts.exact, inputs.version):
        return facts
    return facts.model_copy(update={"version": inputs.version})


async def is_version(session: Session, found: str, wished: str) -> bool:
    """Return whether a version is the wished one. dpkg says so: `1.0` is `0:1.0`."""
    if wished.endswith("*"):
        return found.startswith(wished[:-1])
    return found == wished or (await session.run("dpkg", "--compare-versions", found, "eq", wished, check=False)).ok


async def packages_there(session: Session) -> frozenset[str]:
    """Return all packages on the machine by the names that apt gives them, those half installed among them."""
    architecture, listed = await asyncio.gather(
        session.run("dpkg", "--print-architecture"),
        session.run("dpkg-query", "-W", "-f", "${db:Status-Status}\\t${Package}\\t${Architecture}\\n"),
    )
    return frozenset(names_of(listed.stdout, architecture.stdout.strip()))


def names_of(listed: str, native: str) -> list[str]:
    """Read dpkg's `status<TAB>name<TAB>architecture`: the names of what is there, as apt's plans have them."""
    fields = [line.split("\t") for line in lines_in(listed)]
    return [
        name if architecture in {native, "all"} else f"{name}:{architecture}"
        for status, name, architecture in fields
        if status not in {"not-installed", "config-files"}
    ]
