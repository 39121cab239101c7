"""The texts of maubot's systemd units, and what its programs on the machine are told. Pure functions."""

from __future__ import annotations

import json
from pathlib import Path

from components.blocks.unit_text import line, path_word
from components.maubot.config_file import DATABASE, HOME, INSTANCE_DATABASES
from config.systems.maubot import Maubot
from providers.kinds.matrix.common import CONFIG_FILE

ACCOUNT = "maubot"
VENV = "/opt/maubot"
ETC = "/etc/maubot"
KEY_FILE = f"{ETC}/secret-key"
TOLD = f"{ETC}/hearth.json"
HEALTH_PROGRAM = "/usr/local/lib/hearth-maubot/health.py"
BACKUP_PROGRAM = "/usr/local/lib/hearth-maubot/backup.py"
HEALTH_FOLDER = "/var/lib/maubot-health"
ACCOUNTS = "/var/lib/maubot-accounts"
PROGRAMS = Path(__file__).parent / "programs"

_HARDENED = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
DevicePolicy=closed
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
UMask=0077
"""
"""systemd.exec(5); `systemd-analyze security` weighs them."""


def hardening() -> str:
    """Return the lines that confine maubot's services."""
    return _HARDENED


def service(settings: Maubot) -> str:
    """maubot.service. The configuration reaches it as a credential: its file is root's alone."""
    return f"""\
[Unit]
Description={line(f"maubot, the bots on {settings.server_name}")}
Wants=network-online.target
After=network-online.target {settings.homeserver_unit}.service postgresql.service
StartLimitIntervalSec=0

[Service]
Type=exec
User={ACCOUNT}
Group={ACCOUNT}
WorkingDirectory={HOME}
LoadCredential=config.yaml:{CONFIG_FILE}
LoadCredential=secret-key:{KEY_FILE}
ExecStart={VENV}/bin/python -m maubot --no-update --config %d/config.yaml
ExecStartPost=-{VENV}/bin/python {HEALTH_PROGRAM} wait {TOLD}
Environment=PYTHONUNBUFFERED=1
Restart=always
RestartSec=2
TimeoutStartSec={settings.start_timeout}
TimeoutStopSec=15
KillMode=mixed
ReadWritePaths={HOME}
ReadOnlyPaths={HOME}/config
{_HARDENED}
[Install]
WantedBy=multi-user.target
"""


def health_units(settings: Maubot) -> dict[str, str]:
    """Name -> text of the units that watch maubot."""
    every = settings.health.every
    # With PostgreSQL, how far a bot's sync has come is asked there.
    config = f"LoadCredential=config.yaml:{CONFIG_FILE}\n" if settings.database == "postgresql" else ""
    folder = settings.health.metrics_folder
    # The folder may be another account's.
    metrics = f"ReadWritePaths=-{path_word(str(folder))}\n" if folder else ""
    capabilities = "CAP_DAC_OVERRIDE" if folder else ""
    timer = f"""\
[Timer]
OnBootSec={every}
OnActiveSec={every}
OnUnitInactiveSec={every}
AccuracySec=1

[Install]
WantedBy=timers.target
"""
    return {
        "maubot-health.service": f"""\
[Unit]
Description=Look whether maubot and each of its bots work
After=maubot.service

[Service]
Type=oneshot
User={ACCOUNT}
Group={ACCOUNT}
SupplementaryGroups=systemd-journal
LoadCredential=secret-key:{KEY_FILE}
{config}StateDirectory={HEALTH_FOLDER.rpartition("/")[2]}
StateDirectoryMode=0755
ExecStart={VENV}/bin/python {HEALTH_PROGRAM} check {TOLD}
TimeoutStartSec=120
ReadWritePaths={HOME}
ReadOnlyPaths={HOME}/config
{_HARDENED}""",
        "maubot-health.timer": f"[Unit]\nDescription=Look after maubot every {every} s\n\n{timer}",
        "maubot-health-restart.service": f"""\
[Unit]
Description=Restart maubot where it does not answer, once in {settings.health.restart_pause} s at most
After=maubot-health.service

[Service]
Type=oneshot
StateDirectory=maubot-health-restart
ExecStart={VENV}/bin/python -I {HEALTH_PROGRAM} restart {TOLD}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
{metrics}""",
        "maubot-health-restart.timer": f"[Unit]\nDescription=Restart maubot where it does not answer\n\n{timer}",
    }


def backup_units(settings: Maubot) -> dict[str, str]:
    """Name -> text of the units of the nightly backup."""
    return {
        "maubot-backup.service": f"""\
[Unit]
Description=Back up maubot's databases and configuration

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {BACKUP_PROGRAM} backup {TOLD}
UMask=0077
ProtectSystem=strict
ReadWritePaths={HOME} {path_word(str(settings.backup.folder))}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
NoNewPrivileges=yes
""",
        "maubot-backup.timer": f"""\
[Unit]
Description=Back up maubot every night

[Timer]
OnCalendar={settings.backup.at}
RandomizedDelaySec=60
Persistent=true

[Install]
WantedBy=timers.target
""",
    }


def figures(settings: Maubot) -> str:
    """Return the file for Prometheus' textfile collector; empty where there is no folder for it."""
    folder = settings.health.metrics_folder
    return f"{folder}/maubot.prom" if folder else ""


def told(settings: Maubot) -> str:
    """Return what the programs on the machine are told, as JSON. Nothing in it is secret."""
    health = settings.health
    teller = health.alert_bot or next(iter(settings.bots), None)
    return (
        json.dumps(
            {
                "api": f"http://127.0.0.1:{settings.port}",
                "unit": "maubot.service",
                "homeserver": settings.homeserver,
                "clients": [settings.user_id(name) for name, bot in settings.bots.items() if bot.enabled],
                "instances": [name for name, instance in settings.instances.items() if instance.enabled],
                "database": DATABASE if settings.database == "sqlite" else None,
                "instance_databases": INSTANCE_DATABASES,
                "config_file": CONFIG_FILE,
                "state": HEALTH_FOLDER,
                "metrics": figures(settings) or None,
                "alerts": {"room": health.alert_room, "user": settings.user_id(teller)}
                if health.alert_room and teller
                else None,
                "restart_after": health.restart_after,
                "restart_pause": health.restart_pause,
                "backup": {"folder": str(settings.backup.folder), "keep": settings.backup.keep},
            },
            indent=1,
        )
        + "\n"
    )
