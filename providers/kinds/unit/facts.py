"""What a unit is now, and whether it is as wished. See `kind` for what is managed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any

from pydantic import Field

from providers.kind import Facts
from providers.kinds.file import text_of
from providers.kinds.unit import systemd
from providers.kinds.unit.aside import made_aside
from providers.kinds.unit.links import find_links, folders_of, starts_script, wanted
from providers.kinds.unit.settings import UnitInputs
from providers.kinds.unit.started_for import StartedFor, look, parse_stamp
from providers.kinds.unit.systemd import Manager
from providers.machine.own_folder import OWN_FOLDER
from providers.machine.session import Account, Session, Stat
from providers.machine.session import shown as shown_text

STAMPS = f"{OWN_FOLDER}/units"
PENDING = "pending"
UNFINISHED = "# Hearth: the restart that this text asks for is still to be done\n"
"""Shown at the end of a found text where an `up` was cut short between writing the text and the restart."""


class UnitFacts(Facts):
    text: str | None = Field(
        default=None,
        description="The unit file where Hearth puts it, with a line for whatever keeps it from its effect; None for"
        " none.",
    )
    content: str | None = Field(default=None, description="The same without such lines.")
    unreadable: str = Field(default="", description="Why the text is not known, if it is not: too large, say.")
    binary: str = Field(default="", description="The bytes in base64 where they are not UTF-8.")
    enabled: bool | None = None
    running: bool | None = None
    restart_on: list[str] | None = Field(default=None, description="A hash of what it was last (re)started for.")
    restart_on_files: list[str] | None = Field(
        default=None, description="Those files, with a word behind each that has changed since it started."
    )
    started_for: dict[str, str] = Field(default_factory=dict[str, str], description="File -> digest of what is in it.")
    service: str = Field(default="", description="The unit that runs: of a Quadlet file, the service it becomes.")
    path: str = Field(default="", description="Where the unit file is, if Hearth writes it.")
    mode: str = ""
    owner: str = ""
    group: str = ""
    modified: int | None = Field(default=None, description="When the unit file was last written.")
    link: str = Field(default="", description="Where a link in the place of the unit file points.")
    link_bytes: str = Field(default="", description="The same in base64: it may be no UTF-8.")
    known: bool = Field(default=False, description="Whether its manager has such a unit.")
    file_state: str = Field(default="", description="As `systemctl is-enabled` says.")
    active_state: str = Field(default="", description="As `systemctl is-active` says.")
    triggers: str = Field(default="", description="What a socket, timer or path starts.")
    needs_reload: bool = False
    manager_up: bool = True
    id: str = Field(default="", description="The unit's own name, where it was asked for by an alias.")
    names: list[str] = Field(default_factory=list[str])
    fragment: str = Field(default="", description="The file that the manager uses.")
    source: str = Field(default="", description="What that file was generated from.")
    drop_ins: list[str] = Field(default_factory=list[str])
    links: dict[str, str] | None = Field(default=None, description="Path -> target of each link about the unit.")
    folders: list[str] = Field(default_factory=list[str], description="Folders of links that are there.")
    stamp: str | None = None
    obstacles: list[str] = Field(default_factory=list[str], description="What keeps the file from its effect.")
    aside: str = Field(default="", description="What the unit makes on the side, and was there: a network, a folder.")

    @property
    def active(self) -> bool:
        return self.active_state in (*systemd.ACTIVE, "activating")

    @property
    def file_text(self) -> str | None:
        """The file's text as it is."""
        return self.content if self.content is not None else self.text

    @property
    def masked(self) -> bool:
        return self.file_state.startswith("masked") or self.link == "/dev/null"


def shown_link(target: bytes) -> str:
    """Return a link's target fit to be shown."""
    return shown_text(target.decode(errors="surrogateescape"))


def stamp_of(inputs: UnitInputs) -> str:
    scope = f"user:{inputs.user}" if inputs.user else "system"
    return f"{STAMPS}/{scope}:{inputs.name}"


def digest(texts: list[str]) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:24]


def differs(name: str, wish: Any, found: Any) -> bool:
    if name == "home":
        return False
    if name == "restart_on":
        return bool(found != [digest(wish)])
    return bool(wish != found)


