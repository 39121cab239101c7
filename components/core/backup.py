"""The nightly dump: a program on the machine, and the two units that run it."""

from __future__ import annotations

import shlex

from components.core.upgrade import client_command
from config.systems.core import Core


def backup_script(core: Core) -> str:
    """Return the program that the nightly timer runs on the machine."""
    backup = core.backup
    dump = client_command(core, "pg_dump", "--format=custom")
    restore = client_command(core, "pg_restore", "--clean", "--if-exists", "--single-transaction")
    return f"""\
#!/bin/sh
# Dumps the database of {core.name}, and keeps the newest {backup.keep} dumps. To restore one:
#   docker stop {core.name}-backend
#   docker exec -i {core.name}-postgres {restore} < FILE
#   docker start {core.name}-backend
set -eu
umask 077
folder={shlex.quote(str(backup.folder))}
file="$folder/{core.name}-$(date +%Y-%m-%dT%H-%M-%S).dump"
rm -f "$folder"/*.part
docker exec {core.name}-postgres {dump} > "$file.part"
mv "$file.part" "$file"
ls -1 "$folder"/{core.name}-*.dump | sort -r | tail -n +{backup.keep + 1} | while read -r old; do rm -- "$old"; done
echo "dumped to $file"
"""


def restore_scripts(core: Core, source: str) -> tuple[str, str]:
    """Return (apply, check), run once the database is healthy: a dump for a database that has no table yet.

    The check holds where there is a table, and where the database can't be asked: then there is nothing to fill. Dumps
    of Hearth's own have names that sort by time. A dump that can't be read whole changes nothing.
    """
    count = client_command(core, "psql", "--no-psqlrc", "-Atc", "SELECT count(*) FROM pg_stat_user_tables")
    restore = client_command(core, "pg_restore", "--exit-on-error", "--no-owner", "--single-transaction")
    container = f"{core.name}-postgres"
    check = f'tables=$(docker exec {container} {count} </dev/null 2>/dev/null) || exit 0\n[ "$tables" != 0 ]\n'
    apply = f"""\
set -eu
source={shlex.quote(source)}
if [ -d "$source" ]; then
    dump=$(find "$source" -maxdepth 1 -type f -name '*.dump' | LC_ALL=C sort | tail -n 1)
else
    dump=$source
fi
if [ ! -f "$dump" ]; then
    echo "there is no dump at $source, so the new database stays empty and nothing was started on it" >&2
    echo "copy one there, or take backup.restore-from out of the settings" >&2
    exit 1
fi
docker exec -i {container} {restore} < "$dump"
echo "restored $dump"
"""
    return apply, check


def backup_units(core: Core, program: str) -> dict[str, str]:
    """Return the two units of the nightly dump, by name."""
    name = f"{core.name}-backup"
    service = f"""\
[Unit]
Description=Dump the database of {core.name}
Requires=docker.service
After=docker.service

[Service]
Type=oneshot
ExecStart={program}
"""
    timer = f"""\
[Unit]
Description=Dump the database of {core.name} each night

[Timer]
OnCalendar=*-*-* {core.backup.at}:00
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{name}.service": service, f"{name}.timer": timer}
