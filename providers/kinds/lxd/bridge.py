"""A bridge over a network interface of a machine, with the machine's own addresses on it.

Manages the interface's place in the bridge, the bridge's addresses, and the files that say so at the next boot, those
of cloud-init and others that name the interface among them. A change that shuts us out is taken back by the machine
itself: see link_change.py. Addresses of others on the bridge stay. On destroy the interface gets back what it had.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field

from providers.errors import InvalidInput
from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import bridge_files
from providers.kinds.lxd.bridge_commands import COMMANDS, up_again
from providers.kinds.lxd.bridge_files import Renderer
from providers.kinds.lxd.bridge_notes import PATH as NOTES
from providers.kinds.lxd.bridge_notes import BridgeNotes, text_of
from providers.kinds.lxd.bridge_takeover import CLOUD_INIT, CLOUD_INIT_TEXT, CanNotTakeOver, about_link, take_over
from providers.machine.own_folder import OWN_FOLDER
from providers.machine.session import Session


def _one_text(name: str) -> str:
    """Return a program for the machine with what it imports of ours in front of it."""
    echo, state, own = (Path(__file__).with_name(each).read_text() for each in ("link_echo.py", "link_state.py", name))
    own = re.sub(r"(?m)^from providers\.kinds\.lxd\.link_echo import .*\n", "", own)
    return echo + state + re.sub(r"(?ms)^from providers\.kinds\.lxd\.link_state import \(.*?^\)\n", "", own)


LOOK = _one_text("link_look.py")
CHANGE = _one_text("link_change.py")
BACK_SECONDS = 45
"""Seconds after which a change that nobody keeps is taken back: with what that itself takes, under a minute."""


class BridgeInputs(Inputs):
    name: Annotated[str, Field(pattern="^[a-zA-Z][a-zA-Z0-9_.-]{0,14}$", description="Its name. A change replaces it.")]
    nic: Annotated[
        str, Field(pattern="^[a-zA-Z][a-zA-Z0-9_.-]{0,14}$", description="The interface in it. A change replaces it.")
    ]
    addresses: Annotated[list[str], Field(description="Its addresses, as 192.0.2.10/24.")] = []
    dhcp: Annotated[bool, Field(description="Whether it asks for its IPv4 address, with the NIC's lease.")] = False
    gateway: Annotated[str | None, Field(description="The default route. None: there is none through it.")] = None
    nameservers: Annotated[list[str], Field(description="Name servers that are asked through it.")] = []
    renderer: Annotated[
        Literal["auto", "netplan", "networkd", "ifupdown"], Field(description="What configures the machine's network.")
    ] = "auto"
    route_check: Annotated[
        str | None, Field(description="Address that must answer after the change, else it is taken back.")
    ] = None


class BridgeFacts(Facts):
    nic: str = Field(default="", description="The interface that is looked at. It says which bridge it is: no drift.")
    renderer: str = Field(default="", description="As it was wished for; or what is not as it was written.")
    addresses: list[str] = Field(default=[], description="Its addresses that were given to it, not by DHCP.")
    configured_by: str = Field(default="", description="What configures the machine's network.")
    mac: str = Field(default="", description="Its hardware address.")
    found: dict[str, Any] = Field(default={}, description="All that is put back: files, addresses, routes, settings.")


async def observe(session: Session, inputs: BridgeInputs) -> BridgeFacts:
    work = {"nic": inputs.nic, "name": inputs.name, "notes": NOTES}
    done = await session.run("python3", script=LOOK, stdin=json.dumps(work), timeout=30)
    return facts_of(inputs, json.loads(done.stdout))


def facts_of(inputs: BridgeInputs, found: dict[str, Any]) -> BridgeFacts:
    there = found["there"]
    in_it = found["nic"]["master"] == inputs.name
    renderer, drift = "", "" if in_it else f"<{inputs.nic} is not in {inputs.name}>"
    try:
        wanted, renderer = wished(inputs, found)
        wrong = [path for path, text in wanted.items() if _text(found, path) != text]
        if in_it and wrong:
            drift = f"<not as Hearth wrote it: {', '.join(sorted(wrong))}>"
    except (CanNotTakeOver, InvalidInput, ValueError) as error:
        drift = drift or f"<{error}>"
    static = [
        f"{each['local']}/{each['prefixlen']}"
        for each in there["addresses"]
        if not each.get("dynamic") and each.get("scope") != "link"
    ]
    return BridgeFacts(
        present=bool(there["bridge"]),
        nic=inputs.nic,
        renderer=drift or inputs.renderer,
        addresses=static,
        configured_by=renderer,
        mac=there["mac"],
        found=found,
    )


def _text(found: Mapping[str, Any], path: str) -> str | None:
    entry = found["files"].get(path)
    return None if entry is None else text_of(entry)


def renderer_of(inputs: BridgeInputs, found: Mapping[str, Any], files: Mapping[str, str]) -> Renderer:
    """Tell what configures the interface: what the settings say, else whose files name it, else who is there."""
    if inputs.renderer != "auto":
        return inputs.renderer
    named = about_link(files, inputs.nic, found["nic"]["mac"])
    for renderer in ("netplan", "networkd", "ifupdown"):
        if renderer in named and found[renderer]:
            return renderer
    return bridge_files.renderer_of({each: found[each] for each in ("netplan", "networkd", "ifupdown")})


def wished(inputs: BridgeInputs, found: Mapping[str, Any]) -> tuple[dict[str, str | None], Renderer]:
    """Return path -> text of every file that configures the interface and the bridge; None where a file goes."""
    files = {path: _text(found, path) or "" for path in found["files"]}
    renderer = renderer_of(inputs, found, files)
    mac = found["nic"]["mac"]
    taken = take_over(files, inputs.nic, mac, renderer)
    wish = bridge_files.desired(
        inputs.name,
        inputs.nic,
        mac,
        inputs.addresses,
        dhcp=inputs.dhcp,
        gateway=inputs.gateway,
        nameservers=tuple(inputs.nameservers),
        port=taken.port,
        iaid=_iaid(found),
    )
    texts = {**taken.texts, **bridge_files.files(wish, renderer)}
    if found["cloud_init"]:
        texts[CLOUD_INIT] = CLOUD_INIT_TEXT
    return texts, renderer


def _iaid(found: Mapping[str, Any]) -> int | None:
    """Return the four bytes behind the type in a client's identity, be it the interface's or the bridge's."""
    for path in found["files"]:
        own = bridge_files.iaid_in(_text(found, path) or "") if "hearth" in path else None
        if own is not None:
            return own
    identity: str = found["client_id"]
    return int(identity[2:10], 16) if identity.startswith("ff") and len(identity) > 10 else None


