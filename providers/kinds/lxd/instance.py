"""An instance of an LXD cluster: a container or a virtual machine.

Manages the keys and devices that are given, the profiles, the description, the member it is on, and whether it runs.
What LXD changes in place is changed in place, and the hardware addresses stay; another image or type would make it
anew, with the loss of its disk, and is refused unless `replace` allows it. Cloud-init's keys are read at the first
boot: a change of them reaches new instances only. On destroy it goes with its disk, unless `keep_data`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from providers.errors import InvalidInput
from providers.kind import Facts, Inputs, Kind
from providers.kinds.lxd import ours, things
from providers.kinds.lxd.api import Api, ApiError, at
from providers.kinds.lxd.daemons import Daemon
from providers.kinds.lxd.ours import Config, ConfigInput, Devices
from providers.machine.session import Session

MAKE_SECONDS = 900.0
STOP_SECONDS = 60
FIRST_BOOT = ("cloud-init.", "user.user-data", "user.vendor-data", "user.network-config")
MADE_FROM = "image"


class InstanceInputs(Inputs):
    name: Annotated[things.ThingName, Field(description="Its name. A change replaces it.")]
    image: Annotated[str, Field(description="Alias of the image that it is made from.")]
    daemon: Annotated[Daemon, Field(description="lxd or incus.")] = "lxd"
    type: Annotated[Literal["container", "virtual-machine"], Field(description="What it is.")] = "container"
    member: Annotated[str | None, Field(description="The member that it is on. A change moves it, while stopped.")] = (
        None
    )
    description: Annotated[str, Field(description="A word about it.")] = ""
    profiles: Annotated[list[str], Field(description="Its profiles, in order.")] = ["default"]
    config: Annotated[ConfigInput, Field(description="LXD's keys and their values.")] = {}
    devices: Annotated[Devices, Field(description="Devices by name, each with its keys.")] = {}
    running: Annotated[bool, Field(description="Whether it runs.")] = True
    replace: Annotated[bool, Field(description="Whether a change may make it anew, with the loss of its disk.")] = False
    keep_data: Annotated[bool, Field(description="Whether destroy leaves it in place.")] = False


class InstanceFacts(Facts):
    type: str = ""
    member: str = ""
    description: str = ""
    profiles: list[str] = []
    config: Config = {}
    devices: Devices = {}
    running: bool = False
    status: str = Field(default="", description="Running, Stopped, Frozen or Error.")
    whole: things.Whole = None


def facts_of(inputs: InstanceInputs, found: dict[str, Any] | None) -> InstanceFacts:
    if found is None:
        return InstanceFacts(present=False)
    keys = ("architecture", "config", "description", "devices", "ephemeral", "profiles", "stateful")
    return InstanceFacts(
        present=True,
        type=found["type"],
        member=found["location"],
        description=found["description"],
        profiles=found["profiles"] or [],
        running=found["status"] == "Running",
        status=found["status"],
        whole={key: found.get(key) for key in keys},
        **things.compared(found, inputs.config, inputs.devices),
    )


async def observe(session: Session, inputs: InstanceInputs) -> InstanceFacts:
    answer = await things.probe(session, inputs.daemon, "instances", inputs.name)
    if isinstance(answer, str):
        return InstanceFacts(present=True, type=inputs.type, description=answer)
    return facts_of(inputs, answer)


async def apply(session: Session, inputs: InstanceInputs, facts: InstanceFacts) -> None:
    api = Api(session, inputs.daemon)
    found = await api.get("instances", inputs.name)
    if found is not None and found["type"] != inputs.type:
        if not inputs.replace:
            raise InvalidInput(
                f"the instance {inputs.name} is a {found['type']}, and a {inputs.type} is wished for: it would"
                f" be made anew,"
                " and its disk would be lost; nothing was changed",
                remedy="set `replace: true` for it if its disk may be lost, or give the new one another name",
            )
        await _remove(api, inputs.name)
        found = None
    if found is None:
        await _make(api, inputs)
    else:
        if inputs.member is not None and found["location"] not in ("", inputs.member):
            await _move(api, inputs, found)
            found = await api.get("instances", inputs.name) or {}
        await _amend(api, inputs, found)
    await _run(api, inputs)


async def _make(api: Api, inputs: InstanceInputs) -> None:
    body = {
        "name": inputs.name,
        "type": inputs.type,
        "source": {"type": "image", "alias": inputs.image},
        "description": inputs.description,
        "profiles": inputs.profiles,
        **ours.wished({}, inputs.config, inputs.devices),
    }
    if inputs.member is not None:
        await api.need_members(f"the instance {inputs.name}", [inputs.member])
    api.session.progress(f"making {inputs.name} from {inputs.image}")
    try:
        await api.change("POST", at("instances", target=inputs.member), body, wait=MAKE_SECONDS)
    except ApiError as error:
        if "not operational" in error.detail or "KVM" in error.detail:
            error.remedy = (
                "the machine has no KVM that LXD can use: set `type: container`, or put the instance elsewhere"
            )
        raise


async def _amend(api: Api, inputs: InstanceInputs, found: dict[str, Any]) -> None:
    body: dict[str, Any] = {
        **{key: found.get(key) for key in ("architecture", "ephemeral", "stateful")},
        "description": inputs.description,
        "profiles": inputs.profiles,
        **ours.wished(found, inputs.config, inputs.devices),
    }
    if all(body[key] == found.get(key) for key in body):
        return
    there: Config = found["config"]
    wish: Config = body["config"]
    first = sorted(key for key in {*there, *wish} if key.startswith(FIRST_BOOT) and there.get(key) != wish.get(key))
    if found["type"] == "virtual-machine" and _cards(body["devices"]) != _cards(found["devices"]):
        api.session.progress(f"{inputs.name} is stopped meanwhile: no card is plugged into a virtual machine that runs")
        await _state(api, inputs.name, "stop")
    await api.change("PUT", at("instances", inputs.name), body)
    if first:
        api.session.warn(
            f"{inputs.name}: {', '.join(first)} is read at the first boot only. The change is kept, and reaches"
            f" an instance"
            " that is made from now on, and not this one"
        )


def _cards(devices: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Return the devices that can't be plugged into a virtual machine that runs: cards, and other PCI functions."""
    return {name: each for name, each in devices.items() if each.get("type") in ("gpu", "pci")}


