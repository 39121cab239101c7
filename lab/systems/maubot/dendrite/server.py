"""Dendrite on a lab machine of the image `machine-matrix`, in the place of the Synapse there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.systems.maubot.dendrite.build import DENDRITE
from lab.systems.maubot.homeserver import PASSWORD, SERVER_NAME, Synapse

if TYPE_CHECKING:
    from pathlib import Path

UPLOAD_BYTES = 100_000
"""The largest file that it takes: small, unlike Synapse's there."""
PROGRAM = "/usr/local/bin/dendrite"
HOME = "/var/lib/dendrite"
DATABASES = {
    "federation_api": "federationapi",
    "key_server": "keyserver",
    "media_api": "mediaapi",
    "mscs": "mscs",
    "relay_api": "relayapi",
    "room_server": "roomserver",
    "sync_api": "syncapi",
}


def configuration() -> str:
    """dendrite.yaml: everybody may register by the stage `dummy` alone, and nobody is asked for a token."""
    parts = {part: f"  database: {{connection_string: 'file:{HOME}/{name}.db'}}" for part, name in DATABASES.items()}
    parts["media_api"] += f"\n  base_path: {HOME}/media\n  max_file_size_bytes: {UPLOAD_BYTES}"
    parts["sync_api"] += f"\n  search: {{enabled: false, index_path: {HOME}/search, language: en}}"
    parts["federation_api"] += "\n  key_perspectives: []"
    parts["user_api"] = f"  account_database: {{connection_string: 'file:{HOME}/userapi.db'}}\n  bcrypt_cost: 4"
    parts["client_api"] = "  registration_disabled: false\n  rate_limiting: {enabled: false}"
    parts["global"] = (
        f"  server_name: {SERVER_NAME}\n  private_key: {HOME}/key.pem\n  disable_federation: true\n"
        f"  jetstream: {{storage_path: {HOME}}}"
    )
    sections = "".join(f"{part}:\n{text}\n" for part, text in parts.items())
    return f"version: 2\n{sections}logging: [{{type: std, level: warn}}]\n"


UNIT = f"""\
[Unit]
Description=The lab's second homeserver: Dendrite
After=network.target

[Service]
User=synapse
WorkingDirectory={HOME}
ExecStart={PROGRAM} -config /etc/dendrite.yaml -http-bind-address 127.0.0.1:8008 -really-enable-open-registration
ExecStartPost=/usr/bin/python3 /usr/local/lib/hearth-lab/wait-for-port 8008
Restart=on-failure
TimeoutStopSec=10

[Install]
WantedBy=multi-user.target
"""
KEY = """\
import base64, os, pathlib
seed = base64.b64encode(os.urandom(32)).decode()
text = f"-----BEGIN MATRIX PRIVATE KEY-----\\nKey-ID: ed25519:lab\\n\\n{seed}\\n-----END MATRIX PRIVATE KEY-----\\n"
pathlib.Path("key.pem").write_text(text)
"""


class Dendrite(Synapse):
    """Dendrite on a machine, with its users `ann` and `bob`. It has no admin."""

    unit = "dendrite.service"

    def begin(self) -> None:
        """Start it for the first time. Raises LabError where it is not built."""
        folder = DENDRITE.built()
        if folder is None:
            raise LabError("Dendrite is not built on this computer yet. Run `python -m lab.systems.maubot.dendrite`.")
        self.install(folder / "dendrite")
        for user in ("ann", "bob"):
            self.ask("register", user=user, password=PASSWORD)
        self.token = self.ask("login", user="ann", password=PASSWORD)

    def registration_token(self) -> str:
        """Dendrite asks for none, and can't be asked whether one is good."""
        return "nobody-asks-for-it"

    def install(self, program: Path) -> None:
        """Lay it on the machine, and switch Synapse off there for good."""
        self.machine.run(f"cat > {PROGRAM} && chmod 0755 {PROGRAM}", stdin=program.read_bytes())
        self.machine.write("/etc/dendrite.yaml", configuration())
        self.machine.write(f"/etc/systemd/system/{self.unit}", UNIT)
        self.prepare()
        self.machine.run(
            f"rm /etc/systemd/system/{Synapse.unit} && install -d -o synapse {HOME} && cd {HOME}\n"
            f'runuser -u synapse -- python3 -c "$(cat)"\n'
            f"systemctl daemon-reload && systemctl enable -q --now {self.unit} nginx postgresql",
            stdin=KEY,
        )
