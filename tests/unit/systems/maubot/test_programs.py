"""The programs that run on the machine: against servers of ours, and with SQLite files."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from components.maubot.units import PROGRAMS
from tests.unit.providers.kinds.matrix.memory_servers import MemoryHomeserver, MemoryMaubot, Servers, answer

USER = "@echo:lab.test"


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"maubot_{name}", PROGRAMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


health, backup = program("health"), program("backup")


def served(answers: Callable[[httpx.Request], httpx.Response]) -> ThreadingHTTPServer:
    """Return a server on a port of its own that answers as the memory server does."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            request = httpx.Request(
                self.command, f"http://x{self.path}", headers=dict(self.headers), content=self.rfile.read(size)
            )
            found = answers(request)
            self.send_response(found.status_code)
            self.send_header("Content-Length", str(len(found.content)))
            self.end_headers()
            self.wfile.write(found.content)

        do_GET = do_PUT = do_POST = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # Its `shutdown` waits for the next look at whether it shall end.
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


@dataclass
class World:
    servers: Servers
    told: dict[str, Any]
    state: Path
    stopping: list[ThreadingHTTPServer] = field(default_factory=list)

    def saw(self) -> dict[str, Any]:
        return json.loads((self.state / "state.json").read_text())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    servers = Servers()
    homeserver: MemoryHomeserver = servers.homeserver
    maubot: MemoryMaubot = servers.maubot
    homeserver.tokens["token-1"] = ("echo", "MAUBOT")

    def with_account_data(request: httpx.Request) -> httpx.Response:
        return answer(200) if "/account_data/" in request.url.path else homeserver(request)

    def with_version(request: httpx.Request) -> httpx.Response:
        return answer(401) if request.url.path.endswith("/version") else maubot(request)

    running = [served(with_account_data), served(with_version)]
    addresses = [f"http://127.0.0.1:{each.server_address[1]}" for each in running]
    maubot.clients[USER] = {
        "id": USER,
        "homeserver": addresses[0],
        "access_token": "token-1",
        "enabled": True,
        "started": True,
        "sync_ok": True,
    }
    maubot.instances["echo-1"] = {"started": True, "enabled": True, "config": "", "type": "known", "primary_user": USER}
    (tmp_path / "secret-key").write_text("the-key\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(health, "SYNC_SECONDS", 0.6)
    monkeypatch.setattr(health, "PAUSE_SECONDS", 0.02)
    told = {
        "api": addresses[1],
        "unit": "maubot.service",
        "clients": [USER],
        "instances": ["echo-1"],
        "database": None,
        "config_file": str(tmp_path / "none"),
        "state": str(tmp_path),
        "metrics": str(tmp_path / "maubot.prom"),
        "alerts": None,
        "restart_after": 2,
        "restart_pause": 300,
    }
    yield World(servers, told, tmp_path, running)
    for each in running:
        each.shutdown()
        each.server_close()


def figures(world: World) -> str:
    """Return what the restart's timer writes of the last look."""
    assert health.restart(world.told) == 0
    return (world.state / "maubot.prom").read_text()


def test_all_is_well_where_every_token_is_good_and_every_sync_moves(world: World):
    assert health.check(world.told) == 0
    assert world.saw()["wrong"] == {}
    assert world.servers.maubot.changes == []
    found = figures(world)
    assert "maubot_up 1\n" in found
    assert 'maubot_client_up{client="@echo:lab.test"} 1' in found
    assert 'maubot_instance_up{instance="echo-1"} 1' in found


@pytest.fixture
def gone() -> str:
    """Return the number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return str(process.pid)


def test_waiting_for_a_maubot_that_has_ended_ends_too_so_that_systemd_starts_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch, gone: str
):
    world.told["api"] = "http://127.0.0.1:1"
    monkeypatch.setenv("MAINPID", gone)
    assert health.wait(world.told) == 1


def test_waiting_goes_on_while_maubot_is_there_until_it_answers(world: World, monkeypatch: pytest.MonkeyPatch):
    away, tries = health.MaubotApi, iter((True, True, False))

    def late(told: dict[str, Any]) -> Any:
        if next(tries):
            raise health.Away("not yet")
        return away(told)

    monkeypatch.setattr(health, "MaubotApi", late)
    monkeypatch.setenv("MAINPID", str(os.getpid()))
    assert health.wait(world.told) == 0
    assert next(tries, None) is None


def test_a_revoked_token_is_found_behind_a_living_port(world: World, capsys: pytest.CaptureFixture[str]):
    world.servers.homeserver.tokens.clear()
    assert health.check(world.told) == 1
    assert "its token is not good any more" in capsys.readouterr().err
    assert world.saw()["silent"] == 0
    found = figures(world)
    assert 'maubot_client_up{client="@echo:lab.test"} 0' in found
    assert 'maubot_instance_up{instance="echo-1"} 1' in found


def test_a_client_that_backs_off_while_the_homeserver_is_back_is_started_again_once(world: World):
    world.servers.maubot.clients[USER]["sync_ok"] = False
    assert health.check(world.told) == 1
    assert world.servers.maubot.changes == [f"PUT client {USER}"] * 2
    assert health.check(world.told) == 1
    assert world.servers.maubot.changes == [f"PUT client {USER}"] * 2  # not again at once
    world.servers.maubot.clients[USER]["sync_ok"] = True
    assert health.check(world.told) == 0


def test_a_client_that_maubot_gave_up_is_enabled_and_started_again(world: World):
    world.servers.maubot.clients[USER] |= {"enabled": False, "started": False}
    assert health.check(world.told) == 0
    found = world.servers.maubot.clients[USER]
    assert (found["enabled"], found["started"]) == (True, True)


def test_a_homeserver_that_is_away_is_no_reason_to_touch_maubot(world: World):
    world.stopping[0].shutdown()
    world.stopping[0].server_close()
    assert health.check(world.told) == 1
    assert "does not answer" in world.saw()["wrong"][USER]
    assert world.servers.maubot.changes == []


@pytest.mark.parametrize(
    "content",
    [b"<html>Welcome to nginx!</html>", b"[]", b'"text"', b'{"status": "ok"}'],
    ids=["page", "list", "text", "API"],
)
def test_what_has_taken_maubots_port_is_no_maubot(world: World, content: bytes, capsys: pytest.CaptureFixture[str]):
    other = served(lambda _: httpx.Response(200, content=content))
    world.stopping.append(other)
    world.told["api"] = f"http://127.0.0.1:{other.server_address[1]}"
    assert health.check(world.told) == 1
    assert world.saw()["silent"] == 1
    assert "is not maubot" in capsys.readouterr().err


def test_what_speaks_no_http_at_maubots_port_is_no_maubot(world: World, capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"SSH-2.0-x\r\n"), daemon=True).start()
        world.told["api"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert health.check(world.told) == 1
    assert world.saw()["silent"] == 1
    assert "maubot does not answer" in capsys.readouterr().err


def test_an_instance_that_does_not_run_is_named(world: World):
    world.servers.maubot.instances["echo-1"]["started"] = False
    assert health.check(world.told) == 1
    assert "echo-1 does not run" in world.saw()["wrong"]["instance echo-1"]
    assert 'maubot_instance_up{instance="echo-1"} 0' in figures(world)


def test_an_instance_of_maubots_own_name_that_does_not_run_is_no_silent_maubot(world: World):
    world.told["instances"] = ["maubot"]
    assert health.check(world.told) == 1
    assert world.saw()["silent"] == 0


def test_figures_that_can_not_be_written_are_an_error_and_maubot_is_restarted_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    restarts = Restarts(monkeypatch)
    world.told["metrics"] = str(world.state / "nowhere" / "maubot.prom")
    silent(world, 2)
    assert health.restart(world.told) == 1
    assert "the figures could not be written" in capsys.readouterr().err
    assert restarts.count == 1


def test_the_record_counts_good_looks_of_each_day(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health.time, "strftime", {"%Y-%m-%d": "2026-11-26"}.__getitem__)  # midnight may pass meanwhile
    health.check(world.told)
    world.servers.homeserver.tokens.clear()
    health.check(world.told)
    assert json.loads((world.state / "record.json").read_text()) == {"2026-11-26": [1, 2]}


class Restarts:
    """systemctl, as far as `restart` asks it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: str = "active") -> None:
        self.count, self.state = 0, state
        monkeypatch.setattr(health.subprocess, "run", self.run)

    def run(self, command: list[str], **_options: Any) -> Any:
        if command[1] == "restart":
            self.count += 1
        return type("Done", (), {"stdout": self.state, "returncode": 0})()


def silent(world: World, times: int) -> None:
    content = {"at": time.time(), "silent": times, "wrong": {"maubot": "connection refused"}}
    (world.state / "state.json").write_text(json.dumps(content))


def test_maubot_is_restarted_after_several_silent_looks_and_once_in_a_while_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    restarts = Restarts(monkeypatch)
    silent(world, 1)
    assert health.restart(world.told) == 0
    assert restarts.count == 0
    silent(world, 2)
    assert health.restart(world.told) == 0
    assert restarts.count == 1
    assert health.restart(world.told) == 1
    assert restarts.count == 1
    assert "and still: connection refused" in capsys.readouterr().err
    (world.state / "last.json").write_text(json.dumps({"at": time.time() - 301}))
    assert health.restart(world.told) == 0
    assert restarts.count == 2


def test_what_somebody_stopped_is_not_started(world: World, monkeypatch: pytest.MonkeyPatch):
    restarts = Restarts(monkeypatch, "inactive")
    silent(world, 9)
    assert health.restart(world.told) == 0
    assert restarts.count == 0


# --- the backup ---
