"""What a kind may do on a machine. The SSH session implements it; unit tests put a fake in its place.

Every call is one request to a long-lived worker on the machine, which answers requests in the order in which they were
sent. Calls awaited together with `asyncio.gather` therefore cost one round trip.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import httpx

FileType = Literal["file", "directory", "symlink", "other"]


def shown(text: str) -> str:
    r"""Return a text with all of it fit to be shown and sent: bytes that are no UTF-8 as `\xff`."""
    try:
        return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:  # half of a pair, as a program's own JSON may hold it
        return text.encode(errors="backslashreplace").decode()


def called(what: FileType) -> str:
    """Return the words for what is at a path, as `a link`."""
    return {"symlink": "a link", "other": "a pipe, socket or device"}.get(what, f"a {what}")


@dataclass(frozen=True)
class Stat:
    """What is at a path. `content` is there where it was asked for: a file's bytes, a link's target."""

    type: FileType
    mode: str
    """Four octal digits."""
    owner: str
    """User name, or the number where it has no name."""
    group: str
    size: int
    """Bytes."""
    content: bytes | None = None
    entries: tuple[str, ...] | None = None
    """Names in a directory, sorted, where they were asked for. Bytes that are no UTF-8 are as Python has them in names
    (surrogateescape): good for further calls, to be shown only by `shown`."""
    unreadable: str = ""
    """Why there is no `content`, where it was asked for and can't be had: too large, say."""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Extended attributes of a file by name, in base64, where the content was asked for: its access control list,
    capabilities and label among them."""
    modified: int | None = None
    """Nanoseconds since 1970: when the bytes of a file were last written."""


@dataclass(frozen=True)
class Completed:
    """A command that has ended."""

    status: int
    """Exit status; 128 + n for signal n; 127 where the command does not exist."""
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.status == 0


@dataclass(frozen=True)
class Account:
    """An entry of the password database."""

    name: str
    uid: int
    gid: int
    group: str
    """Name of the primary group."""
    groups: tuple[str, ...]
    """Names of the supplementary groups, sorted."""
    home: str
    shell: str
    gecos: str


class Session(Protocol):
    """One worker on one machine, acting as root."""

    @property
    def machine(self) -> str:
        """The machine's name in the settings, for messages."""
        ...

    def looking(self) -> Session:
        """Return the same session for looking: it changes nothing, and `observe` and `explain` have no other.

        What writes, makes or removes is refused, and what a command that runs as an account leaves behind is ended with
        it: podman's pause process would keep the account from ever being changed.
        """
        ...

    async def stat(
        self,
        path: str,
        *,
        content: bool = False,
        entries: bool = False,
        owner: str | None = None,
        group: str | None = None,
        limit: int | None = None,
    ) -> Stat | None:
        """Return what is at `path`, links not followed; None where nothing is.

        Content over `limit` bytes (4 MiB) is not read. Where `owner` or `group` is another name or the number of who
        has it, the answer calls them so.
        """
        ...

    async def write(
        self,
        path: str,
        content: bytes,
        *,
        mode: str | None = None,
        owner: str | None = None,
        group: str | None = None,
        attributes: Mapping[str, str] | None = None,
        modified: int | None = None,
        in_place: bool = False,
    ) -> None:
        """Write a file whole, by a new file and a rename; it is on the disk then.

        What is not given stays as it is; a new file is 0644 root root. `attributes` are all that it is to have, as in a
        Stat; so is `modified`, for bytes that come back. With `in_place`, and where the file has several names, the
        bytes go into the file that is there. The folder must exist. Links that an ordinary user could have planted are
        refused. OperationRefused where it can't be, with the reason.
        """
        ...

    async def set_attributes(
        self, path: str, *, mode: str | None = None, owner: str | None = None, group: str | None = None
    ) -> None:
        """Change mode, owner, group of what is at `path`; a link is never followed."""
        ...

    async def symlink(self, path: str, target: str) -> None:
        """Make `path` a symbolic link to `target`, in place of a file or link that is there."""
        ...

    async def make_directory(self, path: str, *, mode: str, owner: str, group: str) -> None:
        """Make one directory; its parent must exist. Nothing happens where it is there."""
        ...

    async def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, a link or a directory; a directory with content only if `recursive`. Nothing there: fine."""
        ...

    async def tree(self, op: str, path: str, **args: Any) -> Any:
        """Do for a Tree at `path` what concerns many files at once (worker_tree*.py).

        `op` is `look`, `begin`, `piece`, `put` or `restore`.
        """
        ...

    async def account(self, name: str) -> Account | None:
        """Return the user of that name; None where there is none."""
        ...

    async def run(
        self,
        *argv: str,
        stdin: str | bytes = b"",
        script: str | None = None,
        user: str | None = None,
        cwd: str | None = None,
        check: bool = True,
        timeout: float | None = None,
        environment: dict[str, str] | None = None,
    ) -> Completed:
        """Run a command (no shell).

        With `user`, as that user, with HOME, XDG_RUNTIME_DIR and the session bus of their own manager set. `script` is
        handed over as a file that only this command sees; its path is added to `argv`, so `run("sh", "-eu",
        script=text)` runs a text without showing it in the process list. `environment` is for settings of tools
        (DEBIAN_FRONTEND), never for values of a user's.

        With `check`, a status other than 0 raises CommandFailed with the last lines of stderr. `timeout` is in seconds
        and never reaches past the operation's deadline; past it the command's process group is killed and
        DeadlineExceeded raised.
        """
        ...

    async def http(self, base_url: str) -> httpx.AsyncClient:
        """Return a client for the HTTP service at `base_url` (as `http://127.0.0.1:8008`), which the machine reaches.

        It goes through the SSH connection; no port is opened here. Close it: `async with await session.http(url)`.

        Raises NotAnswering where nothing accepts a connection there. Certificates are verified by the name in the URL.
        """
        ...

    def elsewhere(self, machine: str) -> AbstractAsyncContextManager[Session]:
        """Return a session on another machine of the settings, for as long as an `async with` lasts.

        It is for what two machines have to agree on, as a token that one gives and the other uses. It has the deadline
        of this one, and no locks.
        """
        ...

    async def restart(self) -> bool:
        """Restart the machine, alone there: what is at work on it in this run is waited for, and what comes waits.

        It does not return: the operation is done again on the restarted machine. Returns False, and does nothing, where
        this run has restarted it already. `up` waits for RESTART_SECONDS (restart.py) for it to come back.
        """
        ...

    def progress(self, message: str) -> None:
        """Tell the person who waits what is going on, in one line. No secrets."""
        ...

    def warn(self, message: str) -> None:
        """Say something that the person should know when all is over. No secrets."""
        ...
