"""A container image in one podman store on a machine: root's, or an account's own.

Manages that an image of this name is there: pulled, handed over from another account's store, or loaded from an
archive. An image that is there is not fetched again when its tag moves on in a registry: name a digest for that. Which
image it is, is written down on the machine: a tag that somebody has moved to another one is drift, and goes back. On
destroy an image that was there before stays; else its name is removed, unless a container uses it. What podman keeps
about its store stays, in the account's home.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated

from pydantic import AfterValidator, Field

from config.model import image_reference
from providers.errors import CommandFailed, CouldNotLook, HearthError, InvalidInput
from providers.kind import AccountName, Facts, Inputs, Kind
from providers.kinds.container_image.podman_store import NO_PODMAN, NOT_GIVEN, NOT_NAMED, NOT_TAKEN, Store
from providers.kinds.unit.made_folders import remove_if_empty
from providers.machine.own_folder import OWN_FOLDER, PRIVATE, make_own_folder
from providers.machine.session import Completed, Session, Stat

NOTES = f"{OWN_FOLDER}/images"


def _source(value: str) -> str:
    scheme, _, rest = value.partition(":")
    if value == "pull" or (scheme == "user" and rest) or (scheme == "archive" and rest.startswith("/")):
        return value
    raise ValueError("must be 'pull', 'user:NAME' (from that account's store) or 'archive:/absolute/path.tar'")


class ContainerImageInputs(Inputs):
    name: Annotated[
        str,
        AfterValidator(image_reference),
        Field(description="The image's full name, as docker.io/ollama/ollama:latest. A change replaces the resource."),
    ]
    user: Annotated[
        AccountName | None,
        Field(description="The account whose podman store holds it; none: root's. A change replaces the resource."),
    ] = None
    source: Annotated[
        str,
        AfterValidator(_source),
        Field(
            description="Where it comes from if it is not there: `pull`, `user:NAME` (handed over from that account's"
            " store), or `archive:/path.tar`."
        ),
    ] = "pull"


class ContainerImageFacts(Facts):
    source: str = Field(default="", description="The wished source, where it is the image that came from there.")
    found_id: str = Field(default="", description="The id of what has the name now.")
    image_id: str = Field(default="", description="The image's id: the hash of its configuration.")
    digest: str = Field(default="", description="The hash of its manifest.")


def _owner(inputs: ContainerImageInputs) -> str:
    return inputs.user or "root"


async def observe(session: Session, inputs: ContainerImageInputs) -> ContainerImageFacts:
    found, noted = await asyncio.gather(
        Store(session, inputs.user).inspect(inputs.name), session.stat(note_of(inputs), content=True)
    )
    if found is None:
        return ContainerImageFacts(present=False)
    if isinstance(found, Completed):
        raise CouldNotLook(
            f"podman on {session.machine} could not say whether {_owner(inputs)} has the image {inputs.name}",
            detail=found.stderr,
            remedy=f"see what `podman images` says there for {_owner(inputs)}",
        )
    image_id, digest = found
    known_id, _, known_digest = ("", "", "")
    if noted is not None:
        known_id, _, known_digest = (noted.content or b"").decode(errors="replace").strip().partition(" ")
    if known_id in ("", image_id):
        return ContainerImageFacts(
            present=True, source=inputs.source, found_id=image_id, image_id=image_id, digest=digest
        )
    # Whoever restarts on the id goes on with the image that runs: the other one is not what was asked for.
    moved = f"{inputs.name} was moved by somebody to {image_id[:19]}"
    return ContainerImageFacts(present=True, source=moved, found_id=image_id, image_id=known_id, digest=known_digest)


async def apply(session: Session, inputs: ContainerImageInputs, facts: ContainerImageFacts) -> None:
    store = Store(session, inputs.user)
    if facts.present and facts.image_id != facts.found_id and (await store.tag(facts.image_id, inputs.name)).ok:
        return
    if facts.present:
        if facts.image_id != facts.found_id:
            session.warn(
                f"{inputs.name} on {session.machine} is another image than before, and the one of before"
                f" ({facts.image_id[:19]}) is not there any more: from now on it counts as the one that was asked for"
            )
        await _note(session, inputs, facts.found_id, facts.digest)
        return
    await _check(session, inputs)
    session.progress(f"getting the image {inputs.name} for {_owner(inputs)} on {session.machine}")
    if inputs.source == "pull":
        done = await store.pull(inputs.name)
    else:
        done = await store.load(inputs.name, inputs.source)
    if not done.ok:
        home = await session.account(_owner(inputs))
        raise failure(session.machine, inputs, done, await session.stat(home.home) if home is not None else None)
    found = await store.inspect(inputs.name)
    if isinstance(found, tuple):
        await _note(session, inputs, *found)


def note_of(inputs: ContainerImageInputs) -> str:
    """Return where it is written down which image has the name."""
    return f"{NOTES}/{hashlib.sha256(identify(inputs).encode()).hexdigest()[:32]}"


async def adopt(session: Session, inputs: ContainerImageInputs, facts: ContainerImageFacts) -> None:
    """Write down which image it is that was there."""
    if await session.stat(note_of(inputs)) is None:
        await _note(session, inputs, facts.image_id, facts.digest)


async def _note(session: Session, inputs: ContainerImageInputs, image_id: str, digest: str) -> None:
    await asyncio.gather(
        make_own_folder(session),
        session.make_directory(NOTES, **PRIVATE),
        session.write(note_of(inputs), f"{image_id} {digest}\n".encode(), mode="0600", owner="root", group="root"),
    )


async def _check(session: Session, inputs: ContainerImageInputs) -> None:
    """Raise InvalidInput where an account or the archive is missing."""
    scheme, _, place = inputs.source.partition(":")
    for name in {_owner(inputs), place if scheme == "user" else "root"} - {"root"}:
        if await session.account(name) is None:
            raise InvalidInput(
                f"there is no account {name!r} on {session.machine}, so {_owner(inputs)} can't have the image"
                f" {inputs.name} from {inputs.source!r}; nothing was changed",
                remedy="correct the name, or declare the User and let this ContainerImage depend on it",
            )
    if scheme == "archive":
        found = await session.stat(place)
        if found is None or found.type != "file":
            raise InvalidInput(
                f"{place} on {session.machine}, the archive of {inputs.name}, is no file; nothing was changed",
                remedy="correct the path, or put the archive there first (podman save -o)",
            )


def failure(machine: str, inputs: ContainerImageInputs, done: Completed, home: Stat | None = None) -> HearthError:
    """Return what a failed podman means, and what to do about it. `home` is the account's."""
    what = f"the image {inputs.name} for {_owner(inputs)} on {machine}"
    scheme, _, place = inputs.source.partition(":")
    summary, remedy = (
        f"{what} could not be pulled",
        (
            "check the name, and try `podman pull` there as that account: the machine must reach the registry, and"
            " where that wants a login, the account must have one (podman login)"
        ),
    )
    if home is not None and home.owner != _owner(inputs):
        summary, remedy = (
            f"{what} could not be stored: the home of {_owner(inputs)} belongs to {home.owner}",
            "give it back (declare the User with home_owner, or chown it), then run up again",
        )
    elif done.status == NO_PODMAN:
        summary, remedy = (
            f"{machine} has no podman, so {what} can't be had",
            ("declare Package 'podman', and let this ContainerImage depend on it"),
        )
    elif "No space left" in done.stderr or "no space left" in done.stderr:
        summary, remedy = (
            f"the disk is full, so {what} could not be stored",
            ("free space on the machine (df -h; podman system df), then run up again"),
        )
    elif "insufficient UIDs or GIDs" in done.stderr or "no subuid ranges" in done.stderr:
        summary, remedy = (
            f"{what} could not be stored: {_owner(inputs)} has too few subordinate ids",
            ("declare the User with subordinate_ids='auto', and let this ContainerImage depend on it"),
        )
    elif done.status == NOT_GIVEN:
        origin = f"the store of {place}" if scheme == "user" else place
        summary, remedy = (
            f"{what} could not be read from {origin}",
            (
                f"see whether it is there under that name (podman images, as {place})"
                if scheme == "user"
                else "see whether the archive is whole"
            ),
        )
    elif done.status in (NOT_TAKEN, NOT_NAMED):
        summary, remedy = (
            f"{what} could not be loaded",
            ("see what the lines above say; an archive must be one of `podman save` or `docker save`"),
        )
    return CommandFailed(summary, status=done.status, detail=done.stderr, remedy=remedy)