def folder_of(inputs: UnitInputs, home: str | None) -> str:
    """Return where the unit file belongs: systemd.unit(5) and podman-systemd.unit(5)."""
    if systemd.is_quadlet(inputs.name):
        return "/etc/containers/systemd" if home is None else f"{home}/.config/containers/systemd"
    return "/etc/systemd/system" if home is None else f"{home}/.config/systemd/user"


def _enabled(inputs: UnitInputs, shown: dict[str, str], content: str | None, links: dict[str, str] | None) -> bool:
    file_state, source = shown.get("UnitFileState", ""), shown.get("SourcePath", "")
    if systemd.is_quadlet(inputs.name):
        return content is not None and systemd.installs(content) and file_state == "generated"
    if source.startswith("/etc/init.d/"):  # "generated" for ever: update-rc.d's links say whether it is started
        return starts_script(links or {})
    if file_state == "indirect":  # it has nothing but units that come along with it
        return wanted(links or {}, {path.rpartition("/")[2] for path in links or {}})
    return file_state in systemd.ENABLED


def obstacles_of(inputs: UnitInputs, path: str, file: Stat, shown: dict[str, str], owner: str) -> list[str]:
    """Return what keeps a file of ours from being what its manager uses, or lets others say what that is."""
    found: list[str] = []
    mode, readers = int(file.mode, 8), (owner, "root")
    if file.owner not in readers:
        found.append(f"it belongs to {file.owner}, who may write into it what {owner} then runs")
    if mode & 0o022:
        found.append(f"its mode {file.mode} lets others write into it what {owner} then runs")
    if file.owner != owner and not mode & 0o044:
        found.append(f"{owner} may not read it: it is {file.owner}'s, with mode {file.mode}")
    if not shown or shown.get("LoadState") == "unasked" or shown.get("NeedDaemonReload") == "yes":
        return found  # its manager does not say, or not yet
    fragment, source = shown.get("FragmentPath", ""), shown.get("SourcePath", "")
    if systemd.is_quadlet(inputs.name):
        if shown.get("LoadState") == "not-found":
            found.append("Quadlet has made no service of it")
        elif source and source != path:
            found.append(f"its service is made from {source}")
        elif not source and fragment and "/generator" not in fragment:
            # Of a network or a volume Quadlet names the source from podman 5 on.
            found.append(f"its service is {fragment}")
    elif fragment and fragment != path:
        found.append(f"the manager uses {fragment}")
    return found


def facts_of(
    inputs: UnitInputs,
    path: str,
    file: Stat | None,
    shown: dict[str, str],
    service: str,
    stamp: str | None,
    links: tuple[dict[str, str], list[str]] | None = None,
    owner: str = "root",
    aside: str = "",
    started_for: StartedFor | None = None,
) -> UnitFacts:
    plain = file is not None and file.type == "file"
    content, binary = text_of(file.content or b"") if file is not None and plain else (None, "")
    if file is not None and file.unreadable:
        content = f"<{file.unreadable}>"
    state = shown.get("ActiveState", "")
    known = shown.get("LoadState", "not-found") != "not-found"
    manager_up = bool(shown) and shown.get("LoadState") != "unasked"
    obstacles = obstacles_of(inputs, path, file, shown, owner) if file is not None and plain else []
    text = content
    if text is not None:
        text += UNFINISHED if stamp == PENDING else ""
        text += "".join(f"# Hearth: {each}\n" for each in obstacles)
    needs_reload = shown.get("NeedDaemonReload") == "yes"
    restart_on = None if stamp is None else [stamp]
    if restart_on is not None and needs_reload:
        restart_on.append("the manager has not read its files since they changed")
    return UnitFacts(
        unreadable=file.unreadable if file is not None else "",
        present=plain or (inputs.text is None and known),
        text=text,
        content=content,
        binary=binary,
        enabled=_enabled(inputs, shown, content, links[0] if links else None),
        running=None if systemd.is_template(service) else state in systemd.ACTIVE,
        restart_on=restart_on,
        restart_on_files=_files(inputs, started_for, service),
        started_for=dict(started_for.digests) if started_for is not None else {},
        stamp=stamp,
        service=service,
        path=path,
        mode=file.mode if file else "",
        owner=file.owner if file else "",
        group=file.group if file else "",
        modified=file.modified if file else None,
        link=shown_link(file.content or b"") if file and file.type == "symlink" else "",
        link_bytes=base64.b64encode(file.content or b"").decode() if file and file.type == "symlink" else "",
        known=known,
        file_state=shown.get("UnitFileState", ""),
        active_state=state,
        triggers=shown.get("Triggers", ""),
        needs_reload=needs_reload,
        manager_up=manager_up,
        id=shown.get("Id", ""),
        names=shown.get("Names", "").split(),
        fragment=shown.get("FragmentPath", ""),
        source=shown.get("SourcePath", ""),
        drop_ins=shown.get("DropInPaths", "").split(),
        links=links[0] if links else None,
        folders=links[1] if links else [],
        obstacles=obstacles,
        aside=aside,
    )


