"""Lays the stand-in for ZeroTier on machines of a lab, as the package `zerotier-one` that somebody has installed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab import Machine

TOKEN = "the-token-of-this-lab"
PROGRAM = "/usr/sbin/zerotier-one"
HOME = "/var/lib/zerotier-one"
UNIT = f"""\
[Unit]
Description=Stand-in for ZeroTier One (a Hearth lab)
After=network-online.target

[Service]
ExecStart={PROGRAM}
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
CONTROL = """\
Package: zerotier-one
Version: 1.14.2-0lab
Architecture: all
Maintainer: Hearth's lab <lab@example.invalid>
Depends: python3, iproute2
Description: stand-in for ZeroTier One, which no registry here has
"""


def install(machines: Sequence[Machine], networks: Sequence[Mapping[str, Any]]) -> None:
    """Install it on every machine; the first one is the controller of these networks (`id` and `routes`)."""
    program = Path(__file__).with_name("zerotier_stand_in.py").read_text()
    for machine in machines:
        first = machine is machines[0]
        given: dict[str, Any] = {
            "token": TOKEN,
            "networks": networks if first else [],
            "controller": machines[0].address,
        }
        machine.write(f"/tmp/zt{PROGRAM}", program, mode="0755")
        machine.write("/tmp/zt/lib/systemd/system/zerotier-one.service", UNIT)
        machine.write(f"/tmp/zt{HOME}/zerotier-stand-in.json", json.dumps(given), mode="0600")
        machine.write("/tmp/zt/DEBIAN/control", CONTROL)
        machine.run(
            "dpkg-deb --root-owner-group --build -Znone /tmp/zt /tmp/zt.deb && dpkg --install /tmp/zt.deb"
            " && rm -r /tmp/zt /tmp/zt.deb && systemctl daemon-reload && systemctl enable --now zerotier-one"
        )
