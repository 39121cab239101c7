"""The graphics cards of a machine that are kept from it for its virtual machines, from its boot on.

Manages four files (a script of the initramfs, GRUB's options, two of modprobe's), the initramfs and GRUB's list of
kernels made from them, and which driver has the cards' functions. A card is never taken from a driver that runs: where
one does, a restart of the machine makes the difference, and is made where the settings allow it. Does not manage the
drivers within virtual machines, nor boot loaders other than GRUB.
"""

from __future__ import annotations

import base64
import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from providers.errors import InvalidInput, NotConverged
from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import gpu_files
from providers.kinds.lxd.gpu_functions import NotReservable, functions_in, of_cards, to_reserve, waiting
from providers.machine.own_folder import OWN_FOLDER, make_own_folder
from providers.machine.session import Session

PROGRAM = Path(__file__).with_name("gpu_machine.py").read_text()
Card = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$")]
INITRAMFS_SECONDS = 900.0
"""Seconds that making the initramfs of every kernel may take."""
_GIVING_BACK = f"{OWN_FOLDER}/gpus-given-back"
_FROM_INITRAMFS = (gpu_files.HOOK, gpu_files.MODULES_FILE)


class GpuReservationInputs(Inputs):
    cards: Annotated[
        list[Card], Field(min_length=1, description="PCI address of the first function of each card, as 0000:01:00.0.")
    ]
    console: Annotated[
        bool,
        Field(description="Whether a card may be one that drives the machine's own console, which goes dark then."),
    ] = False
    restart: Annotated[
        bool, Field(description="Whether the machine may be restarted where that is needed; `up` waits for it.")
    ] = False


class GpuReservationFacts(Facts):
    cards: list[str] = Field(default=[], description="The cards that its files keep; or what is not as it was written.")
    restart: bool = Field(default=True, description="Whether no restart is waited for that may be made.")
    functions: list[str] = Field(default=[], description="Every function of its cards, the first of each card first.")
    waiting: str = Field(default="", description="Why the machine has to be restarted first; empty where it need not.")
    found: dict[str, Any] = Field(default={}, description="All that is put back: files, and the functions' drivers.")


async def _ask(session: Session, **work: Any) -> dict[str, Any]:
    done = await session.run("python3", script=PROGRAM, stdin=json.dumps(work), timeout=120)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def observe(session: Session, inputs: GpuReservationInputs) -> GpuReservationFacts:
    return facts_of(inputs, await _ask(session, verb="look", files=list(gpu_files.FILES)))


def facts_of(inputs: GpuReservationInputs, found: dict[str, Any]) -> GpuReservationFacts:
    """Hold what a machine told of itself against what is wished."""
    functions = functions_in(found)
    kept = gpu_files.addresses_in(_text(found, gpu_files.HOOK) or "")
    cards = [card for card in inputs.cards if card in kept]
    # A card that is not wished for any more: its first function is in the script still.
    slots = {each.rpartition(".")[0] for each in inputs.cards}
    try:
        reserved = reserved_of(inputs, found)
        cards += [each for each in kept if each.rpartition(".")[0] not in slots and each not in reserved]
        if kept and (wrong := _not_as_written(found, reserved)):
            cards = [f"<not as Hearth wrote it: {', '.join(wrong)}>"]
    except NotReservable as error:
        reserved, cards = [], [f"<{error}>"]
    why = waiting(inputs.cards, functions, reserved)
    return GpuReservationFacts(
        present=True,
        cards=cards,
        # No wish that does not allow it is missed by it.
        restart=inputs.restart and not why,
        functions=of_cards(inputs.cards, functions),
        waiting=why,
        found=found,
    )


def reserved_of(inputs: GpuReservationInputs, found: Mapping[str, Any]) -> list[str]:
    """Return the functions that are to be kept; raise NotReservable where that can't be."""
    options = gpu_files.kernel_options(found["tables"])
    off = bool(options) and not set(options) <= set(gpu_files.split_line(found["line"]))
    return to_reserve(inputs.cards, functions_in(found), console=inputs.console, off=off)


