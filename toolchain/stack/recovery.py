"""Readies a stack whose last run was killed: its lock, and the operations that were under way.

A killed run leaves its lock file, and in the state a list of pending operations. Pulumi then refuses to start, and
later only warns; a pending creation is in no state, so nothing would ever take it away. Here the lock of a dead process
of this very machine is cancelled, and the list is cleared, which is safe with Hearth's provider: each creation finds
the record that it left on the machine and goes on from there. The run that follows refreshes, so that what was half
updated or half deleted is read from the machines.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError
from toolchain.files import write_whole
from toolchain.locks import exclusive
from toolchain.stack import backend_locks
from toolchain.stack.backend_locks import Holder, Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SHOWN_OPERATIONS = 5
COMMAND_SECONDS = 300


def recover(
    folder: Path, project: str, stack: str, environment: Mapping[str, str], say: Callable[[str], None]
) -> list[tuple[str, str]]:
    """Clear what a killed run left of a stack; return the operations, as (kind, URN), that were under way.

    Does nothing where the state is not in a folder of this machine: other backends keep locks of their own kind.
    Raises ToolchainError if the lock is held by a living process or another machine.
    """
    backend = backend_locks.backend_folder(environment.get("PULUMI_BACKEND_URL", ""))
    if backend is None or not backend_locks.is_made(backend, project, stack):
        return []
    with exclusive(backend / ".hearth-recovery.lock", say):
        break_dead_locks(folder, project, stack, environment, backend, say)
        pending = backend_locks.pending_operations(backend, project, stack)
        if pending:
            say(describe(pending))
            forget_pending(folder, stack, environment)
    return pending


def settings_aside(backend: Path, project: str, stack: str) -> Path:
    """Return where a stack's settings are kept while the engine writes them."""
    return backend / f".hearth-settings-{project}-{stack}"


def is_ready(backend: Path, project: str, stack: str) -> bool:
    """Tell whether a stack is there, and whoever made it came to the end."""
    return backend_locks.is_made(backend, project, stack) and not settings_aside(backend, project, stack).exists()


def make(folder: Path, project: str, stack: str, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Make a stack that is not there yet, also where one that was about to be made was killed in that moment.

    The engine then empties the file of settings before it writes into it what encrypts the secrets: what was in it is
    kept aside the while.
    """
    backend = backend_locks.backend_folder(environment.get("PULUMI_BACKEND_URL", ""))
    create = ("stack", "select", "--create", stack)
    if backend is None:
        pulumi(folder, environment, *create)
        return
    settings, aside = folder / f"Pulumi.{stack}.yaml", settings_aside(backend, project, stack)
    with exclusive(backend / ".hearth-recovery.lock", say):
        if aside.is_file() and not (settings.is_file() and settings.read_text().strip()):
            say(f"The last run was killed while it wrote {settings.name}: what was in it is put back.")
            write_whole(settings, aside.read_text(), 0o644)
        if not backend_locks.is_made(backend, project, stack):
            break_dead_locks(folder, project, stack, environment, backend, say)
            if settings.is_file():
                write_whole(aside, settings.read_text(), 0o600)
            pulumi(folder, environment, *create)
        aside.unlink(missing_ok=True)


def break_dead_locks(
    folder: Path, project: str, stack: str, environment: Mapping[str, str], backend: Path, say: Callable[[str], None]
) -> None:
    """Cancel the locks of a stack if every one is held by a dead process of this machine."""
    found = backend_locks.read_locks(backend, project, stack)
    unread = backend_locks.unreadable_locks(backend, project, stack)
    if not found and not unread:
        return
    machine = backend_locks.this_machine(lock.pid for lock in found)
    shared = backend_locks.is_shared(backend)
    for lock in found:
        who = backend_locks.holder(lock, machine, shared=shared)
        if who is not Holder.DEAD:
            what = f"The stack {stack} is locked by {lock.describe()}: {who.value}"
            raise ToolchainError(f"{what}. Nothing was changed. {_wait(lock, who, stack)}")
    if unread and (shared or not backend_locks.stay_unreadable(unread)):
        raise ToolchainError(
            f"The stack {stack} is just being locked by another process ({unread[0]}). Nothing was changed. "
            "Wait for it to end and try again; if you know that it has, remove that file."
        )
    held = "; ".join(lock.describe() for lock in found) or "in the moment in which it took its lock"
    say(f"The last run of {stack} was killed ({held}); its lock is taken away.")
    if not unread and backend_locks.is_made(backend, project, stack):
        pulumi(folder, environment, "cancel", "--yes", "--stack", stack)
        return
    # `pulumi cancel` knows no stack that was only about to be made, and can't read half a lock.
    for path in (*(lock.path for lock in found), *unread):
        path.unlink(missing_ok=True)


def _wait(lock: Lock, who: Holder, stack: str) -> str:
    """Say what to do about a lock that is not a dead process's."""
    if who is Holder.ALIVE:
        return f"Wait for it to end, or have it end in its own way (Ctrl-C where it runs, or kill -INT {lock.pid})."
    return f"Wait for it to end; if you know that it has, run `pulumi cancel --stack {stack}` and try again."


def forget_pending(folder: Path, stack: str, environment: Mapping[str, str]) -> None:
    """Clear the list of pending operations: an import of one's own export does that, and opens no connection."""
    # Secrets in an export are encrypted, unless asked for otherwise.
    with tempfile.TemporaryDirectory(prefix="hearth-") as temporary:
        file = str(Path(temporary) / "state.json")
        pulumi(folder, environment, "stack", "export", "--stack", stack, "--file", file)
        pulumi(folder, environment, "stack", "import", "--stack", stack, "--file", file)


def describe(pending: Sequence[tuple[str, str]]) -> str:
    """Return what was under way, for the user; the names alone, and not all of a hundred."""
    names = [f"{kind} {urn.rpartition('::')[2]}" for kind, urn in pending[:SHOWN_OPERATIONS]]
    more = f" and {len(pending) - SHOWN_OPERATIONS} more" if len(pending) > SHOWN_OPERATIONS else ""
    return (
        f"The last run ended in the middle of {', '.join(names)}{more}. "
        "What became of that is read from the machines, and done again where needed."
    )


def pulumi(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """Run a short pulumi command quietly; its output, or ToolchainError with what it said."""
    command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
    try:
        answer = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise ToolchainError("There is no pulumi on the PATH: run `make setup` first.") from error
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"`pulumi {' '.join(arguments)}` took more than {COMMAND_SECONDS} s.") from error
    if answer.returncode != 0:
        said = (answer.stderr or answer.stdout).strip()
        raise ToolchainError(f"`pulumi {' '.join(arguments)}` ended with {answer.returncode}:\n{said}")
    return answer.stdout
