#!/bin/bash
# Runs the plugin's tests in an environment of its own. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"

# The environment is made anew when the lock changes: by uv, which takes seconds, where the project has it.
wanted=$(sha256sum requirements-dev.lock)
if [ "$(cat .venv/lock 2>/dev/null)" != "$wanted" ]; then
    echo "sna-instagram: making .venv"
    python3 -m venv --clear .venv
    if [ -x ../../.venv/bin/uv ]; then
        ../../.venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes requirements-dev.lock
    else
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
    fi
    echo "$wanted" > .venv/lock
fi
exec .venv/bin/python -m pytest "$@"
