#!/bin/bash
# Runs the application's tests in an environment of its own. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=/dev/null
source ../packages.sh

# Where it may, install what the tests need; where it may not, they are skipped and say so (and fail where CI=true).
missing=()
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing+=(chromium fonts-dejavu-core)
install_packages mail-assistant "${missing[@]}"

make_environment mail-assistant
exec .venv/bin/python -m pytest "$@"
