"""Why something is still not as wished: the reason that the machine knows, in each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from providers.kind import Facts, Kind
from providers.kinds.table import all_kinds
from providers.machine.session import Account, Completed
from tests.unit.providers.kinds.fake_session import FakeSession

BY_NAME = {kind.name: kind for kind in all_kinds() if kind.module == "host"}
PATHS = {"path": "/srv/a"}
ANN = Account("ann", 5000, 5000, "ann", (), "/home/ann", "/bin/sh", "")


def fs(kind: str) -> Callable[[FakeSession], object]:
    return lambda session: session.on("findmnt", f"{kind} /srv").on("sh", "")


def rules(session: FakeSession) -> None:
    session.on("findmnt", "ext4 /").on("sh", "/etc/tmpfiles.d/a.conf\n")


def ldap(session: FakeSession) -> None:
    session.accounts["ann"] = ANN
    session.on("grep", 1).on("sed", "files ldap\n")


def unit(**shown: str) -> Callable[[FakeSession], object]:
    text = "".join(f"{name}={value}\n" for name, value in shown.items())
    return lambda session: session.on("systemctl show", text)


def policy(session: FakeSession) -> None:
    session.on("apt-cache policy", "nginx:\n  Installed: 1.0\n  Candidate: 1.0\n  Package pin: 1.0\n")


def clash(session: FakeSession) -> None:
    session.on("/srv/a/bin/python", Completed(1, "a 1.0 requires b<2, but you have b 2.0.\n", ""))


@pytest.mark.parametrize(
    ("kind", "inputs", "facts", "machine", "reason"),
    [
        ("Directory", PATHS, {}, fs("vfat"), "vfat, mounted at /srv) may not keep"),
        ("Directory", PATHS, {}, rules, "systemd-tmpfiles sets it by /etc/tmpfiles.d/a.conf"),
        (
            "File",
            {**PATHS, "content": "a"},
            {"content": "a"},
            fs("fuse.sshfs"),
            "fuse.sshfs, mounted at /srv) may not",
        ),
        ("File", {**PATHS, "content": "a"}, {"content": "b"}, None, "a program on the machine writes it as well"),
        ("MountPoint", PATHS, {"type": "symlink"}, None, "a link has come in its place"),
        ("MountPoint", PATHS, {}, fs("9p"), "9p"),
        ("Block", {**PATHS, "name": "b", "content": "a"}, {"content": "x"}, None, "writes it as well"),
        ("User", {"name": "ann"}, {}, ldap, "comes from another database (nsswitch.conf has: files ldap)"),
        ("User", {"name": "ann", "home": "/mnt/a"}, {"homeMode": "missing"}, None, "file system that is not mounted"),
        ("Package", {"name": "nginx", "version": "2"}, {}, policy, "would take 1.0, pinned to 1.0"),
        ("Venv", {**PATHS, "requirements": ["b==1"]}, {}, clash, "a 1.0 requires b<2"),
        ("GitCheckout", {**PATHS, "url": "file:///x", "revision": "v1"}, {"revision": "v1 <changed: a>"}, None, "hook"),
        ("ContainerImage", {"name": "localhost/a:1"}, {"present": False}, None, "something there removes images"),
        (
            "Unit",
            {"name": "a.service", "running": True},
            {},
            unit(LoadState="loaded", ConditionResult="no"),
            "a condition in its text",
        ),
        ("Unit", {"name": "a.service"}, {}, unit(LoadState="bad-setting", LoadError="x"), "finds it bad-setting x"),
        (
            "Unit",
            {"name": "a.service"},
            {},
            unit(LoadState="loaded", ActiveState="failed", SubState="failed", Result="oom-kill"),
            "its last result was oom-kill",
        ),
        ("Unit", {"name": "a.service", "text": "x"}, {"obstacles": ["the manager uses /y"]}, None, "manager uses /y"),
        (
            "Unit",
            {"name": "a.service", "enabled": True},
            {"fileState": "linked", "enabled": False},
            None,
            "systemd calls its file linked",
        ),
        (
            "Script",
            {"name": "s", "apply": "a", "check": "b"},
            {},
            lambda session: session.on("/bin/sh", Completed(3, "", "port 80 is not open\n")),
            "`check` ended with 3: port 80 is not open",
        ),
    ],
)
async def test_the_reason_that_the_machine_knows_is_told(
    kind: str,
    inputs: dict[str, Any],
    facts: dict[str, Any],
    machine: Callable[[FakeSession], object] | None,
    reason: str,
):
    session, found = FakeSession(), BY_NAME[kind]
    if machine is not None:
        machine(session)
    assert reason in await told(found, session, inputs, facts)


async def told(kind: Kind[Any, Any], session: FakeSession, inputs: dict[str, Any], facts: dict[str, Any]) -> str:
    assert kind.explain is not None
    wish = kind.inputs.model_validate({"host": "box", **inputs})
    state: Facts = kind.facts.model_validate({"present": True, **facts})
    return await kind.explain(session, wish, state)


def test_every_kind_that_changes_a_machine_knows_reasons():
    # These fail by their own command where they are not as wished.
    without = {"CommandOutput", "ContainerRecord"}
    assert {name for name, kind in BY_NAME.items() if kind.explain is None} - {"Tree"} <= without