async def apply(session: Session, inputs: BridgeInputs, facts: BridgeFacts) -> None:
    found = facts.found
    if not found["nic"]["exists"]:
        raise InvalidInput(
            f"there is no network interface {inputs.nic} on {session.machine}, so {inputs.name} can't be made over it;"
            " nothing was changed",
            remedy="correct `nic`: `ip link` on the machine shows what there is",
        )
    if found["nic"]["bridge"] or found["nic"]["master"] not in ("", inputs.name):
        what = "is a bridge itself" if found["nic"]["bridge"] else f"is in {found['nic']['master']} already"
        raise InvalidInput(
            f"{inputs.nic} on {session.machine} {what}, so it can't go into {inputs.name}; nothing was changed",
            remedy="name the interface below it, or take it out there first",
        )
    try:
        texts, renderer = wished(inputs, found)
    except (CanNotTakeOver, ValueError) as error:
        raise InvalidInput(
            f"the network of {session.machine} can't be changed: {error}; nothing was changed",
            remedy="put right what it says, then run up again",
        ) from None
    commands = COMMANDS[renderer].of(inputs.nic, inputs.name)
    into = commands.into
    if renderer == "ifupdown" and found["there"]["bridge"]:
        into = up_again(inputs.nic, inputs.name, inputs.addresses, inputs.gateway, dhcp=inputs.dhcp)
    work = {
        "files": _entries(texts, found),
        "addresses": [each.partition("/")[0] for each in inputs.addresses],
        "dhcp": inputs.dhcp,
        "bridged": True,
        "before": commands.before,
        "commands": into,
        "leave": commands.leave,
        "undo": commands.undo,
        "again": commands.again,
        "target": None,
    }
    notes = BridgeNotes.of(found)
    about = {"nic": inputs.nic, "mac": found["nic"]["mac"], "renderer": renderer}
    # Before anything is taken over: a run that ends here leaves a note of a bridge that is none, which nobody heeds.
    with_it = notes.with_bridge(inputs.name, about, texts, found)
    await with_it.keep(session)
    try:
        await _change(session, inputs, work, f"{inputs.nic} goes into {inputs.name}")
    except InvalidInput:
        # What was there before stays noted; a try before this one, whose connection was lost, may have noted this.
        await (notes if inputs.name in notes.held else notes.without(inputs.name)).keep(session)
        raise


