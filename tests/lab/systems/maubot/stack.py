"""The whole program on a lab machine that has a homeserver, for the tests of maubot."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from checks.maubot import bots, record
from checks.result import CheckResult
from checks.run import run_checks
from checks.stack import DeployedStack
from config.hosts import Machines
from lab import Machine
from lab.docker.cli import Result
from lab.systems.maubot import instagram
from lab.systems.maubot.homeserver import SERVER_NAME, Synapse
from tests.lab.killing import eventually, log, nothing_is_left_running, running
from tests.lab.project import shown
from tests.lab.support import until
from tests.lab.systems.whole_program import WholeProgram
from toolchain.versions import ROOT

PATIENCE = 600.0
GENEROSITY = 4  # times what the task list allows, for the checks: other tests run beside
REPLY_SECONDS = 5.0
TRIES = 3
"""So often somebody asks for a reply in time: another test may have the processor just then, and not for long."""
ECHO = Path(__file__).with_name("echo")
BOTS = ("echo-a", "echo-b", "echo-c")
ADMIN_PASSWORD = "canary-admin-4c1f22"
KEY = "canary-key-" + "0123456789abcdef" * 3
BOT_PASSWORD = "canary-bot-7d20aa"
TOLD = "/etc/maubot/hearth.json"
OTHERS = ("/var/lib/synapse", "/var/lib/postgresql", "/var/lib/nginx")
"""Where the homeserver and the like keep what changes while they run."""
Json = dict[str, Any]


class Stack(WholeProgram):
    """One stack of the real program, whose machine is called `vps` in the settings."""

    def __init__(self, folder: Path, machine: Machine, homeserver: Synapse, settings: Mapping[str, Any]) -> None:
        super().__init__(folder, machine, host="vps", patience=PATIENCE)
        self.homeserver = homeserver
        self.workspace.configure("hearth:secrets-file", "secrets.json")
        self.registration_token: str = homeserver.registration_token()
        self.secrets()
        self.settings(settings)

    def secrets(self, **changed: str) -> None:
        """Write the file of secrets; names without `maubot-`."""
        given = {
            "admin-password": ADMIN_PASSWORD,
            "secret-key": KEY,
            "registration-token": self.registration_token,
            "bot-passwords": "".join(f"{bot}={BOT_PASSWORD}\n" for bot in BOTS),
        }
        given |= {name.replace("_", "-"): value for name, value in changed.items()}
        path = self.workspace.folder / "secrets.json"
        path.write_text(json.dumps({f"maubot-{name}": value for name, value in given.items()}))
        path.chmod(0o600)

    def settings(self, settings: Mapping[str, Any]) -> None:
        """Set `hearth:maubot`."""
        given = {"host": "vps", "server-name": SERVER_NAME, "data": "remove", **settings}
        self.workspace.configure("hearth:maubot", json.dumps(given))

    def failed_up(self, *flags: str) -> str:
        """Run `pulumi up`, which must fail in words; return what it printed."""
        answer = self.try_up(*flags)
        assert answer.returncode != 0, shown(answer)
        printed = shown(answer)
        assert "Traceback" not in printed, printed
        assert "bug in Hearth" not in printed, printed
        return printed

    def kill_up(self, reached: Callable[[int], bool], then: float) -> None:
        """Kill `make up` with all that it started, `then` seconds after the state holds as many resources as wished."""
        with running(self, "up") as process:
            eventually(lambda: reached(self.made()) or process.poll() is not None, PATIENCE)
            # On a quick machine it may be through by then; that it failed is another matter.
            assert process.poll() in (None, 0), log(self).read_text()
            time.sleep(then)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        nothing_is_left_running(self, PATIENCE)

    def check(self) -> list[CheckResult]:
        """Return the rows of `make check`."""
        deployed = DeployedStack(self.workspace.outputs(), Machines.from_namespace(self.hosts))
        with (
            mock.patch.object(bots, "PAGE_SECONDS", bots.PAGE_SECONDS * GENEROSITY),
            mock.patch.object(record, "REPLY_SECONDS", record.REPLY_SECONDS * GENEROSITY),
        ):
            return list(asyncio.run(run_checks(deployed, self.workspace.folder))["maubot"])

    def look(self, *, check: bool = True) -> Result:
        """Have a look of the health timer's own, begun now: one that is under way began before, and ends first."""
        name = "maubot-health.service"
        ended = f'until [ "$(systemctl is-active {name})" != activating ]; do sleep 0.2; done'
        return self.machine.run(f"{ended}; systemctl start {name}", check=check)

    def has_not_drifted(self) -> None:
        """Wait until nothing has: maubot starts its bots one after the other."""
        until(lambda: self.drifted() == {}, "nothing has drifted", 120)

    def api(self, method: str, path: str, body: Json | None = None, password: str = ADMIN_PASSWORD) -> Any:
        """Ask maubot's API on the machine as an admin in the web page would."""
        stdin = json.dumps([{"username": "admin", "password": password}, method, path, body])
        return json.loads(self.machine.run(f"python3 -I -c {shlex.quote(ADMIN)}", stdin=stdin).stdout)


ADMIN = """
import json, sys, urllib.error, urllib.request as request
BASE = "http://127.0.0.1:29316/_matrix/maubot/v1"
def ask(method, path, body, token=""):
    data = None if body is None else json.dumps(body).encode()
    asked = request.Request(BASE + path, data, {"Authorization": "Bearer " + token}, method=method)
    try:
        return json.loads(request.urlopen(asked).read() or b"{}")
    except urllib.error.HTTPError as error:
        return {"status": error.code, **json.loads(error.read() or b"{}")}
login, method, path, body = json.load(sys.stdin)
token = path.partition("?token=")[2] or ask("POST", "/auth/login", login).get("token", "")
print(json.dumps({"token": token} if path == "/token" else ask(method, path, body, token)))
"""


def settings(rooms: Mapping[str, str], bots: int = 1, **more: Any) -> Json:
    """Return settings of `bots` bots, each with one instance that answers in its room."""
    names = BOTS[:bots]
    return {
        "plugins": {"org.example.echo": str(ECHO)},
        "bots": {bot: {} for bot in names},
        "instances": {
            f"{bot}-1": {
                "plugin": "org.example.echo",
                "bot": bot,
                "config": {
                    "prefix": f"{bot}: ",
                    "limits": {"size": 5},
                    "room_subscriptions": [rooms[bot]] if bot in rooms else [],
                },
            }
            for bot in names
        },
        **more,
    }


FETCHERS = ["yt-dlp==2026.10.26", "curl_cffi==0.17.0", "instaloader==4.16"]
"""What the Instagram plugin needs of maubot's Python; its README says why."""


def real_plugins(rooms: Mapping[str, str], **more: Any) -> Json:
    """Return settings of our own two plugins: links are answered in the first bot's room, commands in the second's."""
    links, commands = BOTS[:2]
    config = {"enabled": True, "max_file_size": 50_000_000, "proxy": instagram.PROXY}
    return {
        "python-packages": FETCHERS,
        "plugins": {"sna.instagram": str(ROOT / "apps/sna-instagram"), "sna.echo": str(ROOT / "apps/echo-bot")},
        "bots": {links: {}, commands: {}},
        "instances": {
            "instagram-bot-1": {
                "plugin": "sna.instagram",
                "bot": links,
                "config": {**config, "room_subscriptions": [rooms[links]] if links in rooms else []},
            },
            "echo-bot-1": {
                "plugin": "sna.echo",
                "bot": commands,
                "config": {"enabled": True, "room_subscriptions": [rooms[commands]] if commands in rooms else []},
            },
        },
        **more,
    }
