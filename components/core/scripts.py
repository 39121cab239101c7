"""Texts and figures that the core stack is made from: pure functions, apart from the component that uses them."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path

from components.blocks.build_context import MAIL_ASSISTANT
from config.hosts import Machines
from config.systems.core import Core, postgres_major, postgres_mount

MEMORY_CHECK = """\
[ "$(docker info --format '{{.MemoryLimit}}')" = true ]
"""
MEMORY_REFUSAL = """\
command -v docker >/dev/null || {
    echo "Docker is not installed, and the containers need it: install docker.io (or docker-ce)" >&2
    exit 1
}
docker info >/dev/null 2>&1 || { echo "Docker does not answer: systemctl start docker" >&2; exit 1; }
for file in /boot/firmware/cmdline.txt /boot/cmdline.txt; do [ -e "$file" ] && break; done
echo "The kernel has no memory control groups, so the containers' memory limits would be ignored." >&2
echo "Add this to the one line of $file (elsewhere: to GRUB_CMDLINE_LINUX), then restart the machine:" >&2
echo "cgroup_enable=memory cgroup_memory=1" >&2
exit 1
"""
"""A stock Raspberry Pi OS is so, and nothing mends it but a boot: what is run where the check fails only says it."""


def duration(seconds: int) -> str:
    """A time as Go writes it, `1m0s` for 60: Docker's provider reads it back so, and another form would be drift."""
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if seconds >= 60 else "") + f"{seconds % 60}s"


def _from_project(path: Path, project: Path | None) -> str:
    """A path as seen from the project's folder, where Pulumi runs commands: the same in every clone."""
    return os.path.relpath(path, project or Path.cwd())


def ssh_options(machines: Machines, project: Path | None = None) -> list[str]:
    """Options for ssh, for the Docker provider and for commands: the user's own configuration decides the rest.

    What ssh reads by itself is not named, so that nothing differs between two people's homes.
    """
    configuration = machines.ssh_config_file(project)
    own = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh" / "config"
    named = configuration.exists() and configuration != own
    return ["-o", "BatchMode=yes", *(["-F", _from_project(configuration, project)] if named else [])]


def docker_host(machines: Machines, name: str) -> str:
    """The address of a machine's Docker, as the Docker provider wants it."""
    host, address = machines.hosts[name], machines.address(name)
    user = f"{host.user}@" if host.user else ""
    port = f":{host.port}" if host.port else ""
    return f"ssh://{user}{f'[{address}]' if ':' in address else address}{port}"


def ssh_command(machines: Machines, name: str, command: str, project: Path | None = None) -> str:
    """A shell command here that runs `command` there."""
    host = machines.hosts[name]
    words = ["ssh", *ssh_options(machines, project)]
    words += ["-p", str(host.port)] if host.port else []
    words += ["-l", host.user] if host.user else []
    return shlex.join([*words, machines.address(name), command])


def build_command(machines: Machines, name: str, tag: str, project: Path | None = None) -> str:
    """A shell command here that builds the image there, from files sent on stdin."""
    context = MAIL_ASSISTANT
    build = f"docker build --quiet --tag {tag} --file {context.dockerfile} -"
    remote = f"docker image inspect {tag} >/dev/null 2>&1 && cat >/dev/null || {build}"
    folder = context.seen_from(project or Path.cwd())
    sent = shlex.join(["tar", "--create", "--exclude=__pycache__", "--directory", folder, *context.parts])
    return f"{sent} | {ssh_command(machines, name, remote, project)}"


def _pg(core: Core, program: str, *words: str) -> str:
    return shlex.join([program, "-U", core.postgres.user, "-d", core.postgres.database, *words])


def _dump_file(core: Core) -> str:
    return f"{postgres_mount(core.postgres.image)}/upgrade-to-{postgres_major(core.postgres.image)}.sql"


def dump_before_upgrade(core: Core) -> str:
    """Run on the machine before its database's container is touched: a dump, if another major version runs there.

    The dump goes into the data's own volume, which the next version sees too and destroy leaves. The backend is
    stopped first: what it wrote after the dump would be lost. A dump that fails stops everything.

    It is plain SQL: an older pg_restore can't read a newer archive, so there would be no way back. One line at the
    dump's head is taken out for the same reason: versions before 17 do not know that setting.
    """
    major = postgres_major(core.postgres.image)
    dump = _pg(core, "pg_dump", "--clean", "--if-exists", "--file")
    lines = "1,40{/^SET transaction_timeout = 0;$/d}"
    return f"""\
set -eu
container={core.name}-postgres
docker inspect "$container" >/dev/null 2>&1 || {{ echo "no database yet"; exit 0; }}
variables=$(docker inspect --format '{{{{range .Config.Env}}}}{{{{println .}}}}{{{{end}}}}' "$container")
running=$(printf '%s\\n' "$variables" | sed -n 's/^PG_MAJOR=//p')
[ "$running" != "{major}" ] || {{ echo "the database is of version {major} already"; exit 0; }}
mounts=$(docker inspect --format '{{{{range .Mounts}}}}{{{{println .Name .Destination}}}}{{{{end}}}}' "$container")
folder=$(printf '%s\\n' "$mounts" | sed -n 's/^{core.name}_postgres_data //p')
docker stop {core.name}-backend >/dev/null 2>&1 || true
docker exec "$container" sh -euc 'umask 077; {dump} "$0.part"; sed -i "$1" "$0.part"; mv "$0.part" "$0"' \
    "$folder/upgrade-to-{major}.sql" '{lines}'
echo "dumped version $running for version {major}"
"""


def restore_after_upgrade(core: Core) -> str:
    """Run on the machine once the database's container is healthy: restores the dump of the version before, once."""
    file = _dump_file(core)
    words = ("--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction", f"--file={file}")
    restore = _pg(core, "psql", *words)
    return f"""\
set -eu
container={core.name}-postgres
docker exec "$container" test -e {file} || {{ echo "nothing to restore"; exit 0; }}
docker exec "$container" sh -euc '{restore} >/dev/null; mv {file} {file}.restored'
docker start {core.name}-backend >/dev/null 2>&1 || true
echo "restored"
"""


def backup_script(core: Core) -> str:
    """The program that the nightly timer runs on the machine."""
    backup = core.backup
    dump = _pg(core, "pg_dump", "--format=custom")
    restore = _pg(core, "pg_restore", "--clean", "--if-exists", "--single-transaction")
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
    """The two units of the nightly dump, by name."""
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
