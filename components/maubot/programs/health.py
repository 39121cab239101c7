"""Runs on the machine: looks whether maubot and each of its bots work, wakes what sleeps, and tells who should know.

`health.py wait|check|restart TOLD.json`. Standard library only, Python 3.8 or later; with PostgreSQL, its psql.
- wait: until the API answers and every client has had its first sync, whose events maubot drops.
- check: every enabled client's token is good, and its sync moves: a dead bot behind a living port is found. A client
  that is backing off while the homeserver is back is started again. Ends with 1, and the reasons, where something is
  wrong.
- restart: restarts the unit where `check` got no answer several times in a row, once in a while at most. Writes the
  figures too, as the folder for them is root's.
"""

import contextlib
import http.client
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

V1 = "/_matrix/maubot/v1"
V3 = "/_matrix/client/v3"
MARK = "net.hearth.wake"
"""The account data by which a sync is made to answer; nothing else reads it."""
SYNC_SECONDS = 8.0
PAUSE_SECONDS = 0.25
KICK_PAUSE = 40.0  # seconds
RECORD_DAYS = 60
PLACE = "SELECT next_batch FROM client WHERE id = :'id'"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Away(Exception):
    """A server does not answer."""


def ask(method, url, token=None, body=None, timeout=10.0):
    """Return (status, answer) of one request. Raises Away where nothing answers."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with OPENER.open(request, timeout=timeout) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    except (OSError, ValueError, http.client.HTTPException) as error:  # the last: no server of HTTP at all
        raise Away(getattr(error, "reason", None) or error or type(error).__name__) from None
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        return status, {}
    return status, found if isinstance(found, dict) else {}


def quote(text):
    return urllib.parse.quote(text, safe="")


class MaubotApi:
    """maubot's API, entered with the key that systemd hands over."""

    def __init__(self, told):
        self.told = told
        self.base = told["api"] + V1
        key = pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"], "secret-key").read_text().strip()
        status, found = ask("POST", self.base + "/auth/login", body={"secret": key})
        if status != 200:
            raise Away(f"maubot answers {status} and does not take the key: it runs with another configuration")
        if "token" not in found:
            raise Away("what answers at its port is not maubot: see what has taken it (ss -ltnp)")
        self.token = found["token"]

    def client(self, user):
        status, found = ask("GET", f"{self.base}/client/{quote(user)}", self.token)
        return found if status == 200 else None

    def instance(self, name):
        status, found = ask("GET", f"{self.base}/instance/{quote(name)}", self.token)
        return found if status == 200 else None

    def set_client(self, user, **fields):
        return ask("PUT", f"{self.base}/client/{quote(user)}", self.token, fields, timeout=30.0)[1]

    def place(self, user):
        """Return how far the client's sync has come; None where that can't be seen."""
        path = self.told["database"]
        if not path:
            return self.place_in_postgresql(user)
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
                row = database.execute("SELECT next_batch FROM client WHERE id = ?", (user,)).fetchone()
        except sqlite3.Error:
            return None
        return row and row[0]

    def place_in_postgresql(self, user):
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(pathlib.Path(__file__).parent))
        import backup  # beside this one; needed here alone

        given = pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"], "config.yaml")
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--variable=id={user}"]
        try:
            place = backup.postgresql({"config_file": given if given.exists() else self.told["config_file"]})
            said = subprocess.run(command, input=PLACE, env=place, capture_output=True, text=True, check=False)
        except (OSError, ValueError):
            return None
        return said.stdout.strip() or None


def wake(found):
    """Have the client's sync answer now, by something new for it."""
    mark = f"{found['homeserver'].rstrip('/')}{V3}/user/{quote(found['id'])}/account_data/{MARK}"
    ask("PUT", mark, found["access_token"], {"at": int(time.time() * 1000)})


def moves(maubot, found):
    """Return whether the client's sync gets to know what is new within SYNC_SECONDS."""
    user, before = found["id"], maubot.place(found["id"])
    wake(found)
    end = time.monotonic() + SYNC_SECONDS
    while time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
        now = maubot.client(user) or {}
        if before is None and maubot.told["database"] is None:
            if now.get("sync_ok"):
                return True
        elif maubot.place(user) != before:
            return True
    return False


