"""A stand-in for Instagram on a lab machine: the one of the plugin's own tests, which answers in the site's shapes.

apps/sna-instagram/tests/site.py says what it is and what it can't show. Here it is a service of the machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.machine import Machine

SOURCE = Path(__file__).parents[3] / "apps" / "sna-instagram" / "tests"
FOLDER = "/usr/local/lib/hearth-lab"
PORT = 18443
PROXY = f"http://reader:se%3Acret@127.0.0.1:{PORT}"
"""What the plugin's setting `proxy` has to be, so that the site's hosts are found here."""
UNIT = f"""\
[Unit]
Description=The lab's STAND-IN for Instagram

[Service]
WorkingDirectory={FOLDER}
ExecStart=/usr/bin/python3 -B -m instagram_stand_in.serve {PORT} /var/lib/instagram-stand-in
ExecStartPost=/usr/bin/python3 {FOLDER}/wait-for-port {PORT}
StateDirectory=instagram-stand-in

[Install]
WantedBy=multi-user.target
"""
SERVE = '''\
"""The stand-in as a service: `serve PORT FOLDER`; FOLDER/posts.json has each post's files."""

import asyncio
import json
import pathlib
import sys

from .site import Site


async def main() -> None:
    site, folder = Site(), pathlib.Path(sys.argv[2])
    for code, post in json.loads((folder / "posts.json").read_text()).items():
        site.add(code, *post["items"], **post["how"])
        for name, size in post.get("sizes", {}).items():
            site.files[name] = b"\\0" * size
    async with site.served(folder, int(sys.argv[1])):
        await asyncio.Event().wait()


asyncio.run(main())
'''
TRUST = "[Service]\nEnvironment=SSL_CERT_FILE=/var/lib/instagram-stand-in/authority.pem\n"
"""As an operator would whose proxy shows a certificate of its own."""


def begin(machine: Machine, posts: Mapping[str, Sequence[str]], sizes: Mapping[str, int] | None = None) -> None:
    """Start it with these posts (shortcode -> names of files), and have maubot trust it, before maubot is there."""
    for name in ("site.py", "certificates.py"):
        machine.write(f"{FOLDER}/instagram_stand_in/{name}", (SOURCE / name).read_text())
    machine.write(f"{FOLDER}/instagram_stand_in/__init__.py", "")
    machine.write(f"{FOLDER}/instagram_stand_in/serve.py", SERVE)
    content = {
        code: {
            "items": list(items),
            "how": {"caption": f"The caption of {code}"},
            "sizes": {name: size for name, size in (sizes or {}).items() if name in items},
        }
        for code, items in posts.items()
    }
    machine.write("/var/lib/instagram-stand-in/posts.json", json.dumps(content))
    machine.write("/etc/systemd/system/instagram-stand-in.service", UNIT)
    machine.write("/etc/systemd/system/maubot.service.d/10-lab.conf", TRUST)
    machine.run("systemctl daemon-reload && systemctl enable -q --now instagram-stand-in.service")
