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
