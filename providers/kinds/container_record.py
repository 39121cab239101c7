"""What a user's container was like, written down on the machine before anybody touches it: its port and its image.

For taking over from containers that were started by hand. Reads the container with `podman inspect` and changes nothing
about it. The record is a small file of its own, so that it outlives the container: once written it is what counts, and
it is never written anew. Destroy removes it.
"""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Any, cast

from pydantic import Field

from providers.errors import InvalidInput, Untouched
from providers.kind import AbsolutePath, AccountName, Facts, Inputs, Kind
from providers.machine.session import Session


class ContainerRecordInputs(Inputs):
    path: Annotated[AbsolutePath, Field(description="Where the record is kept. A change replaces it.")]
    user: Annotated[AccountName, Field(description="The user who runs the container. A change replaces the record.")]
    container: Annotated[str, Field(min_length=1, description="The container's name. A change replaces the record.")]
    port_needed: Annotated[bool, Field(description="Whether a port that can't be told is an error.")] = True


class ContainerRecordFacts(Facts):
    port: int = Field(default=0, description="The TCP port on which the container listens; 0 where it can't be told.")
    image: str = Field(default="", description="The full name of the image it was made from.")


def ports_of(container: dict[str, Any]) -> list[int]:
    """Return the TCP ports of one entry of `podman inspect`: those the image exposes, else those that are published."""
    config = cast(dict[str, Any], container.get("Config") or {})
    host = cast(dict[str, Any], container.get("HostConfig") or {})
    for ports in (config.get("ExposedPorts"), host.get("PortBindings")):
        names = cast(dict[str, Any], ports or {})
        found = {name.partition("/")[0] for name in names if name.endswith("/tcp")}
        if found:
            return sorted(int(port) for port in found if port.isdigit())
    return []


def record_of(content: bytes | None) -> ContainerRecordFacts:
    """Return the facts in a record's text; what can't be read counts as no record."""
    try:
        found = json.loads(content or b"")
        return ContainerRecordFacts(present=True, port=int(found["port"]), image=str(found["image"]))
    except (ValueError, KeyError, TypeError):
        return ContainerRecordFacts(present=False)


async def observe(session: Session, inputs: ContainerRecordInputs) -> ContainerRecordFacts:
    stat = await session.stat(inputs.path, content=True)
    return record_of(stat.content) if stat is not None and stat.type == "file" else ContainerRecordFacts(present=False)


async def apply(session: Session, inputs: ContainerRecordInputs, facts: ContainerRecordFacts) -> None:
    if facts.present:
        return  # what was written down once is what counts
    if await session.stat(inputs.path) is not None:
        raise InvalidInput(
            f"{inputs.path} on {session.machine} is there and is no record of a container; nothing was changed",
            remedy="move it away, or give the record another path",
        )
    what = f"the container {inputs.container} of {inputs.user} on {session.machine}"
    look = session.looking()
    asked = await look.run("podman", "container", "inspect", inputs.container, user=inputs.user, check=False)
    if not asked.ok:
        raise Untouched(
            f"{what} can't be read, so neither its port nor its image is known; nothing was changed",
            detail=asked.stderr,
            remedy="name the old user and container as `podman ps --all` shows them, "
            "or give port and image in the settings",
        )
    container = cast(dict[str, Any], json.loads(asked.stdout)[0])
    ports = ports_of(container)
    if inputs.port_needed and len(ports) != 1:
        found = f"exposes several ports ({', '.join(map(str, ports))})" if ports else "exposes no port"
        raise InvalidInput(
            f"{what} {found}, so the port on which it listens is unknown; nothing was changed",
            remedy="give the port in the settings",
        )
    record = {"port": ports[0] if len(ports) == 1 else 0, "image": str(container.get("ImageName") or "")}
    text = json.dumps({"container": inputs.container, "user": inputs.user, **record}, indent=2) + "\n"
    await session.write(inputs.path, text.encode(), mode="0644", owner="root", group="root")


async def restore(session: Session, inputs: ContainerRecordInputs, before: ContainerRecordFacts) -> None:
    # What is no record was there before, and was refused.
    if not before.present and (await observe(session, inputs)).present:
        await session.remove(inputs.path)


KIND = Kind(
    token="hearth:host:ContainerRecord",
    inputs=ContainerRecordInputs,
    facts=ContainerRecordFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("path", "user", "container"),
    identify=lambda inputs: inputs.path.removeprefix("/"),
    outputs=("port", "image"),
    locks=lambda inputs: (f"file:{inputs.path}",),
    by_hand=lambda inputs: f"rm {shlex.quote(inputs.path)}",
)
