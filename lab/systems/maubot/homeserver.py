"""The homeserver that a lab machine of the image `machine-matrix` has: real Synapse, with an admin and other users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.machine import Machine

PROGRAM = "/usr/local/lib/hearth-lab/visitor.py"
SERVER_NAME = "lab.test"
PASSWORD = "a-persons-password"


class Synapse:
    """Synapse on a machine; `ann` is its admin."""

    unit = "matrix-continuwuity.service"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.token = ""
        """Ann's."""

    def begin(self) -> None:
        """Start it for the first time, with nginx and PostgreSQL beside it, and its users `ann` and `bob`."""
        self.prepare()
        generate = "/opt/synapse/venv/bin/python -m synapse.app.homeserver --config-path /etc/synapse/homeserver.yaml"
        register = "/opt/synapse/venv/bin/register_new_matrix_user -c /etc/synapse/homeserver.yaml"
        self.machine.run(
            f"cd /var/lib/synapse && runuser -u synapse -- {generate} --generate-keys\n"
            f"systemctl enable -q --now {self.unit} nginx postgresql\n"
            f"for user in 'ann -a' 'bob --no-admin'; do\n  {register} -u $user -p {PASSWORD} http://127.0.0.1:8008\ndone"
        )
        self.token = self.ask("login", user="ann", password=PASSWORD)

    def prepare(self) -> None:
        """Lay the person's program on the machine."""
        self.machine.write(PROGRAM, (Path(__file__).with_name("visitor.py")).read_text())

    def ask(self, command: str, **values: Any) -> Any:
        """Return what the program on the machine answers; see visitor.py."""
        if command not in ("login", "register", "ask"):
            values = {"token": self.token, **values}
        said = self.machine.run(f"python3 -I {PROGRAM} {command}", stdin=json.dumps(values), timeout=400)
        return json.loads(said.stdout)

    def stop(self) -> None:
        """Have it away, as in an update of it."""
        self.machine.run(f"systemctl stop {self.unit}")

    def start(self) -> None:
        """Have it back."""
        self.machine.run(f"systemctl start {self.unit}")

    def registration_token(self) -> str:
        """Make a new one, good for ten accounts."""
        return self.ask("registration_token", uses_allowed=10)

    def users(self) -> list[str]:
        """Return everybody's user id."""
        found = self.ask("ask", method="GET", path="/_synapse/admin/v2/users?from=0&limit=100", token=self.token)
        return sorted(each["name"] for each in found["users"])
