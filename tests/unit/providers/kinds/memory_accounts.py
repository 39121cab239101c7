"""A machine in memory that keeps accounts, with a useradd, usermod, userdel, chage and loginctl like the real ones."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

from providers.kinds.user.facts import LINGER, UserFacts, UserInputs
from providers.kinds.user.kind import KIND
from providers.machine.session import Account, Completed, Stat
from tests.unit.providers.kinds.fake_session import Call, FakeSession

WISH = UserInputs(
    host="box",
    name="pod",
    home="/var/lib/pod",
    groups=["adm"],
    subordinate_ids="auto",
    linger=True,
    remove_home=True,
)
GROUPS = {"adm", "video"}


class Machine(FakeSession):
    """`login` is who Hearth logs in as; `useless` are helpers without their setuid bit; `busy` processes that stay."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = self.useless = ""
        self.login, self.rooted = "admin", True
        self.files["/var/lib"] = Stat("directory", "0755", "root", "root", 0)
        self.put("/etc/subuid", "ann:100000:65536\n")
        self.put("/etc/subgid", "ann:100000:65536\n")
        self.on("useradd", self._useradd).on("usermod", self._usermod).on("userdel", self._userdel)
        self.on("chage", self._chage)
        self.on("loginctl", self._loginctl).on("getent group", self._getent).on("groupdel").on("systemctl")
        self.on("systemctl is-active", Completed(3, "inactive\n", ""))
        self.on("sh", self._script).on("sh -eu", self._edit)

    def _useradd(self, call: Call) -> None:
        argv, name = call.argv, call.argv[-1]
        home = argv[argv.index("--home-dir") + 1]
        groups = tuple(argv[argv.index("--groups") + 1].split(",")) if "--groups" in argv else ()
        self.accounts[name] = Account(name, 990, 990, name, groups, home, argv[argv.index("--shell") + 1], "")
        if "--create-home" in argv and home not in self.files:
            self.files[home] = Stat("directory", "0755", name, name, 0)
            self.put(f"{home}/.profile", owner=name)

    def _script(self, call: Call) -> str:
        script = call.script or ""
        if "SSH_CONNECTION" in script:
            return f"account {self.login}\n"
        return self.busy if "kill_all" in script else self.useless

    def _edit(self, call: Call) -> int | None:
        """Write one of the lists, as the script under its lock does."""
        assert call.script is not None
        if "unshare" in call.script:
            return 0 if self.rooted else 1
        found = re.match(r"path=(\S+) digest=(\w+)\n", call.script)
        assert found is not None
        if hashlib.sha256(self.files[found[1]].content or b"").hexdigest() != found[2]:
            return 75
        self.put(found[1], call.stdin)
        return None

    def _chage(self, call: Call) -> None:
        self.shadow(call.argv[-1], expire="")

    def shadow(self, name: str, secret: str = "!", expire: str = "") -> None:
        self.put("/etc/shadow", f"{name}:{secret}:20000::::{'':s}:{expire}:\n", mode="0640")

    def _usermod(self, call: Call) -> None:
        words = [word for word in call.argv[1:-1] if word not in ("--lock", "--append")]
        changes = dict(zip(words[::2], words[1::2], strict=True))
        old = self.accounts[call.argv[-1]]
        groups = changes.get("--groups")
        if groups is not None and "--append" in call.argv:
            groups = ",".join([*old.groups, groups])
        if "--lock" in call.argv or "--password" in call.argv:
            self.shadow(old.name, changes.get("--password", "!locked"))
        self.accounts[call.argv[-1]] = replace(
            old,
            shell=changes.get("--shell", old.shell),
            home=changes.get("--home", old.home),
            groups=old.groups if groups is None else tuple(filter(None, groups.split(","))),
        )

    def _userdel(self, call: Call) -> None:
        del self.accounts[call.argv[1]]

    def _loginctl(self, call: Call) -> None:
        if call.argv[1] == "enable-linger":
            self.put(f"{LINGER}/{call.argv[2]}")
        else:
            self.files.pop(f"{LINGER}/{call.argv[2]}", None)

    def _getent(self, call: Call) -> Completed:
        known = GROUPS | {account.group for account in self.accounts.values()}
        found = [name for name in call.argv[2:] if name in known]
        return Completed(0 if len(found) == len(call.argv) - 2 else 2, "".join(f"{name}:x:4:\n" for name in found), "")

    def own(self, path: str, **attributes: str) -> None:
        self.files[path] = replace(self.files[path], **attributes)

    def text(self, path: str) -> str:
        return (self.files[path].content or b"").decode()


async def create(machine: Machine, wish: UserInputs = WISH, before: UserFacts | None = None) -> UserFacts:
    """Do as the plugin does, on from `before` where that is known; return what the record holds then."""
    facts = await KIND.observe(machine, wish)
    before = facts if before is None else KIND.widen(before, facts)
    wish = KIND.with_defaults(wish, KIND.made(before))
    await KIND.apply(machine, wish, facts)
    after = await KIND.observe(machine, wish)
    assert after.present
    assert KIND.differences(wish, after) == {}
    return before


def wish(**inputs: Any) -> UserInputs:
    """Return a wish for the account ann."""
    return UserInputs.model_validate({"host": "box", "name": "ann", **inputs})


def machine_with(home: str = "/home/ann", *, mode: str = "0755", owner: str = "ann", **account: Any) -> Machine:
    """Return a machine that has the account ann, and her home."""
    machine = Machine()
    found: dict[str, Any] = {"shell": "/bin/bash", "groups": ("video",), **account}
    machine.accounts["ann"] = Account("ann", 1000, 1000, "ann", found["groups"], home, found["shell"], "Ann")
    for folder in ("/", "/home", home):
        machine.files[folder] = Stat("directory", "0755", "root", "root", 0)
    machine.files[home] = Stat("directory", mode, owner, owner, 0)
    machine.put("/etc/passwd", f"root:x:0:0::/root:/bin/bash\nann:x:1000:1000:Ann:{home}:/bin/bash\n")
    machine.put("/etc/subuid", "")
    machine.put("/etc/subgid", "")
    return machine
