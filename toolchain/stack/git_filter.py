"""Keeps what Pulumi writes into the dev stack's settings out of commits and of `git status`. Standard library only.

Pulumi writes `encryptionsalt` into `Pulumi.<stack>.yaml` when it makes a stack. For stacks that people share, it
belongs in git. The dev stack's passphrase is made anew in every clone, and a salt from another one would stop Pulumi
there with "incorrect passphrase". So `.gitattributes` gives that file a filter, and the filter is set up here.
docs/adr/0016-the-dev-stacks-salt.md says why the salt can't lie elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = "Pulumi.dev.yaml"
FILTER = "filter.hearth-dev-stack.clean"
COMMAND = "sed /^encryptionsalt:/d"


def ensure_filter(root: Path) -> bool:
    """Set the filter up in a clone's own git settings, and return whether it had to be. Without git do nothing."""
    found = git(root, "config", "--local", "--get", FILTER)
    if found is None or found.stdout.strip() == COMMAND:
        return False
    # A clone of another user's, which git refuses to touch, is no reason to stop.
    done = git(root, "config", "--local", FILTER, COMMAND)
    return done is not None and done.returncode == 0


def settle(root: Path) -> None:
    """Have git see that the settings, with a salt in them, are those that it has already.

    Git takes a file of another size for changed without asking the filter, until the file is added once more. That is
    done only where the filter leaves no difference, so that nothing of anybody's is ever staged.
    """
    same = git(root, "diff", "--quiet", "--", SETTINGS)
    if same is not None and same.returncode == 0:
        known = git(root, "diff-files", "--quiet", "--", SETTINGS)
        if known is not None and known.returncode == 1:
            git(root, "add", "--", SETTINGS)


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """Return what git says in a clone; None where there is no git or no clone."""
    program = shutil.which("git")
    if program is None or not (root / ".git").exists():
        return None
    return subprocess.run([program, "-C", str(root), *arguments], capture_output=True, text=True, check=False)