def _files(inputs: UnitInputs, started_for: StartedFor | None, service: str) -> list[str] | None:
    if inputs.restart_on_files is None or started_for is None:
        return inputs.restart_on_files
    stale = set(started_for.stale)
    return [
        f"{path} (another text than when {service} started)" if path in stale else path
        for path in inputs.restart_on_files
    ]


async def _without_manager(session: Session, inputs: UnitInputs, path: str, *, there: bool) -> dict[str, str]:
    """Return what the files say of a unit whose manager does not run."""
    if not there:
        return {}
    folder = path.rpartition("/")[0]
    found = await session.run("find", folder, "-type", "l", "-name", inputs.name, user=inputs.user, check=False)
    return {"LoadState": "unasked", "UnitFileState": "enabled" if found.stdout.strip() else "disabled"}


async def _links(
    session: Session, inputs: UnitInputs, account: Account | None, service: str
) -> tuple[dict[str, str], list[str]] | None:
    """Return those that Hearth may come to change."""
    if systemd.is_quadlet(inputs.name) or (inputs.enabled, inputs.text, inputs.running) == (None, None, None):
        return None
    folders = folders_of(None if account is None else inputs.home or account.home, account and account.uid)
    return await find_links(session, service, inputs.text, inputs.user, folders)


async def observe(session: Session, inputs: UnitInputs) -> UnitFacts:
    account: Account | None = None
    if inputs.user is not None:
        account = await session.account(inputs.user)
        if account is None:
            return UnitFacts(present=False, manager_up=False, service=systemd.service_of(inputs.name, inputs.text))
    manager = Manager(session, inputs.user)
    path = f"{folder_of(inputs, account and (inputs.home or account.home))}/{inputs.name}"
    service = systemd.service_of(inputs.name, inputs.text)
    file, shown, stamp, links, aside = await asyncio.gather(
        session.stat(path, content=True),
        manager.show(service),
        session.stat(stamp_of(inputs), content=True),
        _links(session, inputs, account, service),
        made_aside(session, inputs, account),
    )
    if file is not None and file.type == "file":
        found = systemd.service_of(inputs.name, (file.content or b"").decode(errors="replace"))
        if found != service:
            service, shown = found, await manager.show(found)
    if not shown and inputs.user is not None:
        shown = await _without_manager(session, inputs, path, there=file is not None)
    used = "SourcePath" if systemd.is_quadlet(inputs.name) else "FragmentPath"
    if file is not None and shown.get(used, "") not in ("", path):
        same = await session.run("test", shown[used], "-ef", path, check=False)
        if same.ok:  # by way of a link above it, or with a slash more: Quadlet names it without either
            shown = {**shown, used: path}
    mark, known = (None, {}) if stamp is None else parse_stamp((stamp.content or b"").decode(errors="replace"))
    owner = account.name if account is not None else "root"
    runs = shown.get("ActiveState", "") in systemd.ACTIVE
    files = inputs.restart_on_files
    started_for = await look(manager, service, files, known) if runs and files else None
    return facts_of(inputs, path, file, shown, service, mark, links, owner, aside, started_for)
