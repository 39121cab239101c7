#!/bin/bash
# What is in the images, and what of it is known to be vulnerable. Arguments: a folder for the bills of materials.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
environment=$here/scan/.venv
wanted=$(sha256sum "$here/scan/requirements.lock")
if [ "$(cat "$environment/lock" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv --clear "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$here/scan/requirements.lock"
    echo "$wanted" > "$environment/lock"
fi
exec "$environment/bin/python" "$here/scan/scan.py" "$@"
