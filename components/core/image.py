"""The mail assistant's image, built on the machine itself."""

from __future__ import annotations

import shlex
from pathlib import Path

from components.blocks.build_context import MAIL_ASSISTANT
from components.core.ssh import ssh_command
from config.hosts import Machines


def build_command(machines: Machines, name: str, tag: str, project: Path | None = None) -> str:
    """Return a shell command here that builds the image there, from files sent on stdin."""
    context = MAIL_ASSISTANT
    build = f"docker build --quiet --tag {tag} --file {context.dockerfile} -"
    remote = f"docker image inspect {tag} >/dev/null 2>&1 && cat >/dev/null || {build}"
    folder = context.seen_from(project or Path.cwd())
    sent = shlex.join(["tar", "--create", "--exclude=__pycache__", "--directory", folder, *context.parts])
    return f"{sent} | {ssh_command(machines, name, remote, project)}"