def announce(old: Mapping[str, Any] | None, new: InstanceInputs) -> str:
    """Tell of a virtual machine that it is stopped and started for another card."""
    if old is None or new.type != "virtual-machine" or _cards(old.get("devices") or {}) == _cards(new.devices):
        return ""
    return f"{new.name} is stopped and started by `up`: no card is plugged into a virtual machine that runs"


async def _move(api: Api, inputs: InstanceInputs, found: dict[str, Any]) -> None:
    await api.need_members(f"the move of {inputs.name}", [found["location"], str(inputs.member)])
    api.session.progress(f"moving {inputs.name} from {found['location']} to {inputs.member}, stopped meanwhile")
    await _state(api, inputs.name, "stop")
    body = {"name": inputs.name, "migration": True}
    await api.change("POST", at("instances", inputs.name, target=inputs.member), body, wait=MAKE_SECONDS)


async def _run(api: Api, inputs: InstanceInputs) -> None:
    now = await api.get("instances", inputs.name) or {}
    if inputs.running and now.get("status") == "Frozen":
        await _state(api, inputs.name, "unfreeze")
    elif inputs.running and now.get("status") != "Running":
        await _state(api, inputs.name, "start")
    elif not inputs.running and now.get("status") != "Stopped":
        await _state(api, inputs.name, "stop")


async def _state(api: Api, name: str, action: str) -> None:
    """Start, or stop in order; one that does not end in time is ended."""
    now = await api.get("instances", name) or {}
    if action == "stop" and now.get("status") == "Stopped":
        return
    path = at("instances", name, "state")
    try:
        await api.change("PUT", path, {"action": action, "timeout": STOP_SECONDS})
    except ApiError:
        if action != "stop":
            raise
        await api.change("PUT", path, {"action": "stop", "force": True, "timeout": STOP_SECONDS})


async def _remove(api: Api, name: str) -> None:
    found = await api.get("instances", name)
    if found is None:
        return
    if found["config"].get("security.protection.delete") == "true":
        raise InvalidInput(
            f"the instance {name} is protected from deletion (security.protection.delete), so it stays; nothing"
            f" was changed",
            remedy=f"{api.about.client} config set {name} security.protection.delete=false, if it may go",
        )
    await _state(api, name, "stop")
    await api.delete("instances", name)


async def restore(session: Session, inputs: InstanceInputs, before: InstanceFacts) -> None:
    api = Api(session, inputs.daemon)
    if before.present:
        found = await api.get("instances", inputs.name)
        if found is not None and before.whole is not None:
            config = {**found["config"], **before.whole["config"]}
            kept = {
                key: value
                for key, value in config.items()
                if key in before.whole["config"] or key.startswith(ours.BY_ITSELF)
            }
            await api.change("PUT", at("instances", inputs.name), {**before.whole, "config": kept})
            if before.running != (found["status"] == "Running"):
                await _state(api, inputs.name, "start" if before.running else "stop")
        return
    if inputs.keep_data:
        session.warn(f"{inputs.name} stays on {session.machine}, as its data is kept (data: keep)")
        return
    await _remove(api, inputs.name)


def objection(old: Mapping[str, Any], new: InstanceInputs) -> str:
    """Return why a change is refused before anything is touched; empty where it is not."""
    names = {"image": new.image, "type": new.type}
    changed = [
        f"{name} from {old[name]} to {wish}" for name, wish in names.items() if old.get(name) not in (None, wish)
    ]
    if not changed or new.replace:
        return ""
    return (
        f"the instance {new.name} would be made anew by a change of {' and '.join(changed)}, and its disk would"
        f" be lost;"
        " set `replace: true` for it if that may be, or give the new one another name"
    )


KIND = Kind(
    token="hearth:lxd:Instance",
    inputs=InstanceInputs,
    facts=InstanceFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name", "image", "type"),
    identify=lambda inputs: f"instance/{inputs.name}",
    objection=objection,
    announce=announce,
    outputs=("status",),
    locks=lambda inputs: (f"lxd:instance:{inputs.name}",),
    deadline=1200.0,
    by_hand=lambda inputs: things.by_hand(inputs.daemon, "delete --force", inputs.name),
)
