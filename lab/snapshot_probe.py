"""Runs on a lab machine, fed to its python3: prints as JSON what is there. Uses the standard library alone."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import stat
import subprocess
import sys

CONTAINER_STORE = "/.local/share/containers"


def describe(path: str, found: os.stat_result) -> dict[str, object]:
    """Return the properties of one path that a person would call a difference if they changed; no times."""
    entry: dict[str, object] = {
        "type": stat.filemode(found.st_mode)[0],
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "owner": f"{found.st_uid}:{found.st_gid}",
    }
    if stat.S_ISLNK(found.st_mode):
        entry["target"] = os.readlink(path)  # noqa: PTH115
    elif stat.S_ISREG(found.st_mode):
        digest = hashlib.sha256()
        with open(path, "rb") as file:  # noqa: PTH123 - thousands of files: the quick way
            while block := file.read(1 << 20):
                digest.update(block)
        entry["sha256"] = digest.hexdigest()
    return entry


def walk(folder: str, skipped: list[str], files: dict[str, object]) -> None:
    """Describe everything below a folder but for the skipped paths."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.path in skipped or entry.path.endswith(CONTAINER_STORE):
            continue
        try:
            files[entry.path] = describe(entry.path, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue
        except OSError as error:
            files[entry.path] = {"type": "?", "error": type(error).__name__}
            continue
        if entry.is_dir(follow_symlinks=False):
            walk(entry.path, skipped, files)


def output(*command: str) -> list[str]:
    """Return the lines that a command prints. Ends the program if it fails: two empty lists would look alike."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"no snapshot: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return sorted(done.stdout.splitlines())


def manual_packages() -> list[str]:
    """Return what `apt-mark showmanual` prints, which takes thirty times as long, as it works out all of apt's cache.

    Those that are there without a mark in apt's own file; there the native architecture stands for "all".
    """
    try:
        with open("/var/lib/apt/extended_states") as file:  # noqa: PTH123
            states = [dict(line.split(": ", 1) for line in part.splitlines()) for part in file.read().split("\n\n")]
    except FileNotFoundError:
        states = []
    automatic = {(each["Package"], each["Architecture"]) for each in states if each.get("Auto-Installed") == "1"}
    native = output("dpkg", "--print-architecture")
    manual: list[str] = []
    for line in output("dpkg-query", "--show", "--showformat", "${Package} ${Architecture} ${db:Status-Status}\n"):
        name, architecture, status = line.split(" ")
        mark = native[0] if architecture == "all" else architecture
        if status not in {"not-installed", "config-files"} and (name, mark) not in automatic:
            manual.append(name if mark == native[0] else f"{name}:{architecture}")
    return sorted(manual)


def names_of(path: str) -> list[str]:
    """Return the names in one of podman's own lists (containers.json, images.json)."""
    try:
        with open(path) as file:  # noqa: PTH123
            entries = json.load(file)
    except (OSError, ValueError):
        return []
    return sorted(name for entry in entries or [] for name in entry.get("names") or [entry["id"]])


def stores() -> dict[str, object]:
    """Return containers and images in every user's podman store; read, not asked for, as asking would make a store."""
    found: dict[str, object] = {}
    homes = [(user.pw_name, f"{user.pw_dir}{CONTAINER_STORE}/storage") for user in pwd.getpwall()]
    for name, store in [*homes, ("(system)", "/var/lib/containers/storage")]:
        if os.path.isdir(store):  # noqa: PTH112
            found[name] = {
                "containers": names_of(f"{store}/overlay-containers/containers.json"),
                "images": names_of(f"{store}/overlay-images/images.json"),
            }
    return found


def main() -> None:
    """Read the request from the first argument and print the answer."""
    request = json.loads(sys.argv[1])
    files: dict[str, object] = {}
    for root in request["roots"]:
        if os.path.lexists(root):
            files[root] = describe(root, os.lstat(root))
            walk(root, request["skipped"], files)
    users = [user.pw_name for user in pwd.getpwall()]
    print(
        json.dumps(
            {
                "files": files,
                "packages": output(
                    "dpkg-query", "--show", "--showformat", "${Package} ${Version} ${db:Status-Abbrev}\\n"
                ),
                "manual_packages": manual_packages(),
                "unit_files": output("systemctl", "list-unit-files", "--no-legend", "--no-pager", "--plain"),
                "failed_units": output("systemctl", "list-units", "--failed", "--no-legend", "--no-pager", "--plain"),
                "users": users,
                "lingering": sorted(os.listdir("/var/lib/systemd/linger"))  # noqa: PTH208
                if os.path.isdir("/var/lib/systemd/linger")  # noqa: PTH112
                else [],
                "stores": stores(),
            }
        )
    )


main()
