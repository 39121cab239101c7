"""A machine in memory with a service manager that behaves as systemd does, as far as the kind Unit can tell."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from providers.kinds.unit import systemd
from providers.machine.session import Account, Completed, Stat
from tests.unit.providers.kinds.fake_session import Call, FakeSession

USER = Account("pod", 990, 990, "pod", (), "/var/lib/pod", "/usr/sbin/nologin", "")
SYSTEM_FOLDER = "/etc/systemd/system"


def _text(stat: Stat) -> str:
    return (stat.content or b"").decode(errors="surrogateescape")


@dataclass
class Loaded:
    """What the manager has in memory about a unit."""

    text: str | None
    state: str = "inactive"
    result: str = "success"
    enabled: bool = False
    starts: int = 0


class SystemdMachine(FakeSession):
    """Units are files; `units` is what the manager knows. Quadlet files become services when it reloads."""

    def __init__(self) -> None:
        super().__init__()
        self.units: dict[str, Loaded] = {}
        self.drop_ins: dict[str, str] = {}
        """Unit -> its drop-ins, as systemctl shows them; `fragments` are files elsewhere that win."""
        self.fragments: dict[str, str] = {}
        self.vendor: dict[str, str] = {}
        """Texts that packages bring."""
        self.ids: dict[str, str] = {}
        """Alias -> the unit's own name."""
        self.older: set[str] = set()
        """Units that run since before their files changed."""
        self.reloads = 0
        self.manager_up = True
        self.verdict = Completed(0, "", "")
        self.way, self.interface = "account admin\nunit ssh.service\n", "eth0"
        self.fails: dict[str, str] = {}
        """Unit -> the result with which its start fails."""
        self.accounts["pod"] = USER
        # The plugin's records are in the last of them, and it goes with them.
        for folder in ("/etc", "/etc/systemd", SYSTEM_FOLDER, "/var", "/var/lib", "/var/lib/pod", "/var/lib/hearth"):
            self.files[folder] = Stat("directory", "0755", "root", "root", 0)
        self.on("systemctl", self._systemctl).on("sh", self._check).on("sh -eu", self._reload_script)
        self.on("journalctl", "Nov 21 box web[1]: the configuration is broken\n").on("find")
        self.on("systemctl start user@990.service", self._bring_up).on("podman network rm").on(
            "mv -n --", self._move
        ).on("test", 1)

    @property
    def wants(self) -> set[str]:
        """What the links start at boot."""
        return {path.rpartition("/")[2] for path in self.files if ".wants/" in path}

    @property
    def masked(self) -> set[str]:
        return {path.rpartition("/")[2] for path, stat in self.files.items() if stat.content == b"/dev/null"}

    def link(self, path: str, target: str) -> None:
        self.files[path] = Stat("symlink", "0777", "root", "root", len(target), target.encode(errors="surrogateescape"))

    def want(self, name: str, user: str | None = None) -> None:
        folder = self.folder(user, name)
        self.link(f"{folder}/multi-user.target.wants/{name}", f"{folder}/{name}")

    def bring(self, name: str, text: str) -> None:
        """Add a unit that a package brings."""
        self.vendor[name] = text
        self.units[name] = Loaded(text)

    def mask(self, name: str) -> None:
        self.link(f"{SYSTEM_FOLDER}/{name}", "/dev/null")

    def _find_links(self, call: Call) -> str:
        name = re.search(r"^name='?([^'\n]*)", call.script or "", re.MULTILINE)
        assert name is not None
        links = {path: _text(stat) for path, stat in self.files.items() if stat.type == "symlink"}
        about = {path: to for path, to in links.items() if name[1] in (path.rsplit("/")[-1], to.rsplit("/")[-1])}
        text = "".join(f"l\t{path}\t{target}\n" for path, target in about.items())
        return base64.b64encode(text.encode(errors="surrogateescape")).decode()

    def _change_links(self, call: Call) -> None:
        for line in call.stdin.decode(errors="surrogateescape").split("\n")[:-1]:
            verb, path, *target = line.split("\t")
            if verb == "r":
                del self.files[path]
            elif verb == "l":
                self.link(path, target[0])

    def folder(self, user: str | None, name: str) -> str:
        quadlet = systemd.is_quadlet(name)
        if user:
            return f"{USER.home}/.config/{'containers/systemd' if quadlet else 'systemd/user'}"
        return "/etc/containers/systemd" if quadlet else SYSTEM_FOLDER

    def add(self, name: str, text: str, *, state: str = "inactive", enabled: bool = False) -> None:
        """Add a unit of the system that is there already."""
        self.put(f"{SYSTEM_FOLDER}/{name}", text)
        self.units[name] = Loaded(text, state)
        if enabled:
            self.want(name)

    def state(self, name: str) -> str:
        return self.units[name].state if name in self.units else "absent"

    def _move(self, call: Call) -> None:
        old, new = call.argv[-2:]
        self.files[new] = self.files.pop(old)
        for unit, path in list(self.fragments.items()):
            if path == old:
                del self.fragments[unit]

    def _bring_up(self, _call: Call) -> None:
        self.manager_up = True

    def _check(self, call: Call) -> Completed:
        assert call.script is not None
        if "-lname" in call.script:
            return Completed(0, self._find_links(call), "")
        if "ActiveEnterTimestamp" in call.script:
            return Completed(0 if any(f"unit={name}\n" in call.script for name in self.older) else 1, "", "")
        if "SSH_CONNECTION" in call.script:
            return Completed(0, self.way, "")
        if "ip -o address" in call.script:
            return Completed(0, f"{self.interface}\n", "")
        return self.verdict

    def _text(self, name: str, user: str | None) -> str | None:
        """Return what is on the disk for a unit, from its own file or from the Quadlet file that becomes it."""
        for path, stat in self.files.items():
            folder, _, file = path.rpartition("/")
            if folder != self.folder(user, file) or stat.type != "file":
                continue
            text = _text(stat)
            if systemd.service_of(file, text) == name:
                return text
        return self.vendor.get(name)

    def _is_quadlet_service(self, name: str) -> bool:
        return any(
            systemd.is_quadlet(path.rpartition("/")[2])
            and systemd.service_of(path.rpartition("/")[2], _text(stat)) == name
            for path, stat in self.files.items()
            if stat.type == "file"
        )

    def _reload_script(self, call: Call) -> None:
        if "IFS" in (call.script or ""):
            self._change_links(call)
            return
        assert "daemon-reload" in (call.script or "")
        self._reload(call.user)

    def _reload(self, user: str | None) -> None:
        self.reloads += 1
        for name, unit in list(self.units.items()):
            unit.text = self._text(name, user)
            if unit.text is None and unit.state in ("inactive", "failed"):
                del self.units[name]
        for path, stat in self.files.items():
            file = path.rpartition("/")[2]
            if systemd.is_quadlet(file) and stat.type == "file":
                text = _text(stat)
                self.units.setdefault(systemd.service_of(file, text), Loaded(text)).text = text

    def _load(self, name: str, user: str | None) -> Loaded | None:
        unit = self.units.get(name)
        if unit is None and not self._is_quadlet_service(name) and (text := self._text(name, user)) is not None:
            unit = self.units[name] = Loaded(text)
        return unit

    def _systemctl(self, call: Call) -> Completed:
        words = [word for word in call.argv[1:] if not word.startswith("--")]
        if call.user and not self.manager_up:
            return Completed(1, "", "Failed to connect to user scope bus via local transport")
        verb = words[0]
        if verb == "show":
            return (
                Completed(0, self._show(words[-1], call.user), "") if words[-1] != "Version" else Completed(0, "", "")
            )
        name = words[-1]
        unit = self._load(name, call.user)
        if verb in ("enable", "reenable"):
            self.want(name, call.user)
        elif verb == "disable":
            for path in [path for path in self.files if path.endswith(f".wants/{name}")]:
                del self.files[path]
        elif verb == "unmask":
            del self.files[f"{SYSTEM_FOLDER}/{name}"]
        elif verb == "mask":
            self.mask(name)
        elif verb == "reset-failed":
            if unit is not None and unit.state == "failed":
                unit.state = "inactive"
        elif verb == "stop" and unit is not None:
            unit.state = "inactive"
            if unit.text is None or self._text(name, call.user) is None:
                del self.units[name]
        elif verb in ("start", "restart"):
            if unit is None:
                return Completed(5, "", f"Unit {name} not found.")
            unit.starts += 1
            unit.result = self.fails.get(name, "success")
            unit.state = "failed" if name in self.fails else "active"
            return Completed(1 if name in self.fails else 0, "", "Job failed." if name in self.fails else "")
        return Completed(0, "", "")

    def _show(self, name: str, user: str | None) -> str:
        unit = self._load(name, user)
        generated = self._is_quadlet_service(name)
        state = "generated" if generated else "enabled" if name in self.wants else "disabled"
        if name in self.masked:
            state = "masked"
        if unit is None:
            return "LoadState=not-found\nUnitFileState=\nActiveState=inactive\nNeedDaemonReload=no\n"
        stale = unit.text != self._text(name, user)
        return (
            f"LoadState=loaded\nUnitFileState={state}\nActiveState={unit.state}\nResult={unit.result}\nType=simple\n"
            f"NeedDaemonReload={'yes' if stale else 'no'}\nTriggers=\nId={self.ids.get(name, name)}\n"
            f"FragmentPath={self.fragments.get(name, '')}\nDropInPaths={self.drop_ins.get(name, '')}\nNames={name}\n"
        )