def _text(found: Mapping[str, Any], path: str) -> str | None:
    entry = found["files"].get(path)
    return None if entry is None else base64.b64decode(entry["content"]).decode(errors="surrogateescape")


def _not_as_written(found: Mapping[str, Any], reserved: list[str]) -> list[str]:
    """Return what of the files, and of what is made from them, is not as it is to be."""
    wish = gpu_files.wished(reserved, found["tables"])
    wrong = [path for path, text in wish.items() if _text(found, path) != text or _mode(found, path) != _MODE[path]]
    if found["stale"]:
        wrong.append("the initramfs")
    if not _begun_with(found, gpu_files.kernel_options(found["tables"])):
        wrong.append("GRUB's list of kernels")
    return wrong


_MODE = {path: "0755" if path == gpu_files.HOOK else "0644" for path in gpu_files.FILES}


def _mode(found: Mapping[str, Any], path: str) -> str:
    return str(found["files"].get(path, {}).get("mode", ""))


def _begun_with(found: Mapping[str, Any], options: list[str]) -> bool:
    """Whether GRUB begins a kernel with these options."""
    return any(set(options) <= set(gpu_files.split_line(line)) for line in found["kernels"])


def _refusal(session: Session, inputs: GpuReservationInputs, found: Mapping[str, Any]) -> InvalidInput | None:
    """Return why nothing can be begun on this machine."""
    what = f"the cards of {session.machine} can't be kept for its virtual machines: "
    if found["loader"] != "grub":
        return InvalidInput(
            f"{what}its kernel is begun by {found['loader']}, and Hearth changes GRUB's settings alone; nothing was"
            " changed",
            remedy="keep them there by hand, as docs/systems/lxd.md says, and leave `gpus` of the member out",
        )
    if not found["initramfs"]:
        return InvalidInput(
            f"{what}it has no update-initramfs, whose scripts come before the cards' drivers; nothing was changed",
            remedy="install initramfs-tools there (Debian's and Ubuntu's usual one), or leave `gpus` out",
        )
    try:
        reserved_of(inputs, found)
    except NotReservable as error:
        why, _, remedy = str(error).partition("; ")
        return InvalidInput(f"{what}{why}; nothing was changed", remedy=remedy)
    return None


async def apply(session: Session, inputs: GpuReservationInputs, facts: GpuReservationFacts) -> GpuReservationFacts:
    found = facts.found
    if refusal := _refusal(session, inputs, found):
        raise refusal
    reserved = reserved_of(inputs, found)
    await _lay(session, found, gpu_files.wished(reserved, found["tables"]))
    let_go = [each for each in gpu_files.addresses_in(_text(found, gpu_files.HOOK) or "") if each not in reserved]
    if let_go:
        await _give_back(session, dict.fromkeys(let_go, ""), unload=False)
    if all(each.group for each in functions_in(found) if each.address in reserved):
        # What no driver has is in nobody's use: it is taken at once.
        await _ask(session, verb="take", functions=dict.fromkeys(reserved, ""))
    now = await observe(session, inputs)
    if now.waiting and inputs.restart:
        await _restart(session, now)
    elif now.waiting:
        session.warn(
            f"{session.machine} must be restarted before its cards are kept for virtual machines: {now.waiting}."
            " Restart it when that suits, or allow Hearth to with `restart: true` of the member"
        )
    return now


async def _restart(session: Session, now: GpuReservationFacts) -> None:
    """Restart the machine, once in a run: what is seen then is final."""
    session.progress(f"{session.machine} is restarted: {now.waiting}")
    if not await session.restart():
        raise NotConverged(
            f"{session.machine} was restarted, and its cards are not kept for virtual machines yet",
            detail=now.waiting,
            remedy="see `journalctl -b` there for vfio and IOMMU: the firmware may have it switched off, or a driver is"
            " built into the kernel",
        )


