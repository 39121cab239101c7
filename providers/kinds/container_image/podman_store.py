"""One podman store on a machine: root's, or an account's own. Looking at it, and getting images into it.

Sources: podman-image-inspect(1), podman-save(1), podman-load(1), podman(1) on rootless mode; the file images.json of
containers/storage.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from providers.machine.session import Account, Completed, Session

NO_PODMAN = 127  # exit status, as all of these
NO_STORE = 125
NO_RUNTIME = 124
NOT_GIVEN, NOT_TAKEN, NOT_NAMED = 101, 102, 103
"""Statuses of a hand-over: the image could not be read, not be loaded, or the archive does not say what it holds."""
_PODMAN = f"""
export LC_ALL=C.UTF-8 PODMAN_IGNORE_CGROUPSV1_WARNING=1
command -v podman > /dev/null || exit {NO_PODMAN}
"""
# podman makes its store when it is first asked, and a look must change nothing: where there is no store, there is no
# image. Without a runtime directory, so where the account neither lingers nor is logged in, podman gives up.
_INSPECT = f"""{_PODMAN}
[ "$(id -u)" = 0 ] && store=/var/lib/containers/storage || store=$HOME/.local/share/containers/storage
for made in "$store" "$HOME/.config/containers/storage.conf" /etc/containers/storage.conf; do
    [ ! -e "$made" ] || break
done
[ -e "$made" ] || exit {NO_STORE}
[ "$(id -u)" = 0 ] || [ -w "$XDG_RUNTIME_DIR" ] || exit {NO_RUNTIME}
pause=$XDG_RUNTIME_DIR/libpod/tmp/pause.pid
[ "$(id -u)" = 0 ] || {{ [ -s "$pause" ] && kill -0 "$(cat "$pause")" 2> /dev/null; }} || new=1
podman image inspect --format "{{{{.Id}}}} {{{{.Digest}}}}" "$name"
status=$?
# Asked as an account, podman leaves a process that keeps its user namespace: whoever looks leaves nothing behind.
if [ "${{new:-}}" = 1 ] && [ -s "$pause" ]; then kill "$(cat "$pause")" 2> /dev/null && rm -f "$pause"; fi
exit $status
"""
_PULL = f'{_PODMAN}exec podman pull --quiet "$name"\n'
_TAG = f'{_PODMAN}exec podman tag "$image" "$name"\n'
_REMOVE = f'{_PODMAN}exec podman image rm "$name"\n'
# A pipe, not a file: nothing lies about that another account could read or exchange. Each side runs with its account's
# rights alone. The status of a pipe is that of its last command, so the first one's is kept in a file.
_HAND_OVER = f"""{_PODMAN}
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' HUP INT TERM
cd /
as() {{
    account=$1; shift
    if [ "$account" = root ]; then "$@"; return; fi
    runtime=/run/user/$(id -u "$account")
    setpriv --reuid="$account" --regid="$(id -g "$account")" --init-groups --reset-env \\
        env "PATH=$PATH" LC_ALL=C.UTF-8 PODMAN_IGNORE_CGROUPSV1_WARNING=1 "XDG_RUNTIME_DIR=$runtime" \\
        "DBUS_SESSION_BUS_ADDRESS=unix:path=$runtime/bus" "$@"
}}
give() {{
    case $source in
        archive:*) cat "${{source#archive:}}" ;;
        *) as "${{source#user:}}" podman save --format docker-archive "$name" ;;
    esac
}}
as "$to" podman images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' > "$folder/before"
{{ give 2> "$folder/given"; echo $? > "$folder/status"; }} | as "$to" podman load > "$folder/loaded" 2> "$folder/taken"
taken=$?
if [ "$(cat "$folder/status")" != 0 ]; then cat "$folder/given" >&2; exit {NOT_GIVEN}; fi
if [ "$taken" != 0 ]; then cat "$folder/taken" >&2; exit {NOT_TAKEN}; fi
as "$to" podman image exists "$name" && exit 0
# An archive may hold the image under another name: it gets the one that is wished for, and loses one that is new.
other=$(sed -n 's/^Loaded image: //p' "$folder/loaded" | head -n 1)
[ -n "$other" ] || exit {NOT_NAMED}
as "$to" podman tag "$other" "$name" || exit {NOT_TAKEN}
case $other in sha256:*) exit 0 ;; esac
grep -qxF "$other" "$folder/before" || as "$to" podman untag "$other" "$other" || exit {NOT_TAKEN}
"""

# podman leaves a process that keeps its user namespace. Whoever logs in meanwhile keeps the directory.
_END_RUNTIME = """
systemctl is-active --quiet "user@$uid.service" && exit 0
kill "$(cat "/run/user/$uid/libpod/tmp/pause.pid")"
systemctl stop "user-runtime-dir@$uid.service"
"""


def find_image(images: str, name: str) -> tuple[str, str] | None:
    """Return (id, digest) of the image of that name, from the text of a store's images.json."""
    wanted = {name} if re.search(r"[:@][^/]+$", name) else {f"{name}:latest"}
    if "@" in name:
        plain, _, digest = name.partition("@")
        wanted.add(f"{re.sub(r':[^/:]+$', '', plain)}@{digest}")
    found: list[dict[str, Any]] = json.loads(images or "[]")
    for image in found:
        if wanted & set(image.get("names") or ()):
            return str(image["id"]), str(image.get("digest", ""))
    return None


