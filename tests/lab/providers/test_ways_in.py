"""Ways into a machine as people have them: shells that speak first, shells of their own kind, limits, and closed doors.

One real sshd; each way is an account of its own, and each sees its reason in words, or gets through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from config.hosts import Host
from lab import Machine
from providers.errors import ConnectionFailed
from providers.machine.connection import Connection
from providers.machine.inventory import operate
from providers.machine.ssh_session import SshSession
from tests.lab.conftest import MachineFactory
from tests.lab.support import until

ACCOUNTS = {
    "title": "printf 'printf \"\\\\033]0;box\\\\007\"\\n' >~/.bashrc",
    "number": "echo 'echo 42' >~/.bashrc",
    "chatty": "echo 'seq 1 20000' >~/.bashrc",
    "binary": "printf 'printf \"\\\\377\\\\000\\\\n7\\\\n\"\\n' >~/.bashrc",
    "hangs": "echo 'sleep 600' >~/.bashrc",
    "leaves": "echo 'exit 3' >~/.bashrc",
    "forced": "sed -i 's/^/command=\"uptime\" /' ~/.ssh/authorized_keys",
    "echoes": "sed -i 's/^/command=\"cat\" /' ~/.ssh/authorized_keys",
    "nologin": "",
    "silent": "",
    "csh": "echo 'set prompt=\"% \"; echo hello' >~/.tcshrc; echo 'echo hello' >~/.cshrc",
    "terminal": "",
    "noexec": "",
}
SHELLS = {"nologin": "/usr/sbin/nologin", "silent": "/bin/false"}


@pytest.fixture(scope="module")
def box(machine: MachineFactory) -> Machine:
    made = machine("ways")
    public = (made.folder / "id_ed25519.pub").read_text()
    text = "set -eu\n"
    for name, prepared in ACCOUNTS.items():
        text += f"useradd --create-home --shell /bin/bash {name}\nmkdir -p /home/{name}/.ssh\n"
        text += f"cat >/home/{name}/.ssh/authorized_keys <<'END'\n{public}END\nchown -R {name} /home/{name}\n"
        text += f"su -s /bin/sh - {name} <<'END'\n{prepared or ':'}\nEND\n"
        text += f"echo '{name} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{name}\n"
        if name in SHELLS:
            text += f"usermod --shell {SHELLS[name]} {name}\n"
    text += "echo 'Defaults:terminal requiretty' >/etc/sudoers.d/requiretty\n"
    made.run("sh", stdin=text)
    return made


def few_sessions(box: Machine, number: int | None) -> None:
    """Let sshd allow so many sessions of a connection, or as many as ever; and wait until it listens again."""
    file = "/etc/ssh/sshd_config.d/few.conf"
    box.run(f"echo 'MaxSessions {number}' >{file}" if number is not None else f"rm {file}")
    box.run("systemctl reload ssh")
    time.sleep(1)
    until(lambda: box.run("ss -Hltn 'sport = :22' | grep -q .", check=False).returncode == 0, "sshd listens")


def connection(box: Machine, user: str) -> Connection:
    return Connection(box.name, Host(user=user), str(box.ssh_config))


async def through(way: Connection, work: Callable[[SshSession], Awaitable[Any]] | None = None) -> Any:
    async def who(session: SshSession) -> str:
        return (await session.run("id", "-un")).stdout.strip()

    return await operate(way, work or who, deadline=240, progress=print, warn=print)


@pytest.mark.parametrize("user", ["title", "number", "chatty", "binary"])
async def test_a_login_that_speaks_first_is_listened_to_and_gone_past(box: Machine, user: str):
    way = connection(box, user)
    try:
        assert await through(way) == "root"
    finally:
        await way.close()


@pytest.mark.parametrize(
    ("user", "why", "remedy"),
    [
        ("nologin", "has a login shell that runs nothing", "usermod -s /bin/sh nologin"),
        ("silent", "does not run the commands that it is given", "the login shell"),
        ("forced", "does not run the commands that it is given", "forced command"),
        ("echoes", "does not run the commands that it is given", "forced command"),
        ("leaves", "does not run the commands that it is given", "the login shell"),
        ("terminal", "wants a terminal", "Defaults:terminal !requiretty"),
        ("hangs", "does not run the commands that it is given", "the login shell"),
    ],
)
async def test_a_closed_door_tells_its_own_reason_in_time(box: Machine, user: str, why: str, remedy: str):
    way, begun = connection(box, user), time.monotonic()
    try:
        with pytest.raises(ConnectionFailed, match=why) as caught:
            await through(way)
        assert remedy in caught.value.remedy
        assert caught.value.machine == way.label
        # A minute is for users; here other tests have the processor, too.
        assert time.monotonic() - begun < 180
    finally:
        await way.close()


async def test_another_family_of_shells_gets_through(box: Machine):
    install = "apt-get -q update && apt-get install -y -q tcsh && usermod --shell /bin/tcsh csh"
    if box.run(install, check=False, timeout=300).returncode != 0:
        pytest.skip("tcsh can't be installed on the machine")
    way = connection(box, "csh")
    try:
        assert await through(way) == "root"
    finally:
        await way.close()


@pytest.mark.parametrize("sessions", [1, 2])
async def test_as_many_sessions_as_sshd_allows_do(box: Machine, sessions: int):
    few_sessions(box, sessions)
    way = connection(box, "admin")

    async def slow(session: SshSession) -> str:
        return (await session.run("sh", "-c", "sleep 0.3; echo done")).stdout.strip()

    try:
        answers = await asyncio.gather(*(through(way, slow) for _ in range(12)))
        assert answers == ["done"] * 12
    finally:
        await way.close()
        few_sessions(box, None)


async def test_an_sshd_that_allows_no_session_is_told_by_its_setting(box: Machine):
    few_sessions(box, 0)
    way = connection(box, "admin")
    try:
        with pytest.raises(ConnectionFailed, match="opens no session") as caught:
            await through(way)
        assert "MaxSessions" in caught.value.remedy
    finally:
        await way.close()
        few_sessions(box, None)


async def test_a_full_process_table_is_told_as_that(box: Machine):
    box.run("echo 'noexec hard nproc 0' >/etc/security/limits.d/noexec.conf")
    box.run("echo 'true | true; /bin/true' >>/home/noexec/.bashrc")
    way = connection(box, "noexec")
    try:
        with pytest.raises(ConnectionFailed, match="can start no more processes") as caught:
            await through(way)
        assert "TasksMax" in caught.value.remedy
    finally:
        await way.close()
        box.run("rm /etc/security/limits.d/noexec.conf")
