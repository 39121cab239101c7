"""Runs on the machine: `backup.py backup TOLD.json`, `backup.py restore TOLD.json FOLDER`. Standard library only.

Python 3.8 or later runs it, as all that runs on a machine.
`backup.py begin TOLD.json FOLDER` restores only where maubot has no database yet; `backup.py begun TOLD.json` ends with
0 where it has one. FOLDER is a backup, or holds several, of which the newest is taken.

A backup is a folder of its own: maubot's database and those of the instances, copied by SQLite's own API while they are
in use and then tested, and the configuration. With PostgreSQL, maubot's database comes from pg_dump. A restore wants
maubot stopped, and puts what was there aside; PostgreSQL's comes back in one transaction, all of it or nothing.
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
from urllib.parse import parse_qsl, unquote, urlsplit

SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d{6}")


def copied(source, target):
    """Copy a SQLite database, whole, as it is at one moment. Raises sqlite3.Error."""
    opened = contextlib.closing(sqlite3.connect(source, timeout=30))
    with opened as old, contextlib.closing(sqlite3.connect(target)) as new:
        old.backup(new)
        (told,) = new.execute("PRAGMA integrity_check").fetchone()
        if told != "ok":
            raise sqlite3.DatabaseError(f"{source}: {told}")
    target.chmod(0o600)


def database_url(config_file):
    """Return PostgreSQL's address in maubot's configuration."""
    pattern = r"""(?m)^ *"?database"?: *['"]?(postgres[^'"\n]+)"""  # on NixOS it is JSON
    found = re.search(pattern, pathlib.Path(config_file).read_text())
    return found[1] if found else None


def postgresql(told):
    """Return the environment in which PostgreSQL's programs find the database.

    They take a URL in an argument alone, where every user of the machine would see its password. Source: libpq,
    "Environment Variables" and "Connection URIs".
    """
    found = urlsplit(database_url(told["config_file"]))
    given = {
        "PGHOST": unquote(found.hostname or ""),
        "PGPORT": str(found.port or ""),
        "PGUSER": unquote(found.username or ""),
        "PGPASSWORD": unquote(found.password or ""),
        "PGDATABASE": unquote(found.path.lstrip("/")),
    }
    own = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    given |= {own.get(name, f"PG{name.upper()}"): value for name, value in parse_qsl(found.query)}
    return {**os.environ, **{name: value for name, value in given.items() if value}}


def backup(told):
    folder = pathlib.Path(told["backup"]["folder"])
    target = folder / (time.strftime("%Y-%m-%dT%H%M%S"))
    part = folder / (target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "dbs").mkdir(parents=True)
    if told["database"]:
        copied(told["database"], part / "bot.db")
    else:
        command = ["pg_dump", "--format=custom", f"--file={part / 'bot.dump'}"]
        subprocess.run(command, env=postgresql(told), check=True)
    for path in sorted(pathlib.Path(told["instance_databases"]).glob("*.db")):
        copied(path, part / "dbs" / path.name)
    shutil.copy(told["config_file"], part / "config.yaml")
    (part / "config.yaml").chmod(0o600)
    part.replace(target)
    for old in sorted(path for path in folder.iterdir() if SHAPE.fullmatch(path.name))[: -told["backup"]["keep"]]:
        shutil.rmtree(old)
    print(f"kept {target}")


def newest(source):
    """Return the backup at `source`, or the newest one in it."""
    if any((source / name).is_file() for name in ("bot.db", "bot.dump")):
        return source
    found = sorted(path for path in source.iterdir() if SHAPE.fullmatch(path.name)) if source.is_dir() else []
    if not found:
        sys.exit(f"there is no backup at {source}, and nothing was touched: copy one there, or name another place")
    return found[-1]


def has_tables(told):
    """Return whether PostgreSQL's database, that of the configuration, holds something. Raises CalledProcessError."""
    query = ["psql", "--no-psqlrc", "-Atc", "SELECT count(*) FROM pg_stat_user_tables"]
    found = subprocess.run(query, env=postgresql(told), check=True, stdout=subprocess.PIPE, text=True)
    return found.stdout.strip() != "0"


def begun(told):
    """Return whether maubot has a database already."""
    return pathlib.Path(told["database"]).exists() if told["database"] else has_tables(told)


def begin(told, source):
    if begun(told):
        return
    if told["database"]:
        restore(told, newest(source))
        return
    chosen = newest(source)
    put(of_instances(told, chosen))
    environment = postgresql(told)
    # Without --dbname it would write the dump out.
    command = ["pg_restore", "--exit-on-error", "--no-owner", "--single-transaction"]
    command += [f"--dbname={environment['PGDATABASE']}", str(chosen / "bot.dump")]
    subprocess.run(command, env=environment, check=True)
    print(f"restored {chosen / 'bot.dump'}")


def restore(told, source):
    active = subprocess.run(["systemctl", "is-active", "--quiet", told["unit"]], check=False).returncode == 0
    if active:
        sys.exit(f"{told['unit']} runs, and nothing was touched: systemctl stop {told['unit']}, then restore again")
    kept = source / ("bot.db" if told["database"] else "bot.dump")
    if not kept.is_file():
        sys.exit(f"{source} is no backup of this kind of database ({kept.name}), and nothing was touched")
    if told["database"]:
        put([*of_instances(told, source), (kept, pathlib.Path(told["database"]))])
    else:
        environment = postgresql(told)
        before = source.parent / f"bot.dump.before-{time.strftime('%Y-%m-%dT%H%M%S')}"
        subprocess.run(["pg_dump", "--format=custom", f"--file={before}"], env=environment, check=True)
        before.chmod(0o600)
        command = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--exit-on-error", "--single-transaction"]
        command += [f"--dbname={environment['PGDATABASE']}", str(kept)]
        subprocess.run(command, env=environment, check=True)
        print(f"restored {kept}; what was there before is in {before}")
        put(of_instances(told, source))
    print(f"now: systemctl start {told['unit']}")


def of_instances(told, source):
    return [
        (path, pathlib.Path(told["instance_databases"], path.name)) for path in sorted((source / "dbs").glob("*.db"))
    ]


def put(pairs):
    """Copy databases to their places, each whole or not at all, and put aside what was there.

    maubot's own comes last: a beginning that is cut short has not begun, and is begun again.
    """
    owner = pwd.getpwnam("maubot")
    aside = f".before-{time.strftime('%Y-%m-%dT%H%M%S')}"
    for old, target in pairs:
        for suffix in ("", "-wal", "-shm"):
            there = target.with_name(target.name + suffix)
            if there.exists():
                there.replace(there.with_name(there.name + aside))
        part = target.with_name(target.name + ".part")
        part.unlink(missing_ok=True)
        copied(old, part)
        os.chown(part, owner.pw_uid, owner.pw_gid)
        part.replace(target)
        print(f"restored {target}")
    print(f"what was there before, if anything, ends in {aside}")


if __name__ == "__main__":
    told = json.loads(pathlib.Path(sys.argv[2]).read_text())
    if sys.argv[1] == "backup":
        backup(told)
    elif sys.argv[1] == "begun":
        sys.exit(0 if begun(told) else 1)
    elif sys.argv[1] == "begin":
        begin(told, pathlib.Path(sys.argv[3]))
    else:
        restore(told, pathlib.Path(sys.argv[3]))