def settled(maubot, user, patience=10.0):
    """Return the client, once its start is over."""
    end, found = time.monotonic() + patience, maubot.client(user)
    while found and found["enabled"] and not found["started"] and time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
        found = maubot.client(user)
    return found


def look_at(maubot, user, kicks):
    """Return what is wrong with a client, in words; an empty text where nothing is.

    Starts it again where that helps.
    """
    found = settled(maubot, user)
    if found is None:
        return f"{user} is no client of maubot: run `up --refresh`"
    homeserver = found["homeserver"].rstrip("/")
    try:
        status, who = ask("GET", homeserver + V3 + "/account/whoami", found["access_token"])
    except Away as error:
        return f"{user}: its homeserver {homeserver} does not answer ({error})"
    if status == 401:
        return f"{user}: its token is not good any more: run `up --refresh`, which logs the same device in again"
    if status != 200 or who.get("user_id") != user:
        return f"{user}: its homeserver answers {status} {who.get('errcode', '')} to its token"
    if found["enabled"] and found["started"] and moves(maubot, found):
        return ""
    if time.time() - kicks.get(user, 0) < KICK_PAUSE:
        return f"{user}: its sync does not move; it was started again a moment ago"
    kicks[user] = time.time()
    maubot.set_client(user, started=False)
    if not found["enabled"]:
        maubot.set_client(user, enabled=True)
    found = maubot.set_client(user, started=True)
    if found.get("started") and moves(maubot, found):
        print(f"{user} had stopped hearing its rooms, and was started again")
        return ""
    return f"{user}: its sync does not move, although it was started again"


def alert(told, maubot, state):
    """Tell the errors of maubot's log since the last time in the homeserver's admin room."""
    alerts, cursor = told["alerts"], state / "cursor"
    if not alerts:
        return
    command = ["journalctl", "--unit", told["unit"], "--output=cat", "--quiet", "--no-pager", f"--cursor-file={cursor}"]
    if not cursor.exists():
        command.append("--lines=0")  # what was before the first look is old news
    lines = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.split("\n")
    bad = [line[:300] for line in lines if line.startswith(("[ERROR@", "[CRITICAL@"))]
    held = state / "untold"
    if held.exists():
        bad = [line for line in held.read_text().split("\n") if line] + bad
    if not bad:
        return
    held.write_text("\n".join(bad[-50:]) + "\n")
    teller = maubot.client(alerts["user"])
    if teller is None:
        return
    base, token, room = teller["homeserver"].rstrip("/") + V3, teller["access_token"], alerts["room"]
    _, joined = ask("POST", f"{base}/join/{quote(room)}", token, {})
    room = joined.get("room_id", room)
    text = "\n".join([f"maubot on {os.uname().nodename}: {len(bad)} errors", *bad[:10]])
    message = {"msgtype": "m.notice", "body": text}
    status, found = ask("PUT", f"{base}/rooms/{quote(room)}/send/m.room.message/{time.time_ns()}", token, message)
    if status == 200:
        held.unlink()
    else:
        print(f"errors could not be told in {alerts['room']}: {found.get('error', status)}", file=sys.stderr)


def label(value):
    """Return a text as the value of a label. Source: Prometheus' text format, escapes of label values."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def measure(told, state):
    """Write figures of the last look for Prometheus' textfile collector. Raises OSError."""
    if not told["metrics"] or not state:
        return
    wrong = state["wrong"]
    up = "maubot" not in wrong
    clients = {user: up and user not in wrong for user in told["clients"]}
    instances = {name: up and instance_key(name) not in wrong for name in told["instances"]}
    lines = [
        "# HELP maubot_up Whether maubot's API answers.",
        "# TYPE maubot_up gauge",
        f"maubot_up {int(up)}",
        "# HELP maubot_client_up Whether a client's token is good and its sync moves.",
        "# TYPE maubot_client_up gauge",
        *(f'maubot_client_up{{client="{label(user)}"}} {int(clients[user])}' for user in clients),
        "# HELP maubot_instance_up Whether an instance runs.",
        "# TYPE maubot_instance_up gauge",
        *(f'maubot_instance_up{{instance="{label(name)}"}} {int(instances[name])}' for name in instances),
        "# HELP maubot_checked_seconds When it was looked at last, in seconds since 1970.",
        "# TYPE maubot_checked_seconds gauge",
        f"maubot_checked_seconds {int(state['at'])}",
    ]
    target = pathlib.Path(told["metrics"])
    part = target.with_suffix(".part")
    part.write_text("\n".join(lines) + "\n")
    part.chmod(0o644)
    part.replace(target)


