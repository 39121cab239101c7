"""What a person is told when a machine can't be reached, won't let us in, or can't do what it was asked to."""

from __future__ import annotations

import os
from typing import Any

import asyncssh

from providers.errors import ConnectionFailed, HearthError

REMEDIES = {
    2: "make the folder first, with a Directory that this resource depends on",
    13: "see which file system or security module forbids it to root",
    28: "free space on the machine (df -h; du -xh / | sort -h | tail), then run up again",
    30: "the file system is mounted read-only: see dmesg for the reason, remount it, then run up again",
    39: "something is in the folder; remove it by hand, or set purge",
    122: "raise the disk quota on the machine, then run up again",
}
"""By the system's error number (errno(3))."""


def system_error(what: str, reply: dict[str, Any]) -> HearthError:
    """The machine's system refused an operation."""
    return HearthError(f"{what} failed: {reply['error']}", remedy=REMEDIES.get(int(reply.get("errno") or 0), ""))


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


def no_worker(text: str, user: str, label: str, python: str) -> ConnectionFailed:
    """Logged in, and yet no worker: `text` is what the machine wrote on stderr."""
    if "sudo: not found" in text or "sudo: command not found" in text:
        return ConnectionFailed(
            f"{label} has no sudo, and {user} is not root",
            detail=text,
            remedy=f"as root: apt-get install sudo, and let {user} use it; or connect as root",
        )
    if f"{python}: command not found" in text or f"{python}: not found" in text or "No such file" in text:
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
    return ConnectionFailed(f"the worker on {label} did not start", detail=text, remedy="see what the lines above say")
