#!/bin/bash
# Runs the application's tests in an environment of its own. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=/dev/null
source ../../packages.sh

# Where it may, install what the tests need; where it may not, they are skipped and say so (and fail where CI=true).
missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
[ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null || missing+=(pgbouncer)
install_packages todo-backend "${missing[@]}"

# The environment is made anew when the lock changes.
wanted=$(sha256sum requirements-dev.lock)
if [ "$(cat .venv/lock 2>/dev/null)" != "$wanted" ]; then
    echo "todo-backend: making .venv"
    python3 -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
    echo "$wanted" > .venv/lock
fi
exec .venv/bin/python -m pytest "$@"