def _entries(texts: Mapping[str, str | None], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return each file with its content, mode and owner: those that it has, or netplan's 0600."""
    made: dict[str, Any] = {}
    for path, text in texts.items():
        old = found["files"].get(path) or {"mode": "0600" if "netplan/" in path else "0644", "uid": 0, "gid": 0}
        content = None if text is None else base64.b64encode(text.encode(errors="surrogateescape")).decode()
        made[path] = None if content is None else {**old, "content": content}
    return made


async def _change(session: Session, inputs: BridgeInputs, work: dict[str, Any], what: str) -> None:
    """Change the network under the watchdog, and keep the change where the machine still hears us."""
    wish = hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()
    folder = f"{OWN_FOLDER}/network/{inputs.name}"

    async def ask(verb: str, **more: Any) -> dict[str, str]:
        given = json.dumps({"verb": verb, "folder": folder, **more})
        done = await session.run("python3", script=CHANGE, stdin=given, timeout=90)
        return cast(dict[str, str], json.loads(done.stdout))

    session.progress(f"{what}; unless this can be confirmed, it is taken back after {BACK_SECONDS} s")
    about = {"name": inputs.name, "nic": inputs.nic, "wish": wish, "seconds": BACK_SECONDS}
    answer = await ask("begin", **{**work, **about})
    if answer["state"] in ("begun", "applied"):
        answer = await ask("state", seconds=BACK_SECONDS)
    if answer["state"] == "applied":
        # That the question came through is what was to be known.
        answer = await ask("keep", check=inputs.route_check)
    if answer["state"] != "kept":
        await ask("forget")
        # As refused: nothing stays changed, so nothing has to be put back later.
        raise InvalidInput(
            f"the change of {session.machine}'s network ({what}) was taken back by the machine itself, and it is as"
            " before",
            detail=answer["why"],
            remedy="put right what the line above names (addresses, gateway, name of the interface), then run up again",
        )


async def restore(session: Session, inputs: BridgeInputs, before: BridgeFacts) -> None:
    now = await observe(session, inputs)
    try:
        texts, renderer = wished(inputs, now.found)
    except (CanNotTakeOver, InvalidInput, ValueError) as error:
        session.warn(f"{inputs.name} on {session.machine} stays: {error}")
        return
    notes = BridgeNotes.of(now.found)
    left = notes.without(inputs.name)
    old = notes.before(inputs.name, before.found["files"])
    # Those that were about the interface, and no other bridge's, which may have come or gone since.
    about = about_link({path: text_of(entry) for path, entry in old.items()}, inputs.nic, now.found["nic"]["mac"])
    paths = {*texts, *(path for own in about.values() for path in own)}
    paths |= notes.files.keys() if inputs.name in notes.bridges else set()
    try:
        wanted = left.still_taken({path: old.get(path) for path in paths})
    except CanNotTakeOver as error:
        session.warn(f"{inputs.name} on {session.machine} stays: {error}")
        return
    files = {path: entry for path, entry in wanted.items() if entry != now.found["files"].get(path)}
    bridged = before.found["nic"]["master"] == inputs.name
    if not files and bridged == (now.found["nic"]["master"] == inputs.name):
        await left.keep(session)
        return
    commands = COMMANDS[renderer].of(inputs.nic, inputs.name)
    gone = ["-", "ip", "link", "delete", inputs.name]
    back = [*(["-", *words] for words in commands.undo), gone, *(["-", *words] for words in commands.again)]
    work = {
        "files": files,
        "addresses": [],
        "dhcp": False,
        "bridged": False,
        "before": [] if before.present else commands.leave,
        "commands": commands.again if before.present else back,
        # To take *that* back is to make the bridge again.
        "leave": commands.before,
        "undo": commands.into,
        "again": [],
        "target": {key: before.found["nic"][key] for key in ("addresses", "routes", "sysctls")},
    }
    await _change(session, inputs, work, f"{inputs.nic} leaves {inputs.name}")
    await left.keep(session)


KIND = Kind(
    token="hearth:lxd:Bridge",
    inputs=BridgeInputs,
    facts=BridgeFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name", "nic"),
    identify=lambda inputs: f"bridge/{inputs.name}",
    outputs=("mac", "configured_by"),
    differs=lambda name, wish, found: not set(wish) <= set(found) if name == "addresses" else bool(wish != found),
    locks=lambda _inputs: ("network",),
    deadline=240.0,
    by_hand=lambda inputs: f"ip link delete {inputs.name}; the files with hearth-{inputs.name} in their names go",
)
