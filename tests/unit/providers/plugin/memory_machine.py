"""Machines in memory behind the provider's own connections, and a toy kind, for tests of verbs and adapter.

`World` stands in for the network: addresses, and the machines behind them. The verbs, the sessions and the records on
top are the real ones.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field

from config.hosts import Host, Machines
from providers.errors import ConnectionFailed, ConnectionLost, HearthError, OperationRefused
from providers.kind import Facts, Inputs, Kind
from providers.machine import connection, outage
from providers.machine.inventory import Inventory
from providers.machine.outage import Outage
from providers.machine.record import RECORDS
from providers.machine.restart import Calm
from providers.machine.session import Session


@dataclass
class MemoryMachine:
    """Files by path (content, attributes), and what goes wrong: `breaks` by operation name, each raised once."""

    id: str
    files: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    breaks: list[tuple[str, str, Exception]] = field(default_factory=list[tuple[str, str, Exception]])
    """(operation, start of the path, what is raised)"""
    off: bool = False
    barred: bool = False
    """Whether what all depends on has failed: see op_first of the worker."""

    def text(self, path: str) -> str | None:
        found = self.files.get(path)
        return None if found is None else base64.b64decode(found["content"]).decode()

    def put(self, path: str, text: str) -> None:
        content = base64.b64encode(text.encode()).decode()
        self.files[path] = {"type": "file", "content": content, "mode": "0644", "owner": "root", "group": "root"}

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(self.text(path) or "") for path in sorted(self.files) if path.startswith(f"{RECORDS}/")]

    def changes(self) -> list[str]:
        """Return what was written, made or removed outside Hearth's own folder, in order."""
        reading = {"stat", "identity", "lock", "unlock", "again"}
        return [
            f"{op} {args['path']}"
            for op, args in self.requests
            if op not in reading and not args["path"].startswith("/var/lib/hearth")
        ]

    def answer(self, op: str, args: dict[str, Any]) -> Any:
        if self.barred and op not in ("again", "unlock"):
            raise OperationRefused(f"{op} was refused: what was to be done before it failed")
        if op != "first":
            self.requests.append((op, args))
        for entry in self.breaks:
            if entry[0] == op and args.get("path", "").startswith(entry[1]):
                self.breaks.remove(entry)
                raise entry[2]
        return getattr(self, f"_{op}")(**args)

    def _identity(self) -> dict[str, str]:
        return {"id": self.id}

    def _lock(self, names: list[str], timeout: float) -> dict[str, str]:
        return {}

    def _unlock(self) -> None:
        self.barred = False

    def _again(self) -> None:
        self.barred = False

    def _first(self, op: str, args: dict[str, Any]) -> Any:
        try:
            return self.answer(op, args)
        except HearthError:
            self.barred = True
            raise

    def _stat(self, path: str, content: bool = False, entries: bool = False) -> dict[str, Any] | None:
        found = self.files.get(path)
        if found is None:
            return None
        result = {**found, "size": 0}
        if not content:
            result.pop("content", None)
        if entries:
            result["entries"] = [PurePosixPath(name).name for name in self.files if name.startswith(f"{path}/")]
        return result

    def _write(self, path: str, content: str, **attributes: str | None) -> None:
        if path.startswith(f"{RECORDS}/") and RECORDS not in self.files:
            raise HearthError(f"write {path} failed: No such file or directory")
        old = self.files.get(path, {"mode": "0644", "owner": "root", "group": "root"})
        given = {name: value for name, value in attributes.items() if value is not None}
        self.files[path] = {**old, **given, "type": "file", "content": content}

    def _make_directory(self, path: str, **attributes: str) -> None:
        self.files.setdefault(path, {"type": "directory", **attributes})

    def _remove(self, path: str, recursive: bool = False) -> None:
        if any(name.startswith(f"{path}/") for name in self.files):
            raise HearthError(f"remove {path} failed: Directory not empty")
        self.files.pop(path, None)


