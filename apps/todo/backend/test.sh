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

make_environment todo-backend
exec .venv/bin/python -m pytest "$@"
