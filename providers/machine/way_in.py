"""Our own way to a machine: which account logs in, through which service, port and interface.

What would close it is refused before it is done: nobody can open it again from here. Source of the facts: the processes
above the worker (proc(5)), and what sshd tells its children (SSH_CONNECTION, ssh(1)).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from providers.errors import InvalidInput
from providers.machine.session import Session
from toolchain.lines import lines_in

ALLOW = "allow_lockout"
SSH_UNITS = frozenset({"ssh.service", "ssh.socket", "sshd.service", "sshd.socket", "dropbear.service"})
NETWORK_UNITS = frozenset(
    {
        "networking.service",
        "systemd-networkd.service",
        "systemd-networkd.socket",
        "NetworkManager.service",
        "network.service",
        "connman.service",
        "dhcpcd.service",
        "wpa_supplicant.service",
        "iwd.service",
        "wicked.service",
        "ModemManager.service",
    }
)
_LOOK = """
pid=$$ child= account=
while [ "$pid" -gt 1 ] && [ -r "/proc/$pid/comm" ]; do
    read -r name < "/proc/$pid/comm"
    case $name in sshd*|dropbear*)
        if [ -z "$account" ]; then
            number=$(sed -n 's/^Uid:[[:space:]]*\\([0-9]*\\).*/\\1/p' "/proc/$pid/status")
            account=$(getent passwd "$number" | cut -d: -f1)
            echo "account $account"
            [ -z "$child" ] || tr '\\0' '\\n' < "/proc/$child/environ" | sed -n 's/^SSH_CONNECTION=/connection /p'
        fi
        sed -n 's|.*/\\([^/]*\\.service\\)$|unit \\1|p' "/proc/$pid/cgroup" | sort -u
    esac
    child=$pid
    pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
done
"""
_INTERFACE = "ip -o address show to \"$address\" | sed 's/^[0-9]*: *//; s/[ @].*//' | head -n 1\n"
# In a mount namespace of its own, where the changed file lies over the real one, the account asks for what we need.
_TRY = """
new=$(mktemp)
trap 'rm -f "$new"' EXIT
cat > "$new"
chmod --reference="$path" "$new"; chown --reference="$path" "$new"
export new path account
unshare --mount sh -eu -c '
    mount --make-rprivate / && mount --bind "$new" "$path" || exit 77
    exec setpriv --reuid="$account" --regid="$(id -g "$account")" --init-groups --reset-env sudo -n true
' || exit $?
"""


@dataclass(frozen=True)
class WayIn:
    """How this very connection comes to the machine. All is empty where it does not come by SSH."""

    account: str = ""
    port: int | None = None
    interface: str = ""
    units: frozenset[str] = frozenset()
    """The services that the SSH server runs in, as far as the processes tell."""

    def is_part(self, names: set[str]) -> bool:
        """Return whether the unit that has these names (its own and its aliases) carries the way."""
        stems = {name.rpartition(".")[0] for name in names}
        named = bool(self.interface) and any(stem.partition("@")[2] == self.interface for stem in stems)
        return named or bool(names & (self.units | SSH_UNITS | NETWORK_UNITS))


async def way_in(session: Session) -> WayIn:
    """Return how we come in. One round trip, and another for the interface."""
    done = await session.run("sh", script=_LOOK, check=False)
    account, connection, units = "", list[str](), set[str]()
    for line in lines_in(done.stdout):
        key, _, value = line.partition(" ")
        if key == "account":
            account = value
        elif key == "connection":
            connection = value.split()
        elif key == "unit" and not value.startswith("user@"):
            units.add(value)
    if len(connection) != 4:
        return WayIn(account, None, "", frozenset(units))
    script = f"address={shlex.quote(connection[2])}\n{_INTERFACE}"
    found = await session.run("sh", script=script, check=False)
    return WayIn(account, int(connection[3]), found.stdout.strip(), frozenset(units))


async def still_root(session: Session, account: str, path: str, text: bytes) -> bool:
    """Return whether `account` may still become root without a password once `path` holds `text`.

    Where a machine has no mount namespaces to try it in, the answer is yes: it can't be told.
    """
    settings = f"path={shlex.quote(path)} account={shlex.quote(account)}\n"
    done = await session.run("sh", "-eu", stdin=text, script=f"{settings}{_TRY}", check=False)
    return done.status != 1


def refusal(session: Session, what: str, why: str) -> InvalidInput:
    """Return what to raise for a wish that would close the way in: `what` is wished for, and `why` it would."""
    return InvalidInput(
        f"{what} on {session.machine} would close our own way in: {why}. Nothing was changed",
        remedy=f"let hearth:hosts log in another way first; or set {ALLOW} where it is meant so",
    )
