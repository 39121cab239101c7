"""maubot's backups: what is kept, and what a new machine begins with, of SQLite files and of a real PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.maubot.config_file import config_text
from tests.unit.systems.maubot.test_programs import backup
from tests.unit.systems.maubot.test_settings import settings


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


def test_a_configuration_without_postgresql_has_no_address_of_it(tmp_path: Path):
    path = tmp_path / "config.yaml"
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


def test_a_new_maubot_begins_with_the_newest_backup_and_one_that_is_there_is_left_alone(
    tmp_path: Path, kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backup.pwd, "getpwnam", lambda _name: backup.pwd.getpwuid(os.getuid()))
    names = iter(("2026-11-25T033000", "2026-11-26T033000", "aside"))
    monkeypatch.setattr(backup.time, "strftime", lambda _format: next(names))
    backup.backup(kept)
    filled(tmp_path / "bot.db", 4)
    backup.backup(kept)
    backups = tmp_path / "backups"
    backup.begin(kept, backups)
    assert rows(tmp_path / "bot.db") == 7, "what is there stays"
    for path in tmp_path.glob("**/*.db*"):
        if backups not in path.parents:
            path.unlink()
    assert not backup.begun(kept)
    backup.begin(kept, backups)
    assert backup.begun(kept)
    assert (rows(tmp_path / "bot.db"), rows(tmp_path / "dbs" / "echo-1.db")) == (7, 5)


@pytest.mark.parametrize("broken", ["echo-1.db", "bot.db"])
def test_a_beginning_that_is_cut_short_is_begun_again(
    tmp_path: Path, kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch, broken: str
):
    monkeypatch.setattr(backup.pwd, "getpwnam", lambda _name: backup.pwd.getpwuid(os.getuid()))
    backup.backup(kept)
    for path in (tmp_path / "bot.db", tmp_path / "dbs" / "echo-1.db"):
        path.unlink()
    copied = backup.copied

    def cut_short(source: Path, target: Path) -> None:
        target.write_bytes(b"half of it")
        if source.name == broken:
            raise KeyboardInterrupt
        target.unlink()
        copied(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(backup, "copied", cut_short)
        with pytest.raises(KeyboardInterrupt):
            backup.begin(kept, tmp_path / "backups")
    assert not backup.begun(kept)
    backup.begin(kept, tmp_path / "backups")
    assert (rows(tmp_path / "bot.db"), rows(tmp_path / "dbs" / "echo-1.db")) == (3, 5)


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_place_without_a_backup_is_named_and_nothing_is_touched(tmp_path: Path, kept: dict[str, Any], place: str):
    (tmp_path / "bot.db").unlink()
    (tmp_path / "other").mkdir()
    with pytest.raises(SystemExit, match="there is no backup at"):
        backup.begin(kept, tmp_path / "other" / place)
    assert not (tmp_path / "bot.db").exists()


PASSWORD = "p@ss/w:rd% \u00fc"


def as_postgres(*command: str | Path) -> None:
    """Run a command as the user of PostgreSQL's, which takes root for nobody."""
    words = ["runuser", "-u", "postgres", "--", *map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def postgres() -> Iterator[str]:
    """Yield the address of an empty database in a PostgreSQL of this test's own, with a password."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs and os.environ.get("CI") != "true":
        pytest.skip("PostgreSQL is not here: apt install postgresql")
    assert programs, "PostgreSQL is not here: apt install postgresql"
    bin_folder = programs[-1].parent
    with tempfile.TemporaryDirectory(prefix="hearth-postgres-") as made:
        folder = Path(made)
        secret, data = folder / "password", folder / "data"
        secret.write_text(PASSWORD)
        for path in (folder, secret):
            shutil.chown(path, "postgres", "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        owner = ("-U", "maubot", "--auth=scram-sha-256", f"--pwfile={secret}", "-E", "UTF8")
        as_postgres(bin_folder / "initdb", "-D", data, *owner)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        as_postgres(bin_folder / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log", "start")
        try:
            yield f"postgresql://maubot:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres?application_name=hearth"
        finally:
            as_postgres(bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def test_with_postgresql_the_backup_and_the_new_beginning_are_those_of_its_database(
    tmp_path: Path, kept: dict[str, Any], postgres: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backup.pwd, "getpwnam", lambda _name: backup.pwd.getpwuid(os.getuid()))
    (tmp_path / "config.yaml").write_text(f"database: {postgres}\n")
    told = {**kept, "database": None}

    def asked(query: str) -> str:
        command = ["psql", "--no-psqlrc", "-Atc", query]
        return subprocess.run(command, env=backup.postgresql(told), check=True, capture_output=True, text=True).stdout

    assert not backup.begun(told)
    asked("CREATE TABLE heard AS SELECT generate_series(1, 9) AS id")
    backup.backup(told)
    asked("DROP TABLE heard")
    (tmp_path / "dbs" / "echo-1.db").unlink()
    backup.begin(told, tmp_path / "backups")
    assert asked("SELECT count(*) FROM heard") == "9\n"
    assert rows(tmp_path / "dbs" / "echo-1.db") == 5
    asked("DELETE FROM heard")
    backup.begin(told, tmp_path / "backups")
    assert asked("SELECT count(*) FROM heard") == "0\n", "what is there stays"
