"""One machine of the lab: what a test does with it, over Docker and not over its network."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from lab import snapshot
from lab.docker import cli, inside
from lab.docker.cli import Result
from lab.errors import EngineError, LabError
from toolchain.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import NoReturn

    from lab.snapshot import Snapshot

STOP_SECONDS = 30
END_SECONDS = 120  # of a container that is killed, until Docker sees it
UP_SECONDS = 240

# The user's own systemd and containers are found through these two.
AS_AFTER_A_LOGIN = """
HOME=$(getent passwd "$(id -u)" | cut -d: -f6) XDG_RUNTIME_DIR=/run/user/$(id -u)
export HOME XDG_RUNTIME_DIR
cd "$HOME" || exit 1
"""

_READY = """
n=0
until systemctl is-active --quiet ssh.service && systemctl is-active --quiet multi-user.target; do
    n=$((n + 1))
    [ "$n" -lt {tries} ] || {{ systemctl --no-pager --failed; systemctl --no-pager list-jobs; exit 1; }}
    sleep {pause}
done
# What logind keeps the door shut with until the boot is over.
while [ -e /run/nologin ]; do sleep {pause}; done
cat /etc/ssh/ssh_host_ed25519_key.pub
"""


@dataclass
class Machine:
    """A container that runs systemd and sshd. `run` goes through Docker, so it works with the network cut."""

    name: str
    container: str
    address: str
    image: str
    folder: Path
    port: int = 22
    user: str = "admin"
    root: str = ""
    """Where in the container the machine's root directory is, for what is put there before its first start."""
    _names: str = field(default="", repr=False, compare=False)
    """/etc/hosts as it was when the machine went off."""
    slowness: ClassVar[int] = 1
    """How many times as long as a container's work may take: what waits for a machine waits that much longer."""
    pause: ClassVar[float] = 0.1
    """Seconds between two looks of what waits for something on the machine: each look is work for it."""

    @property
    def ssh_config(self) -> Path:
        """The lab's ssh_config; with it, `ssh -F <ssh_config> <name>` reaches the machine."""
        return self.folder / "ssh_config"

    def run(
        self,
        command: str,
        *,
        user: str = "root",
        stdin: str | bytes | None = None,
        timeout: float = 120,
        check: bool = True,
    ) -> Result:
        """Run a shell command on the machine as a user, in that user's session environment; `timeout` in seconds.

        Raises EngineError (with the last lines of stderr) if it fails and `check` is set.
        """
        if user == "root":
            words = ["sh", "-c", command]
        else:
            words = ["runuser", "-u", user, "--", "sh", "-c", AS_AFTER_A_LOGIN + command]
        return inside.run(self.container, *words, stdin=stdin or "", timeout=timeout, check=check)

    def ssh(
        self,
        command: str,
        *,
        user: str | None = None,
        stdin: bytes | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> Result:
        """Run a command over the network with the lab's key and the known host key."""
        words = ["ssh", "-F", str(self.ssh_config), *([] if user is None else ["-l", user]), self.name, command]
        return cli.run(words, stdin=stdin, timeout=timeout, check=check)

    def read(self, path: str) -> str:
        """Return a text file's content."""
        return self.run(f"cat -- {shlex.quote(path)}").stdout

    def write(self, path: str, text: str, *, mode: str = "0644", owner: str = "root:root") -> None:
        """Write a text file, making its folder where it is missing."""
        quoted = shlex.quote(path)
        self.run(
            f'mkdir -p "$(dirname {quoted})" && cat > {quoted} && chmod {mode} {quoted} && chown {owner} {quoted}',
            stdin=text,
        )

    def exists(self, path: str) -> bool:
        """Say whether a path (or a dangling link) is there."""
        quoted = shlex.quote(path)
        return self.run(f"[ -e {quoted} ] || [ -L {quoted} ]", check=False).ok

    def wait_for_a_shell(self) -> None:
        """After the start, wait until `run` works: at once in a container."""

    def wait_until_up(self, timeout: float = UP_SECONDS) -> str:
        """Wait for the end of the boot; return the machine's public host key, read out through Docker."""
        try:
            question = _READY.format(tries=int(timeout / self.pause), pause=self.pause)
            return self.run(question, timeout=timeout + 10).stdout.strip()
        except EngineError as error:
            log = cli.docker("logs", "--tail", "20", self.container, check=False)
            raise LabError(
                f"The machine {self.name!r} ({self.container}) was not up within {timeout:g} s. It is left as it is: "
                f"look with `docker exec -it {self.container} journalctl -b`.\n{error}\n{log.stdout}{log.stderr}"
            ) from error

    def stop(self) -> None:
        """Shut the machine down in order; it stays off until `start`."""
        self._keep_names()
        cli.docker("stop", "--time", str(STOP_SECONDS), self.container, timeout=STOP_SECONDS + END_SECONDS)

    def start(self) -> None:
        """Switch the machine on and wait for the end of the boot."""
        cli.docker("start", self.container)
        inside.forget(self.container)
        if self._names:
            self.run("cat > /etc/hosts", stdin=self._names)
        self.wait_until_up()

    def _keep_names(self) -> None:
        """Note /etc/hosts down: Docker writes it anew at each start, the lines of two networks in any order."""
        self._names = self.run("cat /etc/hosts", check=False).stdout

    def restart(self) -> None:
        """Restart the machine in order, and wait for the end of the boot."""
        self.stop()
        self.start()

    def power_cut(self) -> None:
        """End the machine at once, as when its plug is pulled; it stays off until `start`."""
        self._keep_names()
        killed = cli.docker("kill", "--signal", "KILL", self.container, check=False)

        def alive(_: bool) -> NoReturn:
            raise EngineError(f"The machine {self.name!r} ({self.container}) did not end: {killed.stderr.strip()}")

        # On a busy computer Docker gives up waiting before the end has come.
        wait_until(lambda: not self.is_running(), END_SECONDS, alive)

    def cut_network(self) -> None:
        """Pull the network cable: packets are lost without an answer, connections hang. `run` goes on working."""
        # The default route goes with the link, so it is noted down; /run ends with the boot, as the cut does.
        self.run("ip route show default > /run/hearth-lab-route && ip link set dev eth0 down")

    def restore_network(self) -> None:
        """Put the cable back, and the default route that went with the link."""
        self.run("ip link set dev eth0 up && ip route replace $(cat /run/hearth-lab-route)")

    @contextlib.contextmanager
    def network_cut(self) -> Generator[None]:
        """Have no network inside a `with`."""
        self.cut_network()
        try:
            yield
        finally:
            self.restore_network()

    def machine_id(self) -> str:
        """Return the machine's id, which survives restarts and is another one for a machine made anew."""
        return self.read("/etc/machine-id").strip()

    def host_key(self) -> str:
        """Return the public host key (`ssh-ed25519 AAAA...`), read out through Docker."""
        return " ".join(self.read("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])

    def is_running(self) -> bool:
        """Say whether the machine is on."""
        found = cli.inspect("container", self.container)
        return found is not None and bool(found["State"]["Running"])

    def snapshot(self) -> Snapshot:
        """Return what is on the machine now: see lab/snapshot.py."""
        return snapshot.take(self)
