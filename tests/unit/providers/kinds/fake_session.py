"""A machine that exists in memory only, for unit tests of kinds: files are kept, commands are answered by rules."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import httpx

from providers.errors import CommandFailed, NotAnswering
from providers.machine.session import Account, Completed, Stat

Answer = Callable[["Call"], Completed | str | int | None]


@dataclass(frozen=True)
class Call:
    """One command as the kind asked for it."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    script: str | None = None
    user: str | None = None
    cwd: str | None = None

    @property
    def line(self) -> str:
        return " ".join(self.argv)


@dataclass
class FakeSession:
    """A session that answers commands by rules.

    `on("systemctl show", answer)` answers commands whose line starts so: a text (stdout), a number (status), a
    Completed, or a function of the Call; the rule set last wins. A command without a rule fails the test.
    """

    machine: str = "box"
    files: dict[str, Stat] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    others: dict[str, FakeSession] = field(default_factory=dict)
    web: dict[str, Callable[[httpx.Request], httpx.Response]] = field(default_factory=dict)
    """Address of a service -> what answers its requests; at other addresses nothing does."""
    restarts: bool = True
    """Whether a restart is one of this run's first."""
    _rules: list[tuple[str, Answer | Completed | str | int]] = field(default_factory=list)

    def on(self, start: str, answer: Answer | Completed | str | int = "") -> FakeSession:
        self._rules.insert(0, (start, answer))
        return self

    def put(
        self, path: str, content: str | bytes = b"", *, mode: str = "0644", owner: str = "root", group: str = "root"
    ):
        data = content.encode() if isinstance(content, str) else content
        self.files[path] = Stat("file", mode, owner, group, len(data), data)

    def lines(self) -> list[str]:
        """Return the command lines that were run, in order."""
        return [call.line for call in self.calls]

    async def stat(
        self,
        path: str,
        *,
        content: bool = False,
        entries: bool = False,
        limit: int | None = None,
        **_wished: str | None,
    ) -> Stat | None:
        found = self.files.get(path)
        if found is None:
            return None
        names = tuple(sorted(PurePosixPath(p).name for p in self.files if str(PurePosixPath(p).parent) == path))
        return replace(found, content=found.content if content else None, entries=names if entries else None)

    async def write(
        self,
        path: str,
        content: bytes,
        *,
        mode: str | None = None,
        owner: str | None = None,
        group: str | None = None,
        modified: int | None = None,
        **_other: object,
    ) -> None:
        old = self.files.get(path) or Stat("file", "0644", "root", "root", 0)
        self.files[path] = Stat(
            "file", mode or old.mode, owner or old.owner, group or old.group, len(content), content, modified=modified
        )

    async def set_attributes(
        self, path: str, *, mode: str | None = None, owner: str | None = None, group: str | None = None
    ) -> None:
        old = self.files[path]
        self.files[path] = replace(old, mode=mode or old.mode, owner=owner or old.owner, group=group or old.group)

    async def symlink(self, path: str, target: str) -> None:
        self.files[path] = Stat("symlink", "0777", "root", "root", len(target), target.encode(errors="surrogateescape"))

    async def make_directory(self, path: str, *, mode: str, owner: str, group: str) -> None:
        self.files.setdefault(path, Stat("directory", mode, owner, group, 0))

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        below = [name for name in self.files if name.startswith(f"{path}/")]
        if below and not recursive:
            raise CommandFailed(f"{path} is not empty", status=39)
        for name in (path, *below):
            self.files.pop(name, None)

    async def account(self, name: str) -> Account | None:
        return self.accounts.get(name)

    async def run(
        self,
        *argv: str,
        stdin: str | bytes = b"",
        script: str | None = None,
        user: str | None = None,
        cwd: str | None = None,
        check: bool = True,
        timeout: float | None = None,
        environment: dict[str, str] | None = None,
    ) -> Completed:
        call = Call(argv, stdin.encode() if isinstance(stdin, str) else stdin, script, user, cwd)
        self.calls.append(call)
        for start, answer in self._rules:
            if call.line.startswith(start):
                result = answer(call) if callable(answer) else answer
                break
        else:
            raise AssertionError(f"no rule for the command: {call.line}")
        if result is None:
            result = ""
        if isinstance(result, int):
            result = Completed(result, "", "")
        if isinstance(result, str):
            result = Completed(0, result, "")
        if check and not result.ok:
            raise CommandFailed(f"{call.line} ended with {result.status}", status=result.status, detail=result.stderr)
        return result

    async def http(self, base_url: str) -> httpx.AsyncClient:
        if base_url not in self.web:
            raise NotAnswering(f"nothing answers at {base_url}")
        return httpx.AsyncClient(transport=httpx.MockTransport(self.web[base_url]), base_url=base_url)

    @asynccontextmanager
    async def elsewhere(self, machine: str) -> AsyncGenerator[FakeSession]:
        """Yield the machine of that name among `others`."""
        yield self if machine == self.machine else self.others[machine]

    async def restart(self) -> bool:
        self.messages.append("restarted")
        return self.restarts

    def looking(self) -> FakeSession:
        return self

    def progress(self, message: str) -> None:
        self.messages.append(message)

    def warn(self, message: str) -> None:
        self.messages.append(message)
