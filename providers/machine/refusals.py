"""What a person is told when a machine can't be reached, won't let us in, or can't do what it was asked to."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

from providers.errors import ConnectionFailed, HearthError, OperationRefused
from providers.machine.ssh_library import asyncssh

REMEDIES = {
    2: "make the folder first, with a Directory that this resource depends on",
    11: "its process table is full, or a limit of tasks is reached: see what runs there (ps axo user= | sort | uniq"
    " -c), and TasksMax of the unit or slice (systemctl show -p TasksMax user.slice)",
    12: "free memory on the machine (free -m; ps aux --sort=-rss | head), then run up again",
    13: "see which file system or security module forbids it to root",
    26: "the file is a program that runs: stop it first",
    28: "free space on the machine (df -h; du -xh / | sort -h | tail), then run up again",
    30: "the file system is mounted read-only: see dmesg for the reason, remount it, then run up again",
    39: "something is in the folder; remove it by hand, or set purge",
    122: "raise the disk quota on the machine, then run up again",
}
"""By the system's error number (errno(3))."""


REASONS = (
    (
        "account is currently not available|nologin",
        "{user} on {label} has a login shell that runs nothing (nologin)",
        "give the account a shell (usermod -s /bin/sh {user}), or set another user in hearth:hosts",
    ),
    (
        "must have a tty",
        "sudo on {label} wants a terminal of {user}, and there is none (requiretty)",
        "on the machine, as root: echo 'Defaults:{user} !requiretty' > /etc/sudoers.d/hearth-tty (visudo -cf checks"
        " it), or connect as root",
    ),
    (
        r"[Ff]ork: |[Cc]annot fork|unable to fork|[Cc]an't fork|No more processes|Resource temporarily unavailable",
        "{label} can start no more processes for {user}: its process table is full, or a limit of tasks is reached",
        "see what runs there (ps axo user= | sort | uniq -c), and the limits: ulimit -u, and TasksMax of user.slice",
    ),
    (
        "[Pp]assword (change required|has expired)|required to change your password|account has expired",
        "the account {user} on {label}, or its password, has expired",
        "on the machine, as root: chage -l {user}, then chage -M -1 -E -1 {user}",
    ),
    (
        "sudo: (command )?not found|sudo: Command not found",
        "{label} has no sudo, and {user} is not root",
        "as root: apt-get install sudo, and let {user} use it; or connect as root",
    ),
    (
        "SyntaxError|unknown option -X|Unknown option: -X",
        "{python} on {label} is too old: Hearth needs 3.8 or later",
        "install a newer one, and give its path as `python` in hearth:hosts",
    ),
)
"""(what a machine says instead of starting the worker, what that means, what to do about it)."""


def system_error(what: str, reply: dict[str, Any], *, whole: bool = False) -> HearthError:
    """Return the error for what the machine's system refused; the worker there may have found out why.

    `whole`: it was an operation that is done as a whole or not at all.
    """
    reason, remedy, number = reply.get("reason", ""), reply.get("remedy", ""), int(reply.get("errno") or 0)
    if reason:
        return OperationRefused(f"{what} failed: {reply['error']}: {reason}", remedy=remedy)
    kind = OperationRefused if whole and number else HearthError
    return kind(f"{what} failed: {reply['error']}", remedy=REMEDIES.get(number, ""))


