"""Another major version of PostgreSQL: a dump before the container is touched, and the data back afterwards."""

from __future__ import annotations

import shlex

from config.systems.core import Core, postgres_major, postgres_mount


def client_command(core: Core, program: str, *words: str) -> str:
    """Return a program of PostgreSQL's, run inside the container on the application's database."""
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
    dump = client_command(core, "pg_dump", "--clean", "--if-exists", "--file")
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
    restore = client_command(core, "psql", *words)
    return f"""\
set -eu
container={core.name}-postgres
docker exec "$container" test -e {file} || {{ echo "nothing to restore"; exit 0; }}
docker exec "$container" sh -euc '{restore} >/dev/null; mv {file} {file}.restored'
docker start {core.name}-backend >/dev/null 2>&1 || true
echo "restored"
"""
