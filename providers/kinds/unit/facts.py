"""What a unit is wished to be, and what it is now. See `unit` for what is managed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from providers.kind import AccountName, Facts, Inputs
from providers.kinds.unit import systemd
from providers.kinds.unit.systemd import Manager
from providers.machine.session import Account, Session, Stat

FOLDER = "/var/lib/hearth"
STAMPS = f"{FOLDER}/units"
PENDING = "pending"
UNFINISHED = "# Hearth: the restart that this text asks for is still to be done\n"
"""Shown at the end of a found text where an `up` was cut short between writing the text and the restart."""


def _unit_name(value: str) -> str:
    suffixes = "|".join([*systemd.UNITS, *systemd.QUADLET])
    if len(value) > 255 or not re.fullmatch(rf"[A-Za-z0-9:_.\\@-]+\.({suffixes})", value):
        raise ValueError(
            "must be a unit's full name, as web.service or web.container; it ends in one of"
            f" {', '.join([*systemd.UNITS, *systemd.QUADLET])}"
        )
    return value


class UnitInputs(Inputs):
    name: Annotated[
        str,
        AfterValidator(_unit_name),
        Field(
            description="The unit's full name, or that of a Quadlet source file, as `web.container`. A change replaces"
            " the resource."
        ),
    ]
    user: Annotated[
        AccountName | None,
        Field(
            description="The account whose own service manager it belongs to; none: the system's. A change replaces the"
            " resource."
        ),
    ] = None
    text: Annotated[
        str | None,
        Field(description="The whole text of the unit file. None: the unit comes from elsewhere, as from a package."),
    ] = None
    enabled: Annotated[
        bool | None,
        Field(description="Whether it is started at boot. Of a Quadlet file its [Install] section says so."),
    ] = None
    running: Annotated[
        bool | None, Field(description="Whether it is active; of a Quadlet file, whether its service is.")
    ] = None
    restart_on: Annotated[
        list[str] | None,
        Field(description="Texts of any kind, as hashes of its configuration files: a change restarts it."),
    ] = None
    start_timeout: float = Field(default=90.0, gt=0, description="Seconds that a start may take.")

    @field_validator("enabled")
    @classmethod
    def _can_be_enabled(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        name, text = info.data.get("name"), info.data.get("text")
        if value is None or name is None or text is None:
            return value
        if value and not systemd.installs(text):
            raise ValueError("can't be true while the text has no [Install] section; add one with WantedBy=")
        if not value and systemd.is_quadlet(name) and systemd.installs(text):
            raise ValueError(
                "can't be false while the text of a Quadlet file has an [Install] section, which enables it; remove"
                " that section, or leave `enabled` out"
            )
        return value

    @field_validator("running")
    @classmethod
    def _can_run(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        name = info.data.get("name")
        if value is not None and name is not None and systemd.is_template(name):
            raise ValueError("can't be set for a template, which never runs itself; declare a Unit for its instance")
        return value


class UnitFacts(Facts):
    text: str | None = Field(default=None, description="The unit file where Hearth puts it; None for none.")
    enabled: bool | None = None
    running: bool | None = None
    restart_on: list[str] | None = Field(default=None, description="A hash of what it was last (re)started for.")
    service: str = Field(default="", description="The unit that runs: of a Quadlet file, the service it becomes.")
    path: str = Field(default="", description="Where the unit file is, if Hearth writes it.")
    mode: str = ""
    owner: str = ""
    group: str = ""
    link: str = Field(default="", description="Where a link in the place of the unit file points.")
    known: bool = Field(default=False, description="Whether its manager has such a unit.")
    file_state: str = Field(default="", description="As `systemctl is-enabled` says.")
    active_state: str = Field(default="", description="As `systemctl is-active` says.")
    triggers: str = Field(default="", description="What a socket, timer or path starts.")
    needs_reload: bool = False
    manager_up: bool = True

    @property
    def active(self) -> bool:
        return self.active_state in (*systemd.ACTIVE, "activating")

    @property
    def masked(self) -> bool:
        return self.file_state.startswith("masked") or self.link == "/dev/null"


def stamp_of(inputs: UnitInputs) -> str:
    scope = f"user:{inputs.user}" if inputs.user else "system"
    return f"{STAMPS}/{scope}:{inputs.name}"


def digest(texts: list[str]) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:24]


def differs(name: str, wish: Any, found: Any) -> bool:
    if name == "restart_on":
        return bool(found != [digest(wish)])
    return bool(wish != found)


def folder_of(inputs: UnitInputs, home: str | None) -> str:
    """Where the unit file belongs: systemd.unit(5) and podman-systemd.unit(5)."""
    if systemd.is_quadlet(inputs.name):
        return "/etc/containers/systemd" if home is None else f"{home}/.config/containers/systemd"
    return "/etc/systemd/system" if home is None else f"{home}/.config/systemd/user"


def facts_of(
    inputs: UnitInputs, path: str, file: Stat | None, shown: dict[str, str], service: str, stamp: str | None
) -> UnitFacts:
    text = (file.content or b"").decode(errors="replace") if file is not None and file.type == "file" else None
    state, file_state = shown.get("ActiveState", ""), shown.get("UnitFileState", "")
    known = shown.get("LoadState", "not-found") != "not-found"
    manager_up = bool(shown) and shown.get("LoadState") != "unasked"
    if systemd.is_quadlet(inputs.name):
        enabled = text is not None and systemd.installs(text) and file_state == "generated"
    else:
        enabled = file_state in systemd.ENABLED
    if stamp == PENDING and text is not None:
        text += UNFINISHED
    return UnitFacts(
        present=(file is not None and file.type == "file") or (inputs.text is None and known),
        text=text,
        enabled=enabled,
        running=None if systemd.is_template(service) else state in systemd.ACTIVE,
        restart_on=None if stamp is None else [stamp],
        service=service,
        path=path,
        mode=file.mode if file else "",
        owner=file.owner if file else "",
        group=file.group if file else "",
        link=(file.content or b"").decode() if file and file.type == "symlink" else "",
        known=known,
        file_state=file_state,
        active_state=state,
        triggers=shown.get("Triggers", ""),
        needs_reload=shown.get("NeedDaemonReload") == "yes",
        manager_up=manager_up,
    )


async def _without_manager(session: Session, inputs: UnitInputs, path: str, *, there: bool) -> dict[str, str]:
    """What the files say of a unit whose manager does not run."""
    if not there:
        return {}
    folder = path.rpartition("/")[0]
    found = await session.run("find", folder, "-type", "l", "-name", inputs.name, user=inputs.user, check=False)
    return {"LoadState": "unasked", "UnitFileState": "enabled" if found.stdout.strip() else "disabled"}


async def observe(session: Session, inputs: UnitInputs) -> UnitFacts:
    account: Account | None = None
    if inputs.user is not None:
        account = await session.account(inputs.user)
        if account is None:
            return UnitFacts(present=False, manager_up=False, service=systemd.service_of(inputs.name, inputs.text))
    manager = Manager(session, inputs.user)
    path = f"{folder_of(inputs, account and account.home)}/{inputs.name}"
    service = systemd.service_of(inputs.name, inputs.text)
    file, shown, stamp = await asyncio.gather(
        session.stat(path, content=True), manager.show(service), session.stat(stamp_of(inputs), content=True)
    )
    if file is not None and file.type == "file":
        found = systemd.service_of(inputs.name, (file.content or b"").decode(errors="replace"))
        if found != service:
            service, shown = found, await manager.show(found)
    if not shown and inputs.user is not None:
        shown = await _without_manager(session, inputs, path, there=file is not None)
    mark = None if stamp is None else (stamp.content or b"").decode().strip()
    return facts_of(inputs, path, file, shown, service, mark)