def instance_key(name):
    """Return an instance's key among what is wrong: its name alone may be `maubot`."""
    return f"instance {name}"


def load(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def save(path, content):
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content))
    part.chmod(0o644)
    part.replace(path)


def check(told):
    state = pathlib.Path(told["state"])
    last = load(state / "state.json")
    kicks, wrong, clients, instances = dict(last.get("kicks", {})), {}, {}, {}
    try:
        status, _ = ask("GET", told["api"] + V1 + "/version")
        if status not in (200, 401):
            raise Away(f"it answers {status}")
        maubot = MaubotApi(told)
        clients = {user: look_at(maubot, user, kicks) for user in told["clients"]}
        for name in told["instances"]:
            found = maubot.instance(name)
            runs = found is not None and found["started"]
            why = "" if runs else f"the instance {name} does not run: run `up --refresh`"
            instances[instance_key(name)] = why
        wrong = {name: why for name, why in {**clients, **instances}.items() if why}
        alert(told, maubot, state)
    except Away as error:
        wrong["maubot"] = f"maubot does not answer: {error}"
    silent = last.get("silent", 0) + 1 if "maubot" in wrong else 0
    save(state / "state.json", {"at": time.time(), "wrong": wrong, "silent": silent, "kicks": kicks})
    record = load(state / "record.json")
    good, all_ = record.get(time.strftime("%Y-%m-%d"), (0, 0))
    record[time.strftime("%Y-%m-%d")] = (good + (not wrong), all_ + 1)
    save(state / "record.json", dict(sorted(record.items())[-RECORD_DAYS:]))
    for why in wrong.values():
        print(why, file=sys.stderr)
    return 1 if wrong else 0


def restart(told):
    state = load(pathlib.Path(told["state"]) / "state.json")
    try:
        measure(told, state)
        failed = 0
    except OSError as error:
        print(f"the figures could not be written: {error}; see health.metrics-folder", file=sys.stderr)
        failed = 1
    return restart_if_silent(told, state) or failed


def restart_if_silent(told, state):
    own = pathlib.Path(os.environ["STATE_DIRECTORY"])
    if state.get("silent", 0) < told["restart_after"]:
        return 0
    show = ["systemctl", "show", "--property=ActiveState", "--value", told["unit"]]
    if subprocess.run(show, capture_output=True, text=True, check=False).stdout.strip() == "inactive":
        return 0  # somebody has stopped it
    why = state["wrong"].get("maubot", "")
    ago = time.time() - load(own / "last.json").get("at", 0)
    if ago < told["restart_pause"]:
        print(f"maubot was restarted {ago:.0f} s ago, and still: {why}; look at its log", file=sys.stderr)
        return 1
    save(own / "last.json", {"at": time.time(), "why": why})
    print(f"restarting {told['unit']}: {why}")
    return subprocess.run(["systemctl", "restart", told["unit"]], check=False).returncode


def ended():
    """Return whether the unit's main process is gone. Source: systemd.exec(5), "MAINPID"."""
    try:
        os.kill(int(os.environ.get("MAINPID", "")), 0)
    except ProcessLookupError:
        return True
    except (ValueError, PermissionError):
        return False
    return False


def wait(told):
    """Until the API answers and the clients have heard of something: maubot drops what a first sync brings.

    1 where maubot itself has ended: while this waited on, systemd would not start it again.
    """
    while True:
        try:
            maubot = MaubotApi(told)
            break
        except Away:
            time.sleep(PAUSE_SECONDS)
        if ended():
            return 1
    with contextlib.suppress(Away):
        for user in told["clients"]:
            found = settled(maubot, user)
            if found and found["started"]:
                moves(maubot, found)
    return 0


if __name__ == "__main__":
    sys.exit(
        {"wait": wait, "check": check, "restart": restart}[sys.argv[1]](
            json.loads(pathlib.Path(sys.argv[2]).read_text())
        )
    )
