"""Shell texts of the SecondBrain host: prerequisites, and the old user's containers. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from components.blocks.quadlet import Form

PACKAGES = (
    "podman",
    "uidmap",  # newuidmap and newgidmap: rootless containers have users of their own
    "dbus-user-session",  # the account's own systemd answers podman
    "systemd-container",  # machinectl
)
"""What Debian needs for rootless containers under Quadlet in any case; podman first."""
HELPERS = {
    Form.POD: {"network": "passt", "group": "catatonit"},
    Form.NETWORK: {"network": "slirp4netns", "group": "aardvark-dns"},
}
"""What podman uses beside: for the way out of a rootless container; and for the process that holds a pod together, or
for names in a network."""
COMMANDS = ("podman", "systemctl", "loginctl", "machinectl", "newuidmap")


def require_script(commands: Iterable[str], packages: Iterable[str]) -> tuple[str, str]:
    """Return (apply, check) that change nothing: check holds where every command is there, apply names the missing."""
    names = " ".join(shlex.quote(command) for command in commands)
    loop = (
        f'missing=""\nfor command in {names}; do\n'
        '  command -v "$command" >/dev/null || missing="$missing $command"\ndone\n'
    )
    apply = (
        f'{loop}[ -z "$missing" ] && exit 0\n'
        f'echo "missing on this machine:$missing" >&2\n'
        f'echo "install them (apt-get install {" ".join(packages)}), or set prerequisites: install" >&2\nexit 1\n'
    )
    return apply, f'{loop}[ -z "$missing" ]\n'


def _list(containers: Iterable[str]) -> str:
    return " ".join(shlex.quote(container) for container in containers)


def stop_old(containers: Iterable[str]) -> tuple[str, str, str]:
    """Return (apply, check, undo) for the old user: stop containers; undo starts those that are still there."""
    names = _list(containers)
    each = f'for name in {names}; do\n  podman container exists "$name" || continue\n'
    check = (
        f'{each}  [ "$(podman container inspect --format "{{{{.State.Running}}}}" "$name")" = false ] || exit 1\ndone\n'
    )
    return f'set -eu\n{each}  podman stop "$name"\ndone\n', check, f'set -eu\n{each}  podman start "$name"\ndone\n'


def remove_old(containers: Iterable[str], image: str | None) -> tuple[str, str]:
    """Return (apply, check) for the old user: remove containers, and `image` if it is given. There is no way back."""
    names = _list(containers)
    apply = f'set -eu\nfor name in {names}; do\n  podman rm --force --ignore "$name"\ndone\n'
    check = f'for name in {names}; do\n  podman container exists "$name" && exit 1\ndone\n'
    if image is not None:
        quoted = shlex.quote(image)
        apply += f"if podman image exists {quoted}; then podman rmi {quoted}; fi\n"
        check += f"podman image exists {quoted} && exit 1\n"
    return apply, f"{check}exit 0\n"
