"""An image in an LXD cluster, under an alias: from a file on the machine, or from a public server.

Manages that the alias leads to an image. Which one is settled when it is made: a later build on the public server is
taken where the image is made anew. On destroy an image that Hearth brought goes; instances made from it do not mind.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from providers.errors import InvalidInput
from providers.kind import AbsolutePath, Facts, Inputs, Kind
from providers.kinds.lxd import things
from providers.kinds.lxd.api import Api, ApiError, Request, at
from providers.kinds.lxd.daemons import Daemon
from providers.machine.session import Session

DOWNLOAD_SECONDS = 1200.0


class ImageInputs(Inputs):
    alias: Annotated[things.ThingName, Field(description="The name under which it is known. A change replaces it.")]
    daemon: Annotated[Daemon, Field(description="lxd or incus.")] = "lxd"
    file: Annotated[
        AbsolutePath | None, Field(description="An archive on the machine, metadata in it (image-format, unified).")
    ] = None
    server: Annotated[str | None, Field(description="A public server (simplestreams): images, ubuntu, or a URL.")] = (
        None
    )
    name: Annotated[str | None, Field(description="The image's name on that server, as debian/13/cloud.")] = None
    type: Annotated[
        str | None,
        Field(description="container or virtual-machine. None: as the archive is; from a server, of containers."),
    ] = None


class ImageFacts(Facts):
    fingerprint: str = Field(default="", description="SHA-256 of the image.")
    type: str = ""
    properties: dict[str, Any] = {}


async def observe(session: Session, inputs: ImageInputs) -> ImageFacts:
    answer = await things.probe(session, inputs.daemon, "images", "aliases", inputs.alias)
    if isinstance(answer, str):
        return ImageFacts(present=True, type=answer)
    if answer is None:
        return ImageFacts(present=False)
    return ImageFacts(present=True, fingerprint=answer["target"], type=answer["type"])


async def apply(session: Session, inputs: ImageInputs, facts: ImageFacts) -> None:
    api = Api(session, inputs.daemon)
    if facts.present and facts.fingerprint and inputs.type in (None, facts.type):
        return
    if facts.present and facts.fingerprint:
        raise InvalidInput(
            f"the alias {inputs.alias} leads to an image of type {facts.type}, and {inputs.type} is wished for;"
            f" nothing was"
            " changed",
            remedy="give the image another alias",
        )
    if inputs.file is not None:
        if await session.stat(inputs.file) is None:
            raise InvalidInput(
                f"there is no file {inputs.file} on {session.machine}, so the image {inputs.alias} can't be made",
                remedy="put the image's archive there, or name a server",
            )
        request = Request("POST", at("images"), file=inputs.file, wait=DOWNLOAD_SECONDS, timeout=DOWNLOAD_SECONDS)
    elif inputs.server is not None and inputs.name is not None:
        source = {
            "type": "image",
            "mode": "pull",
            "protocol": "simplestreams",
            "server": api.about.servers.get(inputs.server, inputs.server),
            "alias": inputs.name,
            "image_type": inputs.type or "container",
        }
        request = Request("POST", at("images"), {"source": source}, wait=DOWNLOAD_SECONDS, timeout=60)
        session.progress(f"fetching the image {inputs.name}")
    else:
        raise InvalidInput(
            f"the image {inputs.alias} has neither a file nor a server with a name, so there is nothing to make"
            f" it from",
            remedy="give `file`, or `server` and `name`",
        )
    try:
        (answer,) = await api.query(request)
        fingerprint = answer.metadata["metadata"]["fingerprint"]
    except ApiError as error:
        # A run that was cut short behind the upload has left the image without its alias.
        if inputs.file is None or "already exists" not in error.detail:
            raise
        fingerprint = await _fingerprint(session, inputs.file)
    await api.change("POST", at("images", "aliases"), {"name": inputs.alias, "target": fingerprint})


async def _fingerprint(session: Session, file: str) -> str:
    """Return an archive's fingerprint: the SHA-256 of a unified image (canonical/lxd doc/reference/image_format.md)."""
    done = await session.run("sh", "-c", 'sha256sum < "$1"', "sh", file, timeout=DOWNLOAD_SECONDS)
    return done.stdout.split()[0]


async def restore(session: Session, inputs: ImageInputs, before: ImageFacts) -> None:
    api = Api(session, inputs.daemon)
    found = await api.get("images", "aliases", inputs.alias)
    if found is None or before.present:
        return
    image = await api.get("images", found["target"]) or {}
    known: list[dict[str, str]] = image.get("aliases") or []
    aliases = [each["name"] for each in known]
    await api.delete("images", "aliases", inputs.alias)
    if aliases == [inputs.alias]:
        await api.delete("images", found["target"])


KIND = Kind(
    token="hearth:lxd:Image",
    inputs=ImageInputs,
    facts=ImageFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("alias",),
    identify=lambda inputs: f"image/{inputs.alias}",
    parse=lambda identity: {"alias": things.parse("image")(identity)["name"]},
    outputs=("fingerprint",),
    locks=lambda inputs: (f"lxd:image:{inputs.alias}",),
    deadline=1800.0,
    by_hand=lambda inputs: things.by_hand(inputs.daemon, "image delete", inputs.alias),
)
