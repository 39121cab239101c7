"""What a new machine begins with: maubot's newest backup, of SQLite files and of a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.unit.systems.maubot.test_programs import backup, filled, kept, rows

__all__ = ["kept"]


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
