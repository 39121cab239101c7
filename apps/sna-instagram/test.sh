#!/bin/bash
# Runs the plugin's tests in an environment of its own. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=/dev/null
source ../packages.sh

make_environment sna-instagram
exec .venv/bin/python -m pytest "$@"