class Store:
    """The podman store of `user`, or of root."""

    def __init__(self, session: Session, user: str | None) -> None:
        self._session = session
        self._user = user

    async def inspect(self, name: str) -> tuple[str, str] | Completed | None:
        """Return (id, digest) of an image; None where it is not there; what podman said where it could not tell."""
        account = None
        if self._user is not None:
            account = await self._session.account(self._user)
            if account is None:
                return None
        done = await self._run(_INSPECT, name)
        if done.ok:
            image_id, _, digest = done.stdout.strip().partition(" ")
            return image_id, digest
        if done.status == NO_PODMAN or (done.status == NO_STORE and not done.stderr.strip()):
            return None
        if re.search(r"image not known|no such image|failed to find image|unable to find", done.stderr):
            return None
        images = await self._images(account)
        if images is None:
            return None if done.status == NO_RUNTIME else done
        return find_image(images, name)

    async def pull(self, name: str) -> Completed:
        async with self._runtime(self._user):
            return await self._run(_PULL, name)

    async def tag(self, image_id: str, name: str) -> Completed:
        """Give an image that is there a name, which may be another's."""
        async with self._runtime(self._user):
            return await self._run(f"image={shlex.quote(image_id)}\n{_TAG}", name)

    async def remove(self, name: str) -> Completed:
        async with self._runtime(self._user):
            return await self._run(_REMOVE, name)

    async def load(self, name: str, source: str) -> Completed:
        """Hand an image over from `user:NAME` or `archive:/path`."""
        settings = {"name": name, "source": source, "to": self._user or "root"}
        lines = "\n".join(f"{key}={shlex.quote(value)}" for key, value in settings.items())
        origin = source.removeprefix("user:") if source.startswith("user:") else None
        async with self._runtime(self._user), self._runtime(origin):
            return await self._session.run("sh", script=f"{lines}\n{_HAND_OVER}", check=False)

    async def _run(self, script: str, name: str) -> Completed:
        text = f"name={shlex.quote(name)}\n{script}"
        return await self._session.run("sh", script=text, user=self._user, check=False)

    async def _images(self, account: Account | None) -> str | None:
        """Return the store's own list of images, where podman can't be asked for it."""
        store = f"{account.home}/.local/share/containers/storage" if account else "/var/lib/containers/storage"
        found = await self._session.stat(f"{store}/overlay-images/images.json", content=True)
        return None if found is None else (found.content or b"").decode(errors="replace")

    @asynccontextmanager
    async def _runtime(self, user: str | None) -> AsyncGenerator[None]:
        """Yield an account's runtime directory, for as long as podman needs it, where the account is not logged in."""
        account = None if user in (None, "root") else await self._session.account(str(user))
        if account is None or await self._session.stat(f"/run/user/{account.uid}") is not None:
            yield
            return
        # Only the directory: the account's service manager would start what else it has enabled.
        await self._session.run("systemctl", "start", f"user-runtime-dir@{account.uid}.service")
        try:
            yield
        finally:
            await self._session.run("sh", script=f"uid={account.uid}\n{_END_RUNTIME}", check=False)
