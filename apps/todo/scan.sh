#!/bin/bash
# What is in the images, and what of it is known to be vulnerable. Arguments: a folder for the bills of materials.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
source "$here/../packages.sh"
(cd "$here/scan" && make_environment scan requirements.lock >/dev/null)
exec "$here/scan/.venv/bin/python" "$here/scan/scan.py" "$@"
