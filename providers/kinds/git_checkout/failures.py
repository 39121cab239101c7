"""What an exit status of git_checkout.sh means, and what to do about it."""

from __future__ import annotations

from providers.errors import CommandFailed, HearthError, InvalidInput
from providers.machine.session import Session


def failure(session: Session, path: str, owner: str, revision: str, *, status: int, stderr: str) -> HearthError:
    """Return the error behind an exit status of git_checkout.sh."""
    here = f"{path} on {session.machine}"
    if status == 41:
        return InvalidInput(
            f"the checkout {here} has local changes, which would be lost; nothing was changed",
            detail=stderr,
            remedy="commit, stash or discard them there, or choose another path",
        )
    if status == 42:
        return InvalidInput(
            f"{here} is a repository without any commit, which could not be put back; nothing was changed",
            remedy="remove it, or choose another path",
        )
    if status == 50:
        return InvalidInput(
            f"git can't say whether the checkout {here} has local changes, so it is left as it is",
            detail=stderr,
            remedy="put right what git complains of (a damaged index: rm .git/index && git reset), or move it away",
        )
    if status == 51:
        return InvalidInput(
            f"another git is at work in the checkout {here}, or was ended in the middle: its index is locked;"
            " nothing was changed",
            remedy="let it finish; if none runs (pgrep -a git), remove index.lock in its .git",
        )
    if status == 48:
        return InvalidInput(
            f"the checkout {here} has untracked files that {revision!r} brings too, and would write over;"
            " nothing was changed",
            detail=stderr,
            remedy="move them away there, or remove them if nobody needs them",
        )
    if status == 43:
        return InvalidInput(
            f"{revision!r} is no branch, tag or commit of the repository that {here} comes from",
            remedy="write a tag or branch that `git ls-remote` lists, or 7 to 40 digits of a commit (one that is on no"
            " branch needs a refspec)",
        )
    if status == 127:
        return CommandFailed(
            f"git is not installed on {session.machine}, so {path} can't be looked after",
            status=status,
            remedy='add Package("git") for that machine, and name it in depends_on',
        )
    if status == 44:
        return CommandFailed(
            f"what {here} comes from can't be fetched by {owner} there",
            status=status,
            detail=stderr,
            remedy="see that the address is right, the credentials are good, and (for ssh) that the host's key is in"
            f" the known_hosts of {owner}; then run up again",
        )
    return CommandFailed(
        f"git failed at the checkout {here}, with exit status {status}",
        status=status,
        detail=stderr,
        remedy="put right what git complains of, or move the checkout away, and run up again",
    )