def refusal(error: Exception, where: str, ssh: str, patience: float) -> ConnectionFailed:
    """No connection to the machine `where`. `ssh` is how a person tries it; `patience` is in seconds."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return ConnectionFailed(
            f"the host key of {where} is not the one in known_hosts, so nothing was sent to it",
            detail=str(error),
            remedy="compare the key's fingerprint on the machine itself"
            " (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub);"
            f" only if it is right, `ssh-keygen -R` the old one and take the new one with `{ssh}`",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return ConnectionFailed(
            f"{where} does not accept our key or user name",
            detail=str(error),
            remedy=f"`{ssh}` must log in without a question: check the user in hearth:hosts and IdentityFile in"
            " your ssh config, or load the key into ssh-agent",
        )
    if isinstance(error, ValueError | FileNotFoundError):
        return ConnectionFailed(
            f"the SSH configuration or a key in it can't be used for {where}",
            detail=str(error),
            remedy=f"see whether `{ssh}` works; a key with a passphrase must be in ssh-agent",
        )
    number = error.errno if isinstance(error, OSError) else None
    why = os.strerror(number) if number and number > 0 else str(error)  # below 0: a name that nobody knows
    return ConnectionFailed(
        f"{where} can't be reached: {why or f'no answer within {patience:.0f} s'}",
        remedy=f"see whether it is on and `{ssh}` works; if it is gone for good, add its address to hearth:lost,"
        " and neither destroy nor replacement waits for it",
    )


def no_session(label: str, error: Exception) -> ConnectionFailed:
    """Return the error for a machine that let us in and opens no session, or starts nothing in it."""
    if "request failed" in str(error):
        return ConnectionFailed(
            f"{label} lets us in, and can start no more processes for us: its process table is full, or a limit of"
            " tasks is reached",
            detail=str(error),
            remedy="see what runs there (ps axo user= | sort | uniq -c), the limits (/etc/security/limits.d, TasksMax"
            " of user.slice), and its log: journalctl -u ssh",
        )
    return ConnectionFailed(
        f"{label} lets us in, and opens no session",
        detail=str(error),
        remedy="see MaxSessions in its sshd_config (0 forbids sessions; Hearth does with 1), and its log:"
        " journalctl -u ssh",
    )


def no_worker(
    text: str, user: str, label: str, python: str, *, runs: bool = True, status: int | None = None
) -> ConnectionFailed:
    """Return the error for a machine where the login works, and yet no worker starts.

    `text` is what the machine said instead, `runs` whether it runs any command that it is given, `status` how the one
    that was to start the worker ended.
    """
    for pattern, summary, remedy in REASONS:
        if re.search(pattern, text):
            names = {"user": user, "label": label, "python": python}
            return ConnectionFailed(summary.format(**names), detail=text, remedy=remedy.format(**names))
    if not runs:
        return ConnectionFailed(
            f"{label} does not run the commands that it is given for {user}: something else answers there",
            detail=text or "(it said nothing)",
            remedy="see the login shell (getent passwd), a forced command in ~/.ssh/authorized_keys (command=...) or in"
            " sshd_config (ForceCommand), and give Hearth a key or an account of its own without one",
        )
    missing = f"{python}: command not found" in text or f"{python}: not found" in text or "No such file" in text
    if missing or f"{python}: Command not found" in text:
        return ConnectionFailed(
            f"{label} has no {python}, which Hearth needs there (3.8 or later)",
            detail=text,
            remedy="install it (apt-get install python3-minimal), or give its path as `python` in hearth:hosts",
        )
    if "sudo" in text:
        return ConnectionFailed(
            f"{user} may not become root on {label} without a password",
            detail=text,
            remedy=f"on the machine, as root: echo '{user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/hearth"
            " (visudo -cf checks it), or connect as root",
        )
    how = "is not there in time" if status is None else f"ended with status {status}"
    return ConnectionFailed(
        f"the worker on {label} {how}",
        detail=text or "(it said nothing)",
        remedy=f"see what a login of {user} runs there (~/.profile, ~/.bashrc, /etc/profile.d) and that"
        f" `{python} -c 1` works in it",
    )


async def dropped(ssh: asyncssh.SSHClientConnection) -> bool:
    """Say of a connection on which no channel could be opened whether it is gone: asyncssh tells both in one way."""
    await asyncio.sleep(0)  # it takes the connection for open until its own cleaning up, which is the loop's next turn
    return ssh.is_closed()
