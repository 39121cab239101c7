"""Runs on the machine: `backup.py backup TOLD.json`, `backup.py restore TOLD.json FOLDER`. Standard library only.

A backup is a folder of its own: maubot's database and those of the instances, copied by SQLite's own API while they are
in use and then tested, and the configuration. With PostgreSQL, maubot's database comes from pg_dump. A restore wants
maubot stopped, and puts what was there aside.
"""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import sqlite3
import subprocess
import sys
import time

SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d{6}")


def copied(source, target):
    """Copy a SQLite database, whole, as it is at one moment. Raises sqlite3.Error."""
    with (
        contextlib.closing(sqlite3.connect(source, timeout=30)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        (told,) = new.execute("PRAGMA integrity_check").fetchone()
        if told != "ok":
            raise sqlite3.DatabaseError(f"{source}: {told}")
    target.chmod(0o600)


def database_url(config_file):
    """Return PostgreSQL's address in maubot's configuration."""
    found = re.search(r"(?m)^database: *['\"]?(postgres[^'\"\n]+)", pathlib.Path(config_file).read_text())
    return found[1] if found else None


def backup(told):
    folder = pathlib.Path(told["backup"]["folder"])
    target = folder / (time.strftime("%Y-%m-%dT%H%M%S"))
    part = folder / (target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "dbs").mkdir(parents=True)
    if told["database"]:
        copied(told["database"], part / "bot.db")
    else:
        environment = {**os.environ, "PGDATABASE": database_url(told["config_file"])}
        command = ["pg_dump", "--format=custom", f"--file={part / 'bot.dump'}"]
        subprocess.run(command, env=environment, check=True)
    for path in sorted(pathlib.Path(told["instance_databases"]).glob("*.db")):
        copied(path, part / "dbs" / path.name)
    shutil.copy(told["config_file"], part / "config.yaml")
    (part / "config.yaml").chmod(0o600)
    part.replace(target)
    for old in sorted(path for path in folder.iterdir() if SHAPE.fullmatch(path.name))[: -told["backup"]["keep"]]:
        shutil.rmtree(old)
    print(f"kept {target}")


def restore(told, source):
    active = subprocess.run(["systemctl", "is-active", "--quiet", told["unit"]], check=False).returncode == 0
    if active:
        sys.exit(f"{told['unit']} runs, and nothing was touched: systemctl stop {told['unit']}, then restore again")
    if not told["database"]:
        sys.exit(
            f"maubot's database is PostgreSQL, and nothing was touched: pg_restore --clean {source}/bot.dump first"
        )
    if not (source / "bot.db").is_file():
        sys.exit(f"{source} is no backup, and nothing was touched")
    owner = pwd.getpwnam("maubot")
    pairs = [(source / "bot.db", pathlib.Path(told["database"]))]
    pairs += [
        (path, pathlib.Path(told["instance_databases"], path.name)) for path in sorted((source / "dbs").glob("*.db"))
    ]
    aside = f".before-{time.strftime('%Y-%m-%dT%H%M%S')}"
    for old, target in pairs:
        for suffix in ("", "-wal", "-shm"):
            there = target.with_name(target.name + suffix)
            if there.exists():
                there.replace(there.with_name(there.name + aside))
        copied(old, target)
        os.chown(target, owner.pw_uid, owner.pw_gid)
        print(f"restored {target}")
    print(f"what was there before ends in {aside}; now: systemctl start {told['unit']}")


if __name__ == "__main__":
    told = json.loads(pathlib.Path(sys.argv[2]).read_text())
    if sys.argv[1] == "backup":
        backup(told)
    else:
        restore(told, pathlib.Path(sys.argv[3]))
