"""Changes a machine's network so that a change that shuts us out is taken back; one text, on the machine's own Python.

Reads one JSON object on stdin, `verb` in it, and writes one JSON object.

- `begin`: notes down what is there, sets a timer of systemd's that takes the change back, and starts the change in a
  unit of its own: neither needs the connection over which it was asked for.
- `state`: what has come of it, once that is settled.
- `keep`: what was changed stays; timer and notes go. It looks first whether the change holds.
- `forget`: the notes of a change that was taken back go.
- `apply` and `back` are called by the units.

Notes lie in /var/lib, and the unit that takes a change back is enabled until it is kept: a machine that loses its power
meanwhile comes up with the network that it had.
"""

import fcntl
import json
import os
import sys
import time

from providers.kinds.lxd.link_echo import echoes
from providers.kinds.lxd.link_state import (
    UNITS,
    addresses,
    call,
    lay,
    look_at,
    read,
    restore_link,
    run,
    unfinished,
)

BACK = """\
[Unit]
Description=Hearth: take the change of %(name)s back
Before=network-pre.target network.target systemd-networkd.service networking.service
Wants=network-pre.target
DefaultDependencies=no
After=local-fs.target

[Service]
Type=oneshot
ExecStart=%(python)s %(folder)s/change.py back %(folder)s
TimeoutStartSec=60
# A client of DHCP that a command started must outlive the command's unit.
KillMode=process

[Install]
WantedBy=sysinit.target
"""
TIMER = """\
[Unit]
Description=Hearth: take the change of %(name)s back, unless it is kept
DefaultDependencies=no

[Timer]
OnActiveSec=%(seconds)d
AccuracySec=100ms
RemainAfterElapse=no
"""


KEPT = "name nic wish addresses dhcp bridged before commands leave undo again".split()


def unit_of(name):
    return "hearth-network-" + name


