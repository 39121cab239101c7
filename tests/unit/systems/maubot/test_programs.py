"""The programs that run on the machine: against servers of ours, and with SQLite files."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.maubot.config_file import config_text
from components.maubot.units import PROGRAMS
from tests.unit.providers.kinds.matrix.memory_servers import MemoryHomeserver, MemoryMaubot, Servers, answer
from tests.unit.systems.maubot.test_settings import settings

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
    threading.Thread(target=server.serve_forever, daemon=True).start()
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


def test_the_record_counts_good_looks_of_each_day(world: World):
    health.check(world.told)
    world.servers.homeserver.tokens.clear()
    health.check(world.told)
    assert json.loads((world.state / "record.json").read_text()) == {time.strftime("%Y-%m-%d"): [1, 2]}


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


def filled(path: Path, rows: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE IF NOT EXISTS heard (id INTEGER)")
        database.executemany("INSERT INTO heard VALUES (?)", [(number,) for number in range(rows)])
        database.commit()


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM heard").fetchone()[0])


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, Any]:
    for name in ("dbs", "backups"):
        (tmp_path / name).mkdir()
    filled(tmp_path / "bot.db", 3)
    filled(tmp_path / "dbs" / "echo-1.db", 5)
    (tmp_path / "config.yaml").write_text("database: sqlite:x\n")
    return {
        "database": str(tmp_path / "bot.db"),
        "instance_databases": str(tmp_path / "dbs"),
        "unit": "maubot.service",
        "config_file": str(tmp_path / "config.yaml"),
        "backup": {"folder": str(tmp_path / "backups"), "keep": 2},
    }


def test_a_backup_of_databases_in_use_is_whole_and_the_oldest_go(
    tmp_path: Path, kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    folders = iter(f"2026-11-{day}T033000" for day in (24, 25, 26))
    monkeypatch.setattr(backup.time, "strftime", lambda _format: next(folders))
    (tmp_path / "backups" / "notes").mkdir()
    with closing(sqlite3.connect(tmp_path / "bot.db")) as user:  # somebody has it open, with a WAL beside
        user.execute("INSERT INTO heard VALUES (9)")
        user.commit()
        for _ in range(3):
            backup.backup(kept)
    found = sorted(path.name for path in (tmp_path / "backups").iterdir())
    assert found == ["2026-11-25T033000", "2026-11-26T033000", "notes"]
    newest = tmp_path / "backups" / found[1]
    assert (rows(newest / "bot.db"), rows(newest / "dbs" / "echo-1.db")) == (4, 5)
    assert (newest / "config.yaml").stat().st_mode & 0o777 == 0o600


def test_a_broken_database_is_never_kept_as_a_backup(tmp_path: Path, kept: dict[str, Any]):
    (tmp_path / "dbs" / "echo-1.db").write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        backup.backup(kept)
    assert [path.name for path in (tmp_path / "backups").iterdir() if not path.name.endswith(".part")] == []


@given(st.from_regex(r"[!#-&(-[\]-~]{0,300}", fullmatch=True))
def test_postgresqls_address_is_read_from_the_configuration_as_we_write_it(tail: str):
    url = f"postgresql://u:p@127.0.0.1/m?x={tail}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(config_text(settings(database="postgresql"), "hash", "key", url))
        assert backup.database_url(path) == url
        path.write_text(json.dumps({"database": url, "server": {}}, indent=1))  # on NixOS
        assert backup.database_url(path) == url
        path.write_text(config_text(settings(), "hash", "key", None))
        assert backup.database_url(path) is None


def test_a_restore_wants_a_backup_of_its_own_kind_of_database(
    tmp_path: Path, kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    backup.backup(kept)
    (folder,) = (tmp_path / "backups").iterdir()
    monkeypatch.setattr(backup.subprocess, "run", lambda *_a, **_k: type("Done", (), {"returncode": 3})())
    with pytest.raises(SystemExit, match=r"no backup of this kind of database \(bot\.dump\), and nothing was touched"):
        backup.restore({**kept, "database": None}, folder)
