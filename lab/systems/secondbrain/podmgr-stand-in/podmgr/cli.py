"""The commands."""

import argparse
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from podmgr import VERSION
from podmgr.definition import WrongDefinition, validated
from podmgr.units import units

UNITS = Path.home() / ".config" / "containers" / "systemd"
PODS = Path.home() / ".config" / "podmgr-stand-in"


def _systemctl(*words):
    return subprocess.run(["systemctl", "--user", *words], capture_output=True, text=True, check=False)


def _read(path):
    return validated(Path(path).read_text())


def _kept(name):
    path = PODS / f"{name}.json"
    if not path.exists():
        raise WrongDefinition(f"there is no pod {name}; podmgr pod init FILE makes one")
    return json.loads(path.read_text())


def _services(pod):
    return [f"{pod['name']}-pod.service", *(f"{pod['name']}-{short}.service" for short in pod["services"])]


def _init(pod):
    for folder in (UNITS, PODS):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in units(pod).items():
        (UNITS / name).write_text(text)
    (PODS / f"{pod['name']}.json").write_text(json.dumps(pod))
    _systemctl("daemon-reload")
    # Made anew from what is written now, where it runs already.
    _systemctl("stop", *reversed(_services(pod)))
    return 0


def _start(pod):
    done = _systemctl("start", "--no-block", *_services(pod))
    print(done.stderr, end="", file=sys.stderr)
    return done.returncode


def _stop(pod):
    return _systemctl("stop", *reversed(_services(pod))).returncode


def _remove(pod):
    _stop(pod)
    for name in units(pod):
        (UNITS / name).unlink(missing_ok=True)
    (PODS / f"{pod['name']}.json").unlink()
    for folder in (PODS, UNITS, UNITS.parent, UNITS.parent.parent):
        try:
            folder.rmdir()
        except OSError:
            break
    _systemctl("daemon-reload")
    _systemctl("reset-failed")
    return 0


def _state(pod, short, service):
    state = _systemctl("is-active", f"{pod['name']}-{short}.service").stdout.strip()
    # With a command, podman has the service active once it is healthy.
    if state != "active" or not service.get("ports") or service["health"]["type"] == "command":
        return "running" if state == "active" else state
    address = str(service["ports"][0]).rpartition(":")[0]
    url = f"http://{address}{service['health'].get('path', '/')}"
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
            return "running"
    except (urllib.error.URLError, OSError):
        return "starting"


def _status(pod):
    for short, service in pod["services"].items():
        print(f"{short:<12} {_state(pod, short, service)}")
    return 0


COMMANDS = {"start": _start, "stop": _stop, "status": _status, "remove": _remove}


def main():
    """Run one command."""
    parser = argparse.ArgumentParser(prog="podmgr", description="A stand-in for podmgr; see its README.")
    parser.add_argument("--version", action="version", version=f"podmgr {VERSION}")
    parts = parser.add_subparsers(dest="part", required=True)
    config = parts.add_parser("config").add_subparsers(dest="command", required=True)
    config.add_parser("validate").add_argument("what", metavar="FILE")
    pod = parts.add_parser("pod").add_subparsers(dest="command", required=True)
    pod.add_parser("init").add_argument("what", metavar="FILE")
    for name in COMMANDS:
        pod.add_parser(name).add_argument("what", metavar="NAME")
    chosen = parser.parse_args()
    try:
        if chosen.command == "validate":
            print(f"{chosen.what}: {len(_read(chosen.what)['services'])} services, valid")
            return 0
        if chosen.command == "init":
            return _init(_read(chosen.what))
        return COMMANDS[chosen.command](_kept(chosen.what))
    except (WrongDefinition, OSError) as error:
        print(f"podmgr: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
