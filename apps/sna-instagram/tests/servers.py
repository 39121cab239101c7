"""A real Synapse and a real maubot, on loopback and in a temporary folder: started, asked, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import yaml

PASSWORD = "an admin's password"
UPLOAD_BYTES = 1_000_000


def free_port() -> int:
    """Return a port that nothing listens on, and that no outgoing connection gets: theirs are from 32768 on."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port


def plugin_file(folder: Path, target: Path) -> Path:
    """Return the .mbp of a plugin's folder: what its maubot.yaml names."""
    described = yaml.safe_load((folder / "maubot.yaml").read_text())
    paths = [folder / "maubot.yaml", *(folder / name for name in described.get("extra_files", []))]
    for module in described["modules"]:
        paths += sorted((folder / module).rglob("*.py"))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, path.relative_to(folder))
    return target


class Program:
    """A process with its log in a file; ends with its group."""

    def __init__(self, name: str, folder: Path, *command: str) -> None:
        self._name, self._folder, self._command = name, folder, command
        self._process: asyncio.subprocess.Process | None = None
        self.log = folder / f"{name}.log"

    async def start(self, address: str, *good: int) -> None:
        """Start it, and wait until the address answers with one of the statuses."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 240
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(address) as answer:
                        if answer.status in good:
                            return
                if self._process.returncode is not None or time.monotonic() > end:
                    await self.stop()
                    raise RuntimeError(f"{self._name} did not start:\n{self.log.read_text()[-3000:]}")
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
            # maubot may hang at a SIGTERM that comes right after an answer: it gets a few seconds.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._process = None


class User:
    """A user of the homeserver, by its client API."""

    def __init__(self, session: aiohttp.ClientSession, base: str, registered: dict[str, str]) -> None:
        self._session, self._base = session, base
        self.mxid, self.token, self.device = (registered[key] for key in ("user_id", "access_token", "device_id"))

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._session.request(
            method, f"{self._base}/_matrix/client/v3{path}", json=body, headers=headers
        ) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{method} {path}: {answer.status} {text}"
            return json.loads(text)

    async def room(self, *invited: str) -> str:
        return (await self.call("POST", "/createRoom", {"invite": list(invited), "preset": "private_chat"}))["room_id"]

    async def say(self, room: str, body: str) -> str:
        content = {"msgtype": "m.text", "body": body}
        return (await self.call("PUT", f"/rooms/{room}/send/m.room.message/{time.monotonic_ns()}", content))["event_id"]

    async def events(self, room: str) -> list[dict[str, Any]]:
        """Return all messages of the room, the oldest first."""
        answer = await self.call("GET", f"/rooms/{room}/messages?dir=b&limit=200")
        return [event for event in reversed(answer["chunk"]) if event["type"] == "m.room.message"]

    async def members(self, room: str) -> set[str]:
        return set((await self.call("GET", f"/rooms/{room}/joined_members"))["joined"])

    async def file(self, uri: str) -> bytes:
        path = f"{self._base}/_matrix/client/v1/media/download/{uri.removeprefix('mxc://')}"
        async with self._session.get(path, headers={"Authorization": f"Bearer {self.token}"}) as answer:
            assert answer.status == 200
            return await answer.read()


class Servers:
    """Both, and the ways to ask them."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self._folder, self._session = folder, session
        self.matrix, self.bots = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.synapse = Program(
            "synapse", folder, sys.executable, "-m", "synapse.app.homeserver", "-c", "homeserver.yaml"
        )
        self.maubot = Program("maubot", folder, sys.executable, "-m", "maubot", "-n", "-c", "maubot.yaml")

    async def start(self) -> None:
        self._configure()
        keys = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "synapse.app.homeserver", "-c", "homeserver.yaml", "--generate-keys",
            cwd=self._folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await keys.wait() == 0
        await asyncio.gather(self.synapse.start(f"{self.matrix}/_matrix/client/versions", 200), self.start_maubot())

    async def start_maubot(self) -> None:
        await self.maubot.start(f"{self.bots}/_matrix/maubot/v1/version", 401)
        login = {"username": "admin", "password": PASSWORD}
        self._token = ""
        self._token = (await self.call("POST", "/auth/login", json=login))["token"]

    async def stop(self) -> None:
        await self.maubot.stop()
        await self.synapse.stop()

    async def call(self, method: str, path: str, **body: Any) -> Any:
        """Maubot's API."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.request(
            method, f"{self.bots}/_matrix/maubot/v1{path}", headers=headers, **body
        ) as answer:
            text = await answer.text()
            assert answer.status in (200, 201), f"{method} {path}: {answer.status} {text}"
            return json.loads(text)

    async def register(self, name: str) -> User:
        body = {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        async with self._session.post(f"{self.matrix}/_matrix/client/v3/register", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return User(self._session, self.matrix, await answer.json())

    async def bot(self, name: str) -> User:
        """Return a user that maubot syncs for, and that joins where it is invited."""
        user = await self.register(name)
        described = {"homeserver": self.matrix, "access_token": user.token, "device_id": user.device,
                     "enabled": True, "sync": True, "autojoin": True}  # fmt: skip
        await self.call("PUT", f"/client/{user.mxid}", json=described)
        return user

    async def upload(self, folder: Path) -> None:
        data = plugin_file(folder, self._folder / f"{folder.name}.mbp").read_bytes()
        await self.call("POST", "/plugins/upload", data=data)

    async def instance(self, name: str, kind: str, user: User, config: dict[str, Any] | None = None) -> None:
        body = {"type": kind, "primary_user": user.mxid, "enabled": True, "config": yaml.safe_dump(config or {})}
        described = await self.call("PUT", f"/instance/{name}", json=body)
        assert described["started"], self.maubot.log.read_text()[-3000:]

    def _configure(self) -> None:
        for name in ("plugins", "trash", "media"):
            (self._folder / name).mkdir()
        often = {"per_second": 1000, "burst_count": 1000}
        synapse = {
            "server_name": "lab.test",
            "pid_file": str(self._folder / "synapse.pid"),
            "listeners": [{"port": int(self.matrix.rpartition(":")[2]), "bind_addresses": ["127.0.0.1"], "type": "http",
                           "resources": [{"names": ["client", "media"]}]}],
            "database": {"name": "sqlite3", "args": {"database": str(self._folder / "synapse.db")}},
            "media_store_path": str(self._folder / "media"),
            "signing_key_path": str(self._folder / "signing.key"),
            "max_upload_size": str(UPLOAD_BYTES),
            "macaroon_secret_key": "only for this test",
            "report_stats": False,
            "trusted_key_servers": [],
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "rc_message": often,
            "rc_registration": often,
            "rc_joins": {"local": often},
            "rc_invites": {"per_room": often, "per_user": often},
        }  # fmt: skip
        (self._folder / "homeserver.yaml").write_text(yaml.safe_dump(synapse))
        maubot = {
            "database": f"sqlite:{self._folder}/maubot.db",
            "plugin_directories": {"upload": "plugins", "load": ["plugins"], "trash": "trash"},
            "plugin_databases": {"sqlite": "plugins"},
            "server": {"hostname": "127.0.0.1", "port": int(self.bots.rpartition(":")[2]), "public_url": self.bots,
                       "unshared_secret": "only for this test"},
            "homeservers": {"lab.test": {"url": self.matrix}},
            "admins": {"admin": PASSWORD},
            "logging": {"version": 1, "handlers": {"console": {"class": "logging.StreamHandler"}},
                        "root": {"level": "INFO", "handlers": ["console"]}},
        }  # fmt: skip
        (self._folder / "maubot.yaml").write_text(yaml.safe_dump(maubot))


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Servers]:
    """Yield both servers, until the end of the block."""
    async with aiohttp.ClientSession() as session:
        servers = Servers(folder, session)
        try:
            await servers.start()
            yield servers
        finally:
            await servers.stop()
