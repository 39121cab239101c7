#!/bin/bash
# Runs the application's tests in an environment of its own. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"

# Where it may, install what the tests need; where it may not, they are skipped and say so (and fail where CI=true).
missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)

if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "todo-backend: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update >/dev/null
    # Only the programs are wanted: no cluster of the machine's own, and no service.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/no-main.conf
    apt-get -q -y install --no-install-recommends "${missing[@]}" >/dev/null
fi

# The environment is made anew when the lock changes.
wanted=$(sha256sum requirements-dev.lock)
if [ "$(cat .venv/lock 2>/dev/null)" != "$wanted" ]; then
    echo "todo-backend: making .venv"
    python3 -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
    echo "$wanted" > .venv/lock
fi
exec .venv/bin/python -m pytest "$@"
