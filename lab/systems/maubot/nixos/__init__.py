"""A lab machine that stands in for one of NixOS: Debian, with a stand-in for nixos-rebuild. See docs/lab.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.machine import Machine

FLAKE = "/etc/nixos"
CONFIGURATION = "ops-jrz1"
HERE = "/opt/nixos-stand-in"
_ROOT = Path(__file__).parent


class StandIn:
    """The stand-in on a machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def begin(self, secrets: Mapping[str, str], maubot: str) -> None:
        """Put it there, with maubot of that version in the place of nixpkgs', and a flake with a first generation."""
        machine = self.machine
        machine.write(f"{HERE}/modules.nix", (_ROOT / "modules.nix").read_text())
        machine.write("/usr/local/bin/nixos-rebuild", (_ROOT / "nixos-rebuild").read_text(), mode="0755")
        machine.write(f"{HERE}/bin/maubot", f'#!/bin/sh\nexec {HERE}/venv/bin/python -m maubot "$@"\n', mode="0755")
        machine.write(f"{FLAKE}/configuration.nix", "{ ... }:\n{\n  imports = [ ./hearth-maubot.nix ];\n}\n")
        machine.write(f"{FLAKE}/hearth-maubot.nix", "{ ... }: { }\n")
        machine.write(f"{FLAKE}/secrets/secrets.yaml", json.dumps(dict(secrets)), mode="0600")
        machine.run(
            f"ln -s /usr/bin/python3 {HERE}/bin/python && python3 -m venv {HERE}/venv"
            f" && {HERE}/venv/bin/pip install -q --disable-pip-version-check maubot=={maubot}"
            f" && nixos-rebuild switch --flake {FLAKE}#{CONFIGURATION}",
            timeout=600,
        )

    def breaks(self, unit: str, secret: str) -> None:
        """Have each generation with that secret break a unit."""
        self.machine.write("/etc/nixos-stand-in.json", json.dumps({"breaks": unit, "with": secret}))

    def breaks_nothing(self) -> None:
        """Have no generation break anything."""
        self.machine.run("rm /etc/nixos-stand-in.json")

    def generations(self) -> int:
        """How many there are."""
        return int(self.machine.run("ls /var/lib/nixos-stand-in | wc -l").stdout)