class LinkNotes:
    """The notes of one change, under a lock: the timer and the one who keeps it may come at the same time."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.lock = open(folder + "/lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def load(self):
        try:
            with open(self.folder + "/notes.json") as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def save(self, notes):
        with open(self.folder + "/notes.new", "w") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(notes, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(self.folder + "/notes.new", self.folder + "/notes.json")

    def let_go(self):
        self.lock.close()


def take_back(notes, why):
    call(notes.get("leave", []))
    lay(notes["old"])
    for words in notes["undo"]:
        run(words)
    if notes["made"] and os.path.exists("/sys/class/net/%s" % notes["name"]):
        run(["ip", "link", "delete", notes["name"]])
    if notes.get("again"):
        for words in notes["again"]:
            run(words)
    restore_link(notes["nic"], notes["link"])
    if notes["there"] is not None and os.path.exists("/sys/class/net/%s" % notes["name"]):
        restore_link(notes["name"], notes["there"])
    notes.update({"state": "taken back", "why": why})


def holds(notes):
    """Return why a change does not hold; empty where it does."""
    if notes["bridged"]:
        master = os.path.realpath("/sys/class/net/%s/master" % notes["nic"])
        if os.path.basename(master) != notes["name"]:
            return "%s is not in %s" % (notes["nic"], notes["name"])
        found = {each["local"] for each in addresses(notes["name"])}
        missing = [each for each in notes["addresses"] if each not in found]
        if missing:
            return "%s does not have %s" % (notes["name"], ", ".join(missing))
        if notes["dhcp"] and not any(e.get("dynamic") and e["family"] == "inet" for e in addresses(notes["name"])):
            return "%s was given no address by DHCP" % notes["name"]
    return ""


def begin(work):
    folder = work["folder"]
    notes = LinkNotes(folder)
    old = notes.load()
    if old.get("state") == "taken back" and old.get("wish") == work["wish"]:
        return {"state": "taken back", "why": old["why"]}
    if old.get("state") in ("begun", "applied"):
        return {"state": old["state"]}
    name = work["name"]
    exists = os.path.exists("/sys/class/net/%s" % name)
    kept = {key: work[key] for key in KEPT}
    kept["old"] = {path: read(path) for path in work["files"]}
    kept["new"] = work["files"]
    kept["made"] = work["bridged"] and not exists
    kept["link"] = look_at(work["nic"])
    kept["there"] = look_at(name) if exists else None
    kept["target"] = work["target"]
    kept["state"] = "begun"
    kept["seconds"] = work["seconds"]
    notes.save(kept)
    with open(folder + "/change.py", "w") as file:
        file.write(open(sys.argv[0]).read())
    unit = unit_of(name)
    about = {"name": name, "folder": folder, "python": sys.executable, "seconds": work["seconds"]}
    for path, text in ((unit + ".service", BACK % about), (unit + ".timer", TIMER % about)):
        with open("%s/%s" % (UNITS, path), "w") as file:
            file.write(text)
    link = "%s/sysinit.target.wants/%s.service" % (UNITS, unit)
    if not os.path.isdir(os.path.dirname(link)):
        os.mkdir(os.path.dirname(link))
        with open(os.path.dirname(link) + "/.hearth-made", "w"):
            pass
    if not os.path.lexists(link):
        os.symlink("%s/%s.service" % (UNITS, unit), link)
    os.sync()
    for words in (["systemctl", "daemon-reload"], ["systemctl", "start", unit + ".timer"]):
        status, said = run(words)
        if status != 0:
            # Without the timer nothing is begun.
            unfinished([unit])
            return {"state": "refused", "why": said}
    notes.let_go()
    status, said = run(
        ["systemd-run", "--no-block", "--collect", "--quiet", "--unit", "%s-apply-%d" % (unit, time.time())]
        + ["--property", "DefaultDependencies=no", "--property", "KillMode=process"]
        + [sys.executable, folder + "/change.py", "apply", folder]
    )
    return {"state": "begun" if status == 0 else "refused", "why": said}


def apply(folder):
    notes = LinkNotes(folder)
    work = notes.load()
    if work.get("state") != "begun":
        return
    said = call(work["before"])
    if not said:
        lay(work["new"])
        said = call(work["commands"])
    if not said and work["target"]:
        restore_link(work["nic"], work["target"])
    end = time.monotonic() + 20
    while not said:
        why = holds(work)
        if not why:
            break
        if time.monotonic() > end:
            said = why
        time.sleep(0.2)
    if said:
        take_back(work, said)
        work["ended"] = True
    else:
        work["state"] = "applied"
    notes.save(work)


def back(folder):
    notes = LinkNotes(folder)
    work = notes.load()
    if work.get("state") in ("begun", "applied"):
        take_back(work, "nobody could reach the machine to keep the change within %d s" % work["seconds"])
        notes.save(work)
    unfinished([unit_of(work["name"])] if "name" in work else [])


def state(folder, seconds):
    end = time.monotonic() + seconds
    while True:
        notes = LinkNotes(folder)
        found = notes.load()
        notes.let_go()
        if found.get("state") in ("applied", "taken back", None) or time.monotonic() > end:
            return {"state": found.get("state") or "unknown", "why": found.get("why", "")}
        time.sleep(0.2)


def keep(folder, check):
    notes = LinkNotes(folder)
    work = notes.load()
    if work.get("state") != "applied":
        return {"state": work.get("state") or "unknown", "why": work.get("why", "")}
    why = holds(work)
    if not why and check and not echoes(check, 9):
        why = "%s does not answer through %s" % (check, work["name"])
    unit = unit_of(work["name"])
    run(["systemctl", "stop", unit + ".timer"])
    if why:
        take_back(work, why)
        notes.save(work)
        unfinished([unit])
        return {"state": "taken back", "why": why}
    unfinished([unit])
    clear(folder)
    return {"state": "kept", "why": ""}


def clear(folder):
    for name in ("notes.json", "notes.new", "change.py", "lock"):
        try:
            os.unlink("%s/%s" % (folder, name))
        except OSError:
            pass
    try:
        os.rmdir(folder)
        os.rmdir(os.path.dirname(folder))
    except OSError:
        pass


def forget(folder):
    notes = LinkNotes(folder)
    work = notes.load()
    if "name" in work:
        run(["systemctl", "stop", unit_of(work["name"]) + ".timer"])
        unfinished([unit_of(work["name"])])
    clear(folder)
    return {"state": "forgotten", "why": ""}


def main():
    if len(sys.argv) > 2:
        # Called by a unit.
        {"apply": apply, "back": back}[sys.argv[1]](sys.argv[2])
        return
    work = json.load(sys.stdin)
    verb = work["verb"]
    if verb == "begin":
        answer = begin(work)
    elif verb == "state":
        answer = state(work["folder"], work["seconds"])
    elif verb == "keep":
        answer = keep(work["folder"], work.get("check"))
    else:
        answer = forget(work["folder"])
    json.dump(answer, sys.stdout)


main()
