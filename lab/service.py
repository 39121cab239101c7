"""The lab's services, containers without sshd: the image registry, and the stand-in for the Windows machine."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.docker import cli, inside, recipes
from lab.docker.cli import Result
from lab.errors import EngineError, LabError
from lab.locks import machine_lock
from lab.ssh_files import write_private
from toolchain.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import NoReturn

    from lab.docker.images import Images

REGISTRY_PORT = 5000
START_SECONDS = 120
PUSH_SECONDS = 300
_FILLING = "hearth-lab-registry-filling"


@dataclass
class Service:
    """A container of the lab that answers on a port of its own address."""

    name: str
    container: str
    address: str
    image: str
    port: int

    def run(
        self, command: str, *, stdin: str | bytes | None = None, timeout: float = 120, check: bool = True
    ) -> Result:
        """Run a shell command in the container, as root, through Docker."""
        return inside.run(self.container, "sh", "-c", command, stdin=stdin or "", timeout=timeout, check=check)

    def stop(self) -> None:
        """Switch the service off, as when the Windows machine sleeps; its address answers nothing until `start`."""
        cli.docker("stop", "--time", "3", self.container)

    def start(self) -> None:
        """Switch the service on and wait until it answers."""
        cli.docker("start", self.container)
        inside.forget(self.container)
        self.wait_until_up()

    def is_running(self) -> bool:
        """Say whether the service is on."""
        found = cli.inspect("container", self.container)
        return found is not None and bool(found["State"]["Running"])

    def wait_until_up(self) -> None:
        """Wait until the port answers; raise LabError with the last log lines of the service otherwise."""
        # Asked from inside, so that the answer does not depend on this machine's own network or proxy.
        hexadecimal = f"{self.port:04X}"
        script = f"grep -qE ' (0{{8}}|0{{32}}):{hexadecimal} ' /proc/net/tcp /proc/net/tcp6"

        def deaf(_: bool) -> NoReturn:
            log = cli.docker("logs", "--tail", "12", self.container, check=False)
            raise LabError(
                f"The lab's {self.name} did not listen on port {self.port} within {START_SECONDS} s. It is left as "
                f"it is: look with `docker logs {self.container}`. Its last log lines:\n{log.stdout}{log.stderr}"
            )

        def listens() -> bool:
            return inside.run(self.container, "sh", "-c", script, check=False).ok

        wait_until(listens, START_SECONDS, deaf)


@dataclass(frozen=True)
class LabShare:
    """How to reach the share of the stand-in for the Windows machine."""

    host: str
    address: str
    share: str
    user: str
    password: str
    domain: str


def ensure_registry_image(images: Images, say: Callable[[str], None]) -> str:
    """Return the tag of the filled registry's image, having made and filled it if it was missing."""
    published = {name: images.tag(recipe) for name, recipe in recipes.PUBLISHED.items()}
    tag = recipes.registry_tag(images.tag("registry-server"), published)
    if cli.inspect("image", tag) is not None:
        return tag
    # The longest way first: its base is made while others still wait for theirs.
    _, server, *_ = images.ensure_all(["python311", "registry-server", *recipes.PUBLISHED.values()])
    with machine_lock("registry-filling"):
        if cli.inspect("image", tag) is None:
            started = time.monotonic()
            _fill(server, published, tag)
            say(f"image registry: filled with {len(published)} images in {time.monotonic() - started:.0f} s")
    return tag


def _fill(server: str, published: dict[str, str], tag: str) -> None:
    # The name is fixed: what a filling that was cut short left behind goes first.
    cli.docker("rm", "--force", "--volumes", _FILLING, check=False)
    # Docker trusts a registry without TLS on the loopback address alone, so it is there for as long as this takes.
    cli.docker("run", "--detach", "--name", _FILLING, "--publish", f"127.0.0.1::{REGISTRY_PORT}", server)
    pushed: list[str] = []
    try:
        found = cli.inspect("container", _FILLING)
        assert found is not None
        port = int(found["NetworkSettings"]["Ports"][f"{REGISTRY_PORT}/tcp"][0]["HostPort"])
        _wait_for_registry(port)
        for name, local in published.items():
            remote = f"127.0.0.1:{port}/{name}"
            cli.docker("tag", local, remote)
            pushed.append(remote)
            cli.docker("push", remote, timeout=PUSH_SECONDS)
        cli.docker("stop", "--time", "5", _FILLING)
        cli.docker("commit", _FILLING, tag)
    finally:
        if pushed:
            cli.docker("rmi", "--no-prune", *pushed, check=False)
        cli.docker("rm", "--force", "--volumes", _FILLING, check=False)


def _wait_for_registry(port: int) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def refusal() -> OSError | None:
        try:
            with opener.open(f"http://127.0.0.1:{port}/v2/", timeout=5):
                return None
        except OSError as error:
            return error

    def silent(error: OSError | None) -> NoReturn:
        raise EngineError(f"The registry that is being filled does not answer on port {port}: {error}") from error

    wait_until(refusal, START_SECONDS, silent, good=lambda error: error is None)


def share_password(folder: Path) -> str:
    """Return the password of the share, made up at the first use and kept in the lab's folder (0600)."""
    path = folder / "windows.json"
    if path.exists():
        return str(json.loads(path.read_text())["password"])
    return secrets.token_urlsafe(18)


def read_share(folder: Path) -> LabShare:
    """Return how to reach the share, as `set_share_password` wrote it down; raise LabError where nobody did."""
    path = folder / "windows.json"
    if not path.exists():
        raise LabError("The Windows stand-in was not made yet, so its share has no password. Call `windows()` first.")
    return LabShare(**json.loads(path.read_text()))


def set_share_password(service: Service, folder: Path) -> LabShare:
    """Give the share's user the kept password and write down how to reach the share."""
    share = LabShare("windows", service.address, "PersonalAssistantHub", "share", share_password(folder), "WORKGROUP")
    service.run("smbpasswd -s -a share", stdin=f"{share.password}\n{share.password}\n")
    write_private(folder / "windows.json", json.dumps(share.__dict__, indent=2) + "\n")
    # The same under the names of the dev stack's secrets: `hearth:secrets-file` of its settings names this file.
    keys = {"username": share.user, "password": share.password, "domain": share.domain}
    settings = {f"secondbrain-smb-{key}": value for key, value in keys.items()}
    write_private(folder / "secrets.json", json.dumps(settings, indent=2) + "\n")
    return share