async def restore(session: Session, inputs: ContainerImageInputs, before: ContainerImageFacts) -> None:
    await session.remove(note_of(inputs))
    await remove_if_empty(session, NOTES)
    if before.present or not (await observe(session, inputs)).present:
        return
    done = await Store(session, inputs.user).remove(inputs.name)
    if done.ok or done.status == 1:  # 1: it is gone already
        return
    if done.status == 2 or "in use" in done.stderr:
        session.warn(
            f"the image {inputs.name} of {_owner(inputs)} stays on {session.machine}: a container uses it, or another"
            f" image is built on it. `podman image rm {inputs.name}` removes it later"
        )
        return
    raise CommandFailed(
        f"the image {inputs.name} of {_owner(inputs)} on {session.machine} could not be removed",
        status=done.status,
        detail=done.stderr,
        remedy="see what podman says above, then run destroy again",
    )


def identify(inputs: ContainerImageInputs) -> str:
    return f"user/{inputs.user}/{inputs.name}" if inputs.user else f"root/{inputs.name}"


def parse(identity: str) -> dict[str, str]:
    scope, _, rest = identity.partition("/")
    if scope == "root" and rest:
        return {"name": rest}
    user, separator, name = rest.partition("/")
    if scope != "user" or not separator:
        raise ValueError("a ContainerImage is machine/root/IMAGE or machine/user/ACCOUNT/IMAGE")
    return {"user": user, "name": name}


def locks(inputs: ContainerImageInputs) -> tuple[str, ...]:
    """Name the lock of a store, in which one works at a time.

    The runtime directory of an account that is not logged in comes and goes with it.
    """
    stores = {_owner(inputs)}
    if inputs.source.startswith("user:"):
        stores.add(inputs.source.removeprefix("user:"))
    return tuple(f"podman:{name}" for name in sorted(stores))


async def explain(session: Session, inputs: ContainerImageInputs, facts: ContainerImageFacts) -> str:
    """Return why an image is not as wished."""
    if not facts.present:
        return "something there removes images: see its timers (systemctl list-timers, podman image prune)"
    return f"{facts.source}, again: see what pulls or tags it there (podman-auto-update.timer)"


KIND = Kind(
    token="hearth:host:ContainerImage",
    inputs=ContainerImageInputs,
    facts=ContainerImageFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    adopt=adopt,
    identity=("user", "name"),
    identify=identify,
    parse=parse,
    outputs=("image_id", "digest"),
    explain=explain,
    locks=locks,
    deadline=1200.0,
    by_hand=lambda inputs: f"podman image rm {inputs.name}" + (f", as {inputs.user}" if inputs.user else ""),
)
