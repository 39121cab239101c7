"""How one-off work reaches the machine: commands for this computer's own ssh, with the settings' options."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path
from urllib.parse import quote

from config.addresses import bracketed
from config.hosts import Machines

LINK = Path(".state") / "ssh_config"
"""Leads to the SSH configuration of whoever runs Pulumi here: ignored by git, and of one name on every computer."""


def _from_project(machines: Machines, project: Path) -> str:
    """Return the SSH configuration as seen from the project's folder: the same text for everybody.

    Pulumi runs commands there. What lies in somebody's home is reached through a link: its place is another one on each
    computer.
    """
    configuration = machines.ssh_config_file(project)
    if not str(machines.ssh_config).startswith("~"):
        return str(machines.ssh_config)
    link = project / LINK
    if not link.is_symlink() or link.readlink() != configuration:
        link.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = link.with_name(f"{link.name}.{os.getpid()}")
        fresh.symlink_to(configuration)
        fresh.replace(link)
    return str(LINK)


def ssh_options(machines: Machines, project: Path | None = None) -> list[str]:
    """Options for ssh, for the Docker provider and for commands: the user's own configuration decides the rest.

    What ssh reads by itself is not named, so that nothing differs between two people's homes.
    """
    configuration = machines.ssh_config_file(project)
    own = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh" / "config"
    # By what the settings say, and not by what is there: the same options where the file is another computer's.
    named = configuration != own and machines.ssh_config != Machines.model_fields["ssh_config"].default
    named_so = ["-F", _from_project(machines, project or Path.cwd())] if named else []
    return ["-o", "BatchMode=yes", *named_so]


def docker_host(machines: Machines, name: str) -> str:
    """Return the address of a machine's Docker, as the Docker provider wants it."""
    host, address = machines.hosts[name], machines.address(name)
    user = f"{quote(host.user, safe='')}@" if host.user else ""  # a domain's user has an @ in it
    port = f":{host.port}" if host.port else ""
    return f"ssh://{user}{bracketed(address)}{port}"


def ssh_command(machines: Machines, name: str, command: str, project: Path | None = None) -> str:
    """Return a shell command here that runs `command` there."""
    host = machines.hosts[name]
    words = ["ssh", *ssh_options(machines, project)]
    words += ["-p", str(host.port)] if host.port else []
    words += ["-l", host.user] if host.user else []
    return shlex.join([*words, machines.address(name), command])
