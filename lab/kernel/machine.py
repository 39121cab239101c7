"""A machine with a kernel of its own: the same in a test's hands as any other of the lab."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lab.docker import cli, inside
from lab.errors import EngineError, LabError
from lab.kernel.options import OWN, STOP_SECONDS, as_tar
from lab.machine import AS_AFTER_A_LOGIN, Machine
from toolchain.waiting import wait_until

if TYPE_CHECKING:
    from typing import NoReturn

    from lab.docker.cli import Result
    from lab.kernel.options import KernelOptions

GUEST = "/usr/local/lib/hearth-lab/guest"
PLUG = "/usr/local/lib/hearth-lab/plug"
ANSWER_SECONDS = 30
BOOT_SECONDS = 900
"""Software emulates the processor: on two cores that others use, too, a boot takes a minute."""


@dataclass
class KernelMachine(Machine):
    """A virtual machine in a container. `run` goes through QEMU's guest agent, so it works with the network cut."""

    slowness: ClassVar[int] = 5
    pause: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Name the folder of the container whose files are on the machine's disk at its next start."""
        self.root = f"{OWN}/seed"

    def set_up(self, options: KernelOptions) -> None:
        """Before the first start: write down the hardware that QEMU is to emulate."""
        cli.docker("cp", "-", f"{self.container}:{OWN}", stdin=as_tar(options.files()))

    def run(
        self,
        command: str,
        *,
        user: str = "root",
        stdin: str | bytes | None = None,
        timeout: float = 300,
        check: bool = True,
    ) -> Result:
        """Run a shell command on the machine as a user, in that user's session environment; `timeout` in seconds."""
        if user == "root":
            words = ["/bin/sh", "-c", command]
        else:
            words = ["/usr/sbin/runuser", "-u", user, "--", "sh", "-c", AS_AFTER_A_LOGIN + command]
        return inside.run(self.container, GUEST, "run", *words, stdin=stdin or "", timeout=timeout, check=check)

    def ssh(
        self,
        command: str,
        *,
        user: str | None = None,
        stdin: bytes | None = None,
        timeout: float = 300,
        check: bool = True,
    ) -> Result:
        """Run a command over the network with the lab's key and the known host key."""
        return super().ssh(command, user=user, stdin=stdin, timeout=timeout, check=check)

    def wait_for_a_shell(self, timeout: float = BOOT_SECONDS) -> None:
        """After the start, wait until `run` works; raise LabError with the console's last lines otherwise."""

        def answers() -> bool:
            pinged = inside.run(self.container, GUEST, "ping", timeout=60, check=False).ok
            if not pinged and not self.is_running():
                not_booted(False)
            return pinged

        def not_booted(_: bool) -> NoReturn:
            log = cli.docker("logs", "--tail", "20", self.container, check=False)
            raise LabError(
                f"The machine {self.name!r} ({self.container}) did not boot within {timeout:g} s. It is left as it "
                f"is: `docker logs {self.container}` shows its console.\n{log.stdout}{log.stderr}"
            )

        wait_until(answers, timeout, not_booted, pause=0.5)

    def wait_until_up(self, timeout: float = BOOT_SECONDS) -> str:
        """Wait for the end of the boot; return the machine's public host key, read out through the guest agent."""
        deadline = time.monotonic() + timeout
        self.wait_for_a_shell(timeout)
        return super().wait_until_up(max(deadline - time.monotonic(), 30))

    def stop(self) -> None:
        """Shut the machine down in order; it stays off until `start`."""
        cli.docker("stop", "--time", str(STOP_SECONDS), self.container, timeout=STOP_SECONDS + 60)

    def _keep_names(self) -> None:
        """Do nothing: its /etc/hosts is a file of its own, which Docker does not see."""

    def reboot(self) -> None:
        """Restart from inside, as `systemctl reboot` does; waits for the end of the boot."""
        before, begun = self.boot_id(), self._begun()
        # What goes down may take the answer with it.
        with contextlib.suppress(EngineError):
            self.run("systemctl reboot", check=False, timeout=ANSWER_SECONDS)

        def away(_: str) -> NoReturn:
            raise LabError(f"{self.name!r} did not come back from its restart within {BOOT_SECONDS} s.")

        # QEMU ends with the boot and Docker starts it anew: asking Docker is no work for the machine.
        wait_until(self._begun, BOOT_SECONDS, away, good=lambda now: now != begun, pause=self.pause)
        self.wait_until_up()
        if self.boot_id() == before:
            away(before)

    def boot_id(self) -> str:
        """Return the kernel's id of this boot."""
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def _begun(self) -> str:
        """Return when QEMU was started last."""
        return cli.docker("inspect", "--format", "{{.State.StartedAt}}", self.container).stdout.strip()

    def set_command_line(self, words: str) -> None:
        """Give the kernel these words beside the lab's own from the next boot on, as a boot loader's settings do."""
        cli.docker("cp", "-", f"{self.container}:{OWN}", stdin=as_tar({"command-line": f"{words}\n"}))

    def set_early_script(self, text: str) -> None:
        """Have the initramfs run this before udev from the next boot on, as initramfs-tools runs those of init-top.

        The lab's initramfs has busybox and the modules of disk and network card; the machine's own is not used.
        """
        cli.docker("cp", "-", f"{self.container}:{OWN}", stdin=as_tar({"early/script": text}))

    def follow_its_container(self) -> None:
        """Take over the address that Docker has given the container since, as the machine's network card would."""
        old = self.run("ip -4 -o addr show dev eth0 scope global").stdout.split()[3]
        cli.docker("exec", self.container, PLUG)
        new, gateway = (
            cli.docker("exec", self.container, "cat", f"{OWN}/{name}").stdout.strip() for name in ("address", "gateway")
        )
        self.run(f"ip addr add {new} dev eth0; ip addr del {old} dev eth0; ip route replace default via {gateway}")