async def _lay(session: Session, found: Mapping[str, Any], files: Mapping[str, str | None]) -> None:
    """Write files that are not so yet, or remove them (None), and make anew what is made from them."""
    changed: set[str] = set()
    for path, text in files.items():
        if _text(found, path) == text and (text is None or _mode(found, path) == _MODE[path]):
            continue
        changed.add(path)
        if text is None:
            await session.remove(path)
        else:
            folder = posixpath.dirname(path)
            await session.make_directory(folder, mode="0755", owner="root", group="root")
            content = text.encode(errors="surrogateescape")
            await session.write(path, content, mode=_MODE[path], owner="root", group="root")
    if changed & set(_FROM_INITRAMFS) or found["stale"]:
        session.progress("makes the initramfs of every kernel anew")
        await session.run("update-initramfs", "-u", "-k", "all", timeout=INITRAMFS_SECONDS)
    grub = files[gpu_files.GRUB_FILE]
    options = [] if grub is None else gpu_files.kernel_options(found["tables"])
    if gpu_files.GRUB_FILE in changed or not _begun_with(found, options):
        await session.run("update-grub", timeout=INITRAMFS_SECONDS)


async def _give_back(session: Session, drivers: Mapping[str, str], *, unload: bool) -> None:
    """Give functions the drivers that they had; of those that a virtual machine has open, say so."""
    told = await _ask(session, verb="give back", functions=dict(drivers), unload=unload)
    for address, who in told["busy"].items():
        session.warn(
            f"{address} of {session.machine} is in use by {', '.join(who)}: it has its own driver again after the next"
            " restart of the machine"
        )
    for address, driver in told["other"].items():
        session.warn(
            f"{address} of {session.machine} had the driver {drivers[address]} before, and has {driver} now: restart"
            " the machine"
        )


async def restore(session: Session, inputs: GpuReservationInputs, before: GpuReservationFacts) -> None:
    now = await _ask(session, verb="look", files=list(gpu_files.FILES))
    ours = gpu_files.addresses_in(_text(now, gpu_files.HOOK) or "")
    # One that was cut short has no script any more to tell by what was kept, and may have the old initramfs.
    begun = await session.stat(_GIVING_BACK, content=True)
    if begun is not None:
        ours = sorted({*ours, *(begun.content or b"").decode().split()})
        now.update(stale=True, kernels=[])
    await make_own_folder(session)
    await session.write(_GIVING_BACK, " ".join(ours).encode(), mode="0600", owner="root", group="root")
    kept = gpu_files.addresses_in(_text(before.found, gpu_files.HOOK) or "")
    await _lay(session, now, {path: _text(before.found, path) for path in gpu_files.FILES})
    for folder in {posixpath.dirname(path) for path in gpu_files.FILES} - set(before.found["folders"]):
        await session.run("rmdir", "--ignore-fail-on-non-empty", folder, check=False)
    had = {each["address"]: each for each in before.found["functions"]}
    # One that waited for vfio-pci already was in nobody's use: it goes back to whom it belonged by its ids.
    drivers = {each: had[each]["driver"] for each in ours if each in had and each not in kept}
    if drivers:
        await _give_back(session, drivers, unload=not before.found["vfio"])
    await session.remove(_GIVING_BACK)


def announce(found: Mapping[str, Any] | None, wish: GpuReservationInputs) -> str:
    """Tell what an `up` may do to the whole machine."""
    cards = ", ".join(wish.cards)
    what = f"{cards} of {wish.host} {'are' if len(wish.cards) > 1 else 'is'} kept for virtual machines"
    if wish.restart:
        return f"`up` restarts {wish.host} where that is needed, and waits for it: {what} from its boot on"
    return (
        f"{wish.host} may have to be restarted by hand after `up` (its `restart` is not set): {what} from its boot on"
    )


KIND = Kind(
    token="hearth:lxd:GpuReservation",
    inputs=GpuReservationInputs,
    facts=GpuReservationFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=(),
    identify=lambda _inputs: "gpu-reservation",
    outputs=("functions", "waiting"),
    differs=lambda name, wish, found: set(wish) != set(found) if name == "cards" else bool(wish != found),
    # A restart, and the initramfs, go with no package that is half installed.
    locks=lambda _inputs: ("packages", "restart"),
    deadline=1800.0,
    announce=announce,
    by_hand=lambda _inputs: f"rm {' '.join(gpu_files.FILES)}; update-initramfs -u -k all; update-grub; restart it",
)
