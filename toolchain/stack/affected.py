"""Which stacks a change can affect, for previews in pull requests. Standard library only."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from toolchain.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The lab's stack is brought up for real by the tests, and its machines are not there in a pull request.
WITHOUT_PREVIEW = {"dev"}
STACK_FILE = re.compile(r"Pulumi\.([\w-]+)\.yaml")
# What no program run reads.
IRRELEVANT = re.compile(r"(docs|tests|lab|checks|\.github|\.ci)/|[^/]*\.md$|Makefile$|renovate\.json$|\.git\w+$")


def affected(changed: Iterable[str], stacks: Iterable[str]) -> list[str]:
    """Return the stacks to preview: those whose settings changed, or all of them when anything that they run on did."""
    known = sorted(set(stacks) - WITHOUT_PREVIEW)
    named: set[str] = set()
    for path in changed:
        found = STACK_FILE.fullmatch(path)
        if found is not None:
            named.add(found[1])
        elif not IRRELEVANT.match(path):
            return known
    return [stack for stack in known if stack in named]


def affected_since(root: Path, base: str) -> list[str]:
    """Return the same, for what changed between a commit and the working tree's."""
    command = ["git", "diff", "--name-only", "-z", f"{base}...HEAD"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ToolchainError(f"`{' '.join(command)}` ended with {answer.returncode}: {answer.stderr.strip()}")
    stacks = [found[1] for path in root.glob("Pulumi.*.yaml") if (found := STACK_FILE.fullmatch(path.name))]
    return affected(answer.stdout.split("\0")[:-1], stacks)
