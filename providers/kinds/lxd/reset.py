"""Taking a daemon back to how it was installed: nothing of a cluster, no bridge, no rule, no mount of it is left.

Source: lxd 5.0.2 of Debian 13: its units, `lxd shutdown`, the folders networks/ and the mounts that it makes [run].
"""

from __future__ import annotations

from providers.kinds.lxd.daemons import About
from providers.machine.session import Session

_RESET = """
set -u
state={state}
case $state in /var/lib/?*) ;; *) echo "not a folder of LXD's: $state" >&2; exit 1 ;; esac
systemctl stop {units} 2>/dev/null
# Its name servers outlive it. One process each, by the number that it noted itself.
for file in "$state"/networks/*/dnsmasq.pid "$state"/networks/*/forkdns.pid; do
    [ -e "$file" ] || continue
    process=$(sed -n 's/^pid: *//p; /^[0-9][0-9]*$/p' "$file" | head -n 1)
    case $(tr '\\000' ' ' <"/proc/$process/cmdline" 2>/dev/null) in *"$state"*) kill "$process" ;; esac
done
# Its bridges and the tunnels in them, by the folders that it has for them.
for folder in "$state"/networks/*/; do
    name=${{folder%/}}; name=${{name##*/}}
    [ -d "/sys/class/net/$name/bridge" ] || continue
    for port in /sys/class/net/"$name"/brif/*; do
        case ${{port##*/}} in "$name"-*) ip link delete "${{port##*/}}" ;; esac
    done
    ip link delete "$name"
done
if command -v nft >/dev/null; then
    for family in inet ip ip6 bridge; do
        for table in {tables}; do nft delete table "$family" "$table" 2>/dev/null; done
    done
fi
awk -v below="$state/" 'index($2, below) == 1 {{ print $2 }}' /proc/mounts | sort -r | while read -r place; do
    umount -l "$place"
done
find "$state" -mindepth 1 -delete 2>/dev/null
systemctl reset-failed {units} 2>/dev/null
[ -z "$(ls -A "$state" 2>/dev/null)" ]
"""


async def reset(session: Session, about: About, *, start: bool) -> None:
    """Stop the daemon and everything that it started, and empty its folder; with `start`, start it anew."""
    text = _RESET.format(state=about.state, units=" ".join(about.units), tables=" ".join(about.tables))
    await session.run("sh", script=text, timeout=120)
    if start:
        await session.run(
            "systemctl", "start", *(unit for unit in about.units if unit.endswith(".socket")), about.start
        )
