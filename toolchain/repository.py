"""Keeps what Pulumi writes into the dev stack's settings out of commits. Standard library only.

Pulumi writes `encryptionsalt` into `Pulumi.<stack>.yaml` when it makes a stack. For stacks that people share, it
belongs in git. The dev stack's passphrase is made anew in every clone, and a salt from another one would stop Pulumi
there with "incorrect passphrase". So `.gitattributes` gives that file a filter, and the filter is set up here.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILTER = "filter.hearth-dev-stack.clean"
COMMAND = "sed /^encryptionsalt:/d"


def ensure_filter(root: Path) -> bool:
    """Sets the filter up in a clone's own git settings; says whether it had to. Without git there is nothing to do."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return False
    base = [git, "-C", str(root), "config", "--local"]
    found = subprocess.run([*base, "--get", FILTER], capture_output=True, text=True, check=False)
    if found.stdout.strip() == COMMAND:
        return False
    # A clone of another user's, which git refuses to touch, is no reason to stop.
    return subprocess.run([*base, FILTER, COMMAND], capture_output=True, check=False).returncode == 0
