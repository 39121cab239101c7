"""A card's driver within a virtual machine: texts that LXD's client runs there. Pure functions.

Sources: Debian wiki NvidiaGraphicsDrivers (non-free, headers of the running kernel, nouveau until the next boot);
apt-get(8); LXD documentation (run commands in an instance).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from providers.kinds.lxd.daemons import ABOUT, Daemon

SOURCE = "/etc/apt/sources.list.d/hearth-non-free.sources"
AGENT_SECONDS = 300
"""Seconds that a virtual machine may take until commands run in it again after a restart."""
# `$@` are the packages.
_INSTALL = f"""set -eu
export DEBIAN_FRONTEND=noninteractive
. /etc/os-release
apt-get update -q
if [ "$ID" = debian ] && ! apt-cache show "$1" > /dev/null 2>&1; then
    # NVIDIA's driver is in none of the parts that Debian's images have. It comes from where the rest does.
    archive=$(apt-cache policy | awk -v part="$VERSION_CODENAME/main" '$3 == part {{ print $2; exit }}')
    [ -n "$archive" ] || {{ echo "apt knows no archive of Debian $VERSION_CODENAME to take $1 from" >&2; exit 1; }}
    printf '%s\\n' 'Types: deb' "URIs: $archive" "Suites: $VERSION_CODENAME" \\
        'Components: contrib non-free non-free-firmware' \\
        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' > {SOURCE}
    apt-get update -q
fi
apt-get install -y -q "linux-headers-$(uname -r)" "$@"
"""


def _words(daemon: Daemon, instance: str, *command: str) -> str:
    return shlex.join([ABOUT[daemon].client, "exec", instance, "--", *command])


def check(daemon: Daemon, instance: str, packages: Sequence[str]) -> str:
    """Return a text that ends with 0 where an instance has every package; one that does not run has none."""
    asked = _words(daemon, instance, "dpkg-query", "--show", "--showformat", "${db:Status-Status}\\n", *packages)
    return f'export HOME=/root\nfound=$({asked} < /dev/null) || exit 1\n[ "$(echo "$found" | sort -u)" = installed ]\n'


def install(daemon: Daemon, instance: str, packages: Sequence[str]) -> str:
    """Return a text that installs packages in an instance, and restarts it where nouveau has the card until then."""
    wait = _words(daemon, instance, "true")
    return f"""set -eu
export HOME=/root
{_words(daemon, instance, "sh", "-s", "--", *packages)} <<'HEARTH'
{_INSTALL}HEARTH
if {_words(daemon, instance, "test", "-d", "/sys/module/nouveau")} < /dev/null; then
    {shlex.join([ABOUT[daemon].client, "restart", instance])}
    tries=0
    until {wait} < /dev/null 2> /dev/null; do
        tries=$((tries + 1))
        [ $tries -lt {AGENT_SECONDS // 2} ] || {{ echo "{instance} does not answer after its restart" >&2; exit 1; }}
        sleep 2
    done
fi
"""
