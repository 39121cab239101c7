"""Carries out, on a lab machine, what a program registers: networks, volumes, images, containers, commands and kinds.

A stand-in for the engine with the Docker provider, which can't be had everywhere: it makes what the component describes
with the docker command on the machine itself. So a description that Docker refuses, or that does not work, is seen.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from checks.run import connected
from config.hosts import Machines
from lab import Machine
from providers.kinds import KINDS
from providers.plugin.machines import operate
from providers.session import Session

Result = TypeVar("Result")
PULL_SECONDS = 300


def on_session(machines: Machines, name: str, work: Callable[[Session], Awaitable[Result]]) -> Result:
    """Do some work on a machine over the provider's own connection, from a thread with a loop of its own."""
    found: list[Result] = []
    failed: list[BaseException] = []

    async def run() -> Result:
        async with connected(machines, Path.cwd()) as estate:
            connection = estate.connection(name)
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


class Carrier:
    """An answer for a Recorder that makes things come true."""

    def __init__(self, machine: Machine, machines: Machines) -> None:
        self._machine, self._machines = machine, machines
        self.done: list[str] = []
        self.said: dict[str, str] = {}
        """What each command wrote, by the resource's name."""

    def __call__(self, token: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        plain = plain_values(inputs)
        self.done.append(name)
        if token == "docker:index/network:Network":
            self._docker(f"network inspect {plain['name']} || docker network create {plain['name']}")
        elif token == "docker:index/volume:Volume":
            self._docker(f"volume create {plain['name']}")
        elif token == "docker:index/remoteImage:RemoteImage":
            self._docker(f"pull --quiet {plain['name']}", timeout=PULL_SECONDS)
            return {"imageId": self._docker(f"image inspect --format '{{{{.Id}}}}' {plain['name']}").strip()}
        elif token == "docker:index/container:Container":
            self._container(plain)
        elif token == "command:local:Command":
            self.said[name] = self._command(plain)
            return {"stdout": self.said[name]}
        elif token.startswith("hearth:host:"):
            return on_session(self._machines, plain["host"], lambda session: _kind(session, token, plain))
        return {}

    def _docker(self, command: str, timeout: float = 120) -> str:
        return self._machine.run(f"docker {command}", timeout=timeout).stdout

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

    def _container(self, plain: Mapping[str, Any]) -> None:
        health = plain["healthcheck"]
        words = ["run", "--detach", "--name", plain["name"], "--restart", plain["restart"]]
        kind, *test = health["tests"]
        assert kind == "CMD"
        words += ["--health-cmd", shlex.join(test), "--health-interval", health["interval"]]
        words += ["--health-timeout", health["timeout"], "--health-retries", str(health["retries"])]
        words += ["--health-start-period", health["startPeriod"]]
        words += ["--memory", f"{plain['memory']}m", "--memory-swap", f"{plain['memorySwap']}m"]
        words += ["--stop-timeout", str(plain["stopTimeout"]), "--log-driver", plain["logDriver"]]
        for entry in plain["networksAdvanced"]:
            words += ["--network", entry["name"], *(f"--network-alias={alias}" for alias in entry["aliases"])]
        for entry in plain.get("volumes") or []:
            words += ["--volume", f"{entry['volumeName']}:{entry['containerPath']}"]
        for entry in plain.get("ports") or []:
            words += ["--publish", f"{entry['ip']}:{entry['external']}:{entry['internal']}"]
        words += ["--read-only"] if plain.get("readOnly") else []
        words += [f"--tmpfs={path}" for path in plain.get("tmpfs") or {}]
        words += [f"--cap-drop={name}" for name in (plain.get("capabilities") or {}).get("drops", [])]
        words += [f"--security-opt={option}" for option in plain.get("securityOpts") or []]
        words += [f"--log-opt={key}={value}" for key, value in plain["logOpts"].items()]
        # Values by a file: an argument would show in the process list.
        file = f"/root/{plain['name']}.env"
        self._machine.write(file, "".join(f"{line}\n" for line in plain["envs"]), mode="0600")
        self._docker(f"rm --force {plain['name']}")
        self._docker(shlex.join([*words, "--env-file", file, plain["image"]]))
        self._machine.run(f"rm {file}")
        if plain.get("wait"):
            self.wait_until_healthy(plain["name"], plain["waitTimeout"])

    def wait_until_healthy(self, container: str, seconds: float) -> None:
        """Wait as the provider does; its log where it takes too long."""
        deadline = time.monotonic() + seconds
        while self._docker(f"inspect --format '{{{{.State.Health.Status}}}}' {container}").strip() != "healthy":
            assert time.monotonic() < deadline, self._machine.run(f"docker logs --tail 20 {container} 2>&1").stdout
            time.sleep(0.3)


async def _kind(session: Session, token: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    (kind,) = (kind for kind in KINDS if kind.token == token)
    wish = kind.inputs.model_validate({name: value for name, value in plain.items() if value is not None})
    facts = await kind.observe(session, wish)
    if kind.differences(wish, facts) or not facts.present:
        await kind.apply(session, wish, facts)
        facts = await kind.observe(session, wish)
    assert kind.differences(wish, facts) == {}
    return {name: value for name, value in facts.model_dump(mode="json", by_alias=True).items() if name in kind.outputs}


def plain_values(value: Any) -> Any:
    """A value without the wrapping of a secret."""
    if isinstance(value, Mapping):
        if "4dabf18193072939515e22adb298388d" in value:
            return plain_values(value.get("value"))
        return {key: plain_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain_values(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shown(value: Any) -> str:
    """A value as one text, to look for something in it."""
    return json.dumps(value, default=str)
