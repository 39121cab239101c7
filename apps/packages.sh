#!/bin/bash
# Sourced by the applications' test.sh: installs Debian packages, where that may be done, and makes .venv.

install_packages() { # NAME PACKAGE...
    local name=$1
    shift
    if [ $# -eq 0 ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        # What is missing still is skipped, and says so (and fails where CI=true).
        return
    fi
    echo "$name: installing $*"
    # Only PostgreSQL's programs are wanted: no cluster of the machine's own, and no service.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/no-main.conf
    # One at a time: the applications' tests run side by side, and apt does not wait for itself.
    flock /etc/postgresql-common/createcluster.d/no-main.conf env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get -q update >/dev/null && apt-get -q -y install --no-install-recommends "$@" >/dev/null' install "$@"
}

make_environment() { # NAME [LOCK]
    local lock=${2:-requirements-dev.lock} wanted
    wanted=$(sha256sum "$lock")
    # Made anew when the lock changes.
    if [ "$(cat .venv/lock 2>/dev/null)" != "$wanted" ]; then
        echo "$1: making .venv"
        # uv takes seconds, and needs no pip in there; where the project's own environment was not made, pip does it.
        local uv=${BASH_SOURCE[0]%/*}/../.venv/bin/uv
        if [ -x "$uv" ]; then
            "$uv" venv --quiet --clear --no-project --python python3 .venv
            "$uv" pip install --quiet --python .venv/bin/python --require-hashes -r "$lock"
        else
            python3 -m venv --clear .venv
            .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
        fi
        echo "$wanted" > .venv/lock
    fi
}