class MemoryWorker:
    def __init__(self, machine: MemoryMachine) -> None:
        self._machine = machine
        self.lost = False

    async def call(self, op: str, /, **args: Any) -> Any:
        return self._machine.answer(op, args)

    def ask(self, op: str, /, **args: Any) -> Awaitable[Any]:
        """Answer at once, as a machine that does all in the order in which it was asked."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            answer.set_result(self._machine.answer(op, args))
        except HearthError as error:
            answer.set_exception(error)
        return answer

    def tell(self, op: str) -> None:
        self._machine.answer(op, {})

    def abandon(self) -> None:
        self.lost = True


class MemoryConnection:
    """Stands in for `providers.machine.connection.Connection`."""

    def __init__(self, world: World, name: str, host: Host) -> None:
        self._world = world
        self.name, self.host, self.label = name, host, name
        self.locks: dict[str, Any] = {}
        self.outage = Outage(name)
        self.calm = Calm()

    def _machine(self) -> MemoryMachine:
        address = self.host.address or self.name
        self._world.opened.append(address)
        machine = self._world.machines.get(address)
        if machine is None or machine.off:
            raise ConnectionFailed(f"{self.name} ({address}) can't be reached", remedy="see whether it is on")
        return machine

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[MemoryWorker]:
        yield MemoryWorker(self._machine())

    async def machine_id(self) -> str:
        return self._machine().id

    async def close(self) -> None:
        return


@dataclass
class World:
    """Machines by address, and the addresses to which connections were opened."""

    machines: dict[str, MemoryMachine]
    opened: list[str] = field(default_factory=list[str])

    def inventory(self, hosts: dict[str, Any] | None = None, lost: list[str] | None = None) -> Inventory:
        hosts = {"box": {}} if hosts is None else hosts
        return Inventory(Machines.model_validate({"hosts": hosts, "lost": lost or []}), Path("/"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world with the one machine `box`."""
    made = World({"box": MemoryMachine("id-of-box")})
    monkeypatch.setattr(connection, "Connection", lambda name, host, _config: MemoryConnection(made, name, host))
    monkeypatch.setattr(outage, "RECONNECT", 0.0)
    return made


# --- a toy kind: a text file of lines `field=value` ---


def _no_shouting(value: str) -> str:
    if value != value.lower():
        raise ValueError(f"must be in lowercase letters, and {value!r} is not; write it so")
    return value.strip()


class NoteInputs(Inputs):
    name: Annotated[str, Field(description="Which note it is.")]
    text: Annotated[str, AfterValidator(_no_shouting), Field(description="What it says.")]
    colour: Annotated[str | None, Field(description="Its colour.")] = None
    lines: Annotated[list[str], Field(description="More of it.")] = Field(default_factory=list[str])
    pen_type: Annotated[str, Field(description="What it is written with; the machine can't tell.")] = "ink"
    size: Annotated[str | None, Field(description="Of its paper.")] = None


class NoteFacts(Facts):
    text: str = ""
    colour: str | None = None
    lines: list[str] = Field(default_factory=list[str])
    size: str = "a5"
    serial: int = Field(default=0, description="A number that the machine gives.")


def note_path(inputs: NoteInputs) -> str:
    return f"/notes/{inputs.name}"


async def observe(session: Session, inputs: NoteInputs) -> NoteFacts:
    found = await session.stat(note_path(inputs), content=True)
    if found is None or found.content is None:
        return NoteFacts(present=False)
    return NoteFacts(present=True, **json.loads(found.content))


async def apply(session: Session, inputs: NoteInputs, facts: NoteFacts) -> None:
    note = {"text": inputs.text, "lines": inputs.lines, "serial": facts.serial + 1}
    note["colour"] = facts.colour if inputs.colour is None else inputs.colour
    note["size"] = inputs.size or facts.size
    await session.write(note_path(inputs), json.dumps(note).encode())


async def restore(session: Session, inputs: NoteInputs, before: NoteFacts) -> None:
    if not before.present:
        await session.remove(note_path(inputs))
        return
    note = before.model_dump(exclude={"present"})
    if inputs.size is None and (now := await observe(session, inputs)).present:
        note["size"] = now.size
    await session.write(note_path(inputs), json.dumps(note).encode())


NOTE = Kind(
    token="hearth:test:Note",
    inputs=NoteInputs,
    facts=NoteFacts,
    observe=observe,
    apply=apply,
    restore=restore,
    identity=("name",),
    identify=lambda inputs: inputs.name,
    parse=lambda identity: {"name": identity},
    defaults={"size": "a4"},
    outputs=("serial",),
    locks=lambda inputs: (f"note:{inputs.name}",),
    by_hand=lambda inputs: f"rm {note_path(inputs)}",
)

NO_ANSWER = ConnectionLost("the connection to box has dropped")
