"""The worker's own operations on this very machine, without SSH: for kinds whose work is done by programs there.

Tests give it folders of their own. `user` is dropped where it is the one who runs the tests.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
from dataclasses import dataclass, field
from typing import Any

import httpx

from providers.errors import CommandFailed, HearthError, OperationRefused
from providers.machine import worker, worker_tree, worker_tree_back, worker_tree_begin, worker_tree_put
from providers.machine.session import Account, Completed, Stat

ME = pwd.getpwuid(os.getuid()).pw_name


@dataclass
class LocalSession:
    machine: str = "here"
    lines: list[str] = field(default_factory=list)
    """The command lines that were run, in order."""
    messages: list[str] = field(default_factory=list)

    def _call(self, op: str, **args: Any) -> Any:
        reply = worker.answer({"op": op, "args": args})
        if "result" in reply:
            return reply["result"]
        if "refused" in reply:
            raise OperationRefused(reply["refused"], remedy=reply["remedy"])
        raise HearthError(str(reply))

    async def tree(self, op: str, path: str, **args: Any) -> Any:
        known = {**vars(worker_tree), **vars(worker_tree_begin), **vars(worker_tree_put), **vars(worker_tree_back)}
        worker.OPERATIONS[f"tree_{op}"] = known[f"op_tree_{op}"]
        # What goes over the wire is JSON.
        return json.loads(json.dumps(self._call(f"tree_{op}", path=path, **args)))

    async def stat(self, path: str, *, content: bool = False, entries: bool = False, **more: Any) -> Stat | None:
        found = self._call("stat", path=path, content=content, entries=entries, **more)
        if found is None:
            return None
        data, names = found.pop("content", None), found.pop("entries", None)
        return Stat(
            **found,
            content=None if data is None else base64.b64decode(data),
            entries=None if names is None else tuple(names),
        )

    async def write(self, path: str, content: bytes, **attributes: Any) -> None:
        self._call("write", path=path, content=base64.b64encode(content).decode(), **attributes)

    async def set_attributes(self, path: str, **attributes: str | None) -> None:
        self._call("set_attributes", path=path, **attributes)

    async def symlink(self, path: str, target: str) -> None:
        self._call("symlink", path=path, target=target)

    async def make_directory(self, path: str, *, mode: str, owner: str, group: str) -> None:
        self._call("make_directory", path=path, mode=mode, owner=owner, group=group)

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        self._call("remove", path=path, recursive=recursive)

    async def account(self, name: str) -> Account | None:
        found = self._call("account", name=name)
        return None if found is None else Account(**{**found, "groups": tuple(found["groups"])})

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
        self.lines.append(" ".join(argv))
        reply = self._call(
            "run",
            argv=argv,
            stdin=base64.b64encode(stdin.encode() if isinstance(stdin, str) else stdin).decode(),
            script=None if script is None else base64.b64encode(script.encode()).decode(),
            user=None if user == ME else user,
            cwd=cwd,
            timeout=timeout or 60.0,
            environment=environment,
        )
        result = Completed(reply["status"], reply["stdout"], reply["stderr"])
        if check and not result.ok:
            raise CommandFailed(f"`{argv[0]}` ended with {result.status}", status=result.status, detail=result.stderr)
        return result

    async def http(self, base_url: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=base_url)

    def looking(self) -> LocalSession:
        return self

    def progress(self, message: str) -> None:
        self.messages.append(message)

    def warn(self, message: str) -> None:
        self.messages.append(message)
