"""Carries out, on a lab machine, what a program registers: networks, volumes, images, containers, commands and kinds.

A stand-in for the engine with the Docker provider, which can't be had everywhere: it makes what the component describes
with Docker's SDK, over ssh. So a description that Docker refuses, or that does not work, is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from docker import DockerClient
from docker.errors import NotFound
from docker.types import Healthcheck, LogConfig

from checks.run import connected
from config.hosts import Machines
from lab import Machine
from providers.kinds.table import TABLE
from providers.machine.inventory import operate
from providers.machine.session import Session
from tests.lab.support import until
from toolchain.waiting import wait_until

Result = TypeVar("Result")
PULL_SECONDS = 300
CONNECT_SECONDS = 90


def on_session(machines: Machines, name: str, work: Callable[[Session], Awaitable[Result]]) -> Result:
    """Do some work on a machine over the provider's own connection, from a thread with a loop of its own."""
    found: list[Result] = []
    failed: list[BaseException] = []

    async def run() -> Result:
        async with connected(machines, Path.cwd()) as inventory:
            connection = inventory.connection(name)
            return await operate(connection, work, deadline=300, progress=print, warn=print)

    def inside() -> None:
        try:
            found.append(asyncio.run(run()))
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that asked
            failed.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


class Applier:
    """An answer for a Recorder that makes things come true."""

    def __init__(self, engine: DockerClient, machines: Machines) -> None:
        self._engine, self._machines = engine, machines
        self.said: dict[str, str] = {}
        """What each command wrote, by the resource's name."""

    def __call__(self, token: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        plain = plain_values(inputs)
        if token == "docker:index/network:Network":
            self._network(plain["name"])
        elif token == "docker:index/volume:Volume":
            self._engine.volumes.create(plain["name"])
        elif token == "docker:index/remoteImage:RemoteImage":
            return {"imageId": self._engine.images.pull(plain["name"]).id}
        elif token == "docker:index/container:Container":
            self._container(plain)
        elif token == "command:local:Command":
            self.said[name] = self._command(plain)
            return {"stdout": self.said[name]}
        elif token.startswith("hearth:host:"):
            return on_session(self._machines, plain["host"], lambda session: _kind(session, token, plain))
        return {}

    def _command(self, plain: Mapping[str, Any]) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", plain["create"]],
            input=plain.get("stdin", ""),
            capture_output=True,
            text=True,
            timeout=590,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def _network(self, name: str) -> None:
        if not self._engine.networks.list(names=[f"^{name}$"]):
            self._engine.networks.create(name)

    def _container(self, plain: Mapping[str, Any]) -> None:
        interface, health = self._engine.api, plain["healthcheck"]
        ports: dict[int, list[tuple[str, int]]] = {}
        for entry in plain.get("ports") or []:
            ports.setdefault(entry["internal"], []).append((entry["ip"], entry["external"]))
        host = interface.create_host_config(
            restart_policy={"Name": plain["restart"]},
            mem_limit=f"{plain['memory']}m",
            memswap_limit=f"{plain['memorySwap']}m",
            binds=[f"{entry['volumeName']}:{entry['containerPath']}" for entry in plain.get("volumes") or []],
            port_bindings=ports,
            read_only=plain.get("readOnly", False),
            tmpfs=plain.get("tmpfs"),
            cap_drop=(plain.get("capabilities") or {}).get("drops"),
            security_opt=plain.get("securityOpts"),
            log_config=LogConfig(type=plain["logDriver"], config=plain["logOpts"]),
        )
        networks = {
            entry["name"]: interface.create_endpoint_config(aliases=entry["aliases"])
            for entry in plain["networksAdvanced"]
        }
        with contextlib.suppress(NotFound):
            old = self._engine.containers.get(plain["name"])
            old.stop(timeout=plain["destroyGraceSeconds"])
            old.remove()
        made = interface.create_container(
            plain["image"],
            name=plain["name"],
            environment=plain["envs"],
            ports=list(ports),
            healthcheck=Healthcheck(
                test=health["tests"],
                interval=_nanoseconds(health["interval"]),
                timeout=_nanoseconds(health["timeout"]),
                retries=health["retries"],
                start_period=_nanoseconds(health["startPeriod"]),
            ),
            stop_timeout=plain["stopTimeout"],
            host_config=host,
            networking_config=interface.create_networking_config(networks),
        )
        interface.start(made)
        if plain.get("wait"):
            self._wait_until_healthy(plain["name"], plain["waitTimeout"])

    def _wait_until_healthy(self, name: str, seconds: float) -> None:
        """Wait as the provider does; its log where it takes too long."""
        container = self._engine.containers.get(name)

        def healthy() -> bool:
            container.reload()
            return container.health == "healthy"

        def late(_: bool) -> NoReturn:
            raise AssertionError(container.logs(tail=20).decode())

        wait_until(healthy, seconds, late)


def _nanoseconds(text: str) -> int:
    """Return `1m0s`, as the provider takes it, as Docker's interface wants it."""
    parts = re.findall(r"([0-9]+)([hms])", text)
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts) * 1_000_000_000


@contextlib.contextmanager
def docker_engine(machine: Machine) -> Iterator[DockerClient]:
    """Yield the engine of a machine, reached as an operator reaches it: by ssh, by name, with the lab's configuration.

    The SDK's own ssh knows no other configuration than the user's, so its socket is brought here by ssh itself.
    """
    with tempfile.TemporaryDirectory(prefix="hearth-docker-") as folder:
        near = Path(folder) / "docker.sock"
        words = ["ssh", "-F", str(machine.ssh_config), "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-N"]
        command = [*words, "-L", f"{near}:/var/run/docker.sock", machine.name]
        tunnel = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:

            def there() -> bool:
                assert tunnel.poll() is None, tunnel.communicate()[1]
                return near.exists()

            until(there, f"a connection to {machine.name}", CONNECT_SECONDS)
            client = DockerClient(base_url=f"unix://{near}", timeout=PULL_SECONDS)
            try:
                yield client
            finally:
                client.close()
        finally:
            tunnel.terminate()
            tunnel.communicate()


async def _kind(session: Session, token: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    kind = TABLE[token]
    wish = kind.inputs.model_validate({name: value for name, value in plain.items() if value is not None})
    facts = await kind.observe(session, wish)
    if kind.differences(wish, facts) or not facts.present:
        await kind.apply(session, wish, facts)
        facts = await kind.observe(session, wish)
    assert kind.differences(wish, facts) == {}
    return {name: value for name, value in facts.model_dump(mode="json", by_alias=True).items() if name in kind.outputs}


def plain_values(value: Any) -> Any:
    """Return a value without the wrapping of a secret."""
    if isinstance(value, Mapping):
        if "4dabf18193072939515e22adb298388d" in value:
            return plain_values(value.get("value"))
        return {key: plain_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain_values(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shown(value: Any) -> str:
    """Return a value as one text, to look for something in it."""
    return json.dumps(value, default=str)
