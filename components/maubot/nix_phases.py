"""What each phase of the rollout on NixOS switches on: the module that the host's own configuration imports.

Pure functions; the modules that it builds on are in nix_text.py.
"""

from __future__ import annotations

from components.maubot.nix_text import nix_string, secrets
from components.maubot.units import ACCOUNT, HEALTH_FOLDER
from config.systems.maubot import Maubot

PHASES = ("modules", "secrets", "service")
"""The rollout's phases in their order: modules with the service off, secrets, service on."""
PHASE_LINE = "# Phase: "
"""Before a phase's name in hearth-maubot.nix."""
_TOLD = "${./hearth-maubot}/told.json"


def host_module(settings: Maubot, phase: str) -> str:
    """hearth-maubot.nix, which the host's own configuration imports, as it is in a phase of the rollout."""
    assert phase in PHASES
    reached = PHASES.index(phase)
    lines = [
        "# Made by Hearth (hearth:maubot): what is changed by hand is put back.",
        f"{PHASE_LINE}{phase}",
        "{ pkgs, ... }:",
        "{",
        "  imports = [ ./modules/maubot.nix ./modules/dev-services-maubot.nix ];",
    ]
    if reached >= PHASES.index("secrets"):
        assert settings.nixos is not None
        file = nix_string(f"/{settings.nixos.sops_file}")
        for name in secrets(settings):
            lines.append(f'  sops.secrets.{name} = {{ sopsFile = ./. + {file}; mode = "0400"; owner = "root"; }};')
    if reached >= PHASES.index("service"):
        lines.append(f"  services.dev-platform.maubot = {{ enable = true; port = {settings.port}; }};")
        lines.append(_health(settings))
        if settings.backup.enabled:
            lines.append(_backup(settings))
    return "\n".join([*lines, "}", ""])


def _health(settings: Maubot) -> str:
    """Return the timers that look after maubot; the program is beside, in the flake."""
    every = nix_string(f"{settings.health.every}s")
    program = "${pkgs.python3}/bin/python ${./hearth-maubot}/health.py"
    folder = settings.health.metrics_folder
    metrics = f"\n      ReadWritePaths = [ {nix_string(f'-{folder}')} ];" if folder else ""
    timer = f"""{{
    wantedBy = [ "timers.target" ];
    timerConfig = {{ OnBootSec = {every}; OnActiveSec = {every}; OnUnitInactiveSec = {every}; AccuracySec = "1s"; }};
  }}"""
    return f"""\
  systemd.services.maubot-health = {{
    description = "Look whether maubot and each of its bots work";
    after = [ "maubot.service" ];
    path = [ pkgs.systemd{_client(settings)} ];
    serviceConfig = {{
      Type = "oneshot";
      User = "{ACCOUNT}";
      SupplementaryGroups = [ "systemd-journal" ];
      LoadCredential = [ "secret-key:/var/lib/maubot-session/key" ];
      StateDirectory = "{HEALTH_FOLDER.rpartition("/")[2]}";
      ExecStart = "{program} check {_TOLD}";
    }};
  }};
  systemd.services.maubot-health-restart = {{
    description = "Restart maubot where it does not answer";
    path = [ pkgs.systemd ];
    serviceConfig = {{
      Type = "oneshot";
      StateDirectory = "maubot-health-restart";{metrics}
      ExecStart = "{program} restart {_TOLD}";
    }};
  }};
  systemd.timers.maubot-health = {timer};
  systemd.timers.maubot-health-restart = {timer};"""


def _client(settings: Maubot) -> str:
    """PostgreSQL's own programs, where they are needed."""
    return " pkgs.postgresql" if settings.database == "postgresql" else ""


def _backup(settings: Maubot) -> str:
    """Return the nightly backup, and a command `maubot-restore FOLDER`, which wants maubot stopped."""
    program = "${pkgs.python3}/bin/python ${./hearth-maubot}/backup.py"
    client = "PATH=${pkgs.postgresql}/bin:$PATH " if settings.database == "postgresql" else ""
    return f"""\
  systemd.tmpfiles.rules = [ {nix_string(f"d {settings.backup.folder} 0700 root root -")} ];
  systemd.services.maubot-backup = {{
    description = "Back up maubot's databases and configuration";
    path = [ pkgs.systemd{_client(settings)} ];
    serviceConfig = {{
      Type = "oneshot";
      ExecStart = "{program} backup {_TOLD}";
      UMask = "0077";
      ProtectSystem = "strict";
      ReadWritePaths = [ "/var/lib/maubot" {nix_string(str(settings.backup.folder))} ];
      ProtectHome = true;
      PrivateTmp = true;
      NoNewPrivileges = true;
    }};
  }};
  systemd.timers.maubot-backup = {{
    wantedBy = [ "timers.target" ];
    timerConfig = {{ OnCalendar = {nix_string(settings.backup.at)}; RandomizedDelaySec = "60"; Persistent = true; }};
  }};
  environment.systemPackages = [
    (pkgs.writeShellScriptBin "maubot-restore" ''{client}exec {program} restore {_TOLD} "$1"'')
  ];"""
