"""A thin hand on the `docker` command: every call of the lab to Docker passes through here."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAST_LINES = 12  # lines of a command's output in a message


@dataclass(frozen=True)
class Result:
    """What a command answered."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether the command ended with 0."""
        return self.returncode == 0


def run(
    command: Sequence[str],
    *,
    stdin: str | bytes | None = None,
    timeout: float = 120,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a command on this machine; `timeout` in seconds.

    Raises EngineError if it can't be started, takes too long, or (with `check`) ends with anything but 0.
    """
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            list(command),
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            timeout=timeout,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        raise EngineError(
            f"The command {command[0]!r} is not on this machine, and the lab needs it. "
            "`python -m lab up` as root installs it."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise too_late(command, timeout) from error
    result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    return checked(command, result) if check else result


def _shown(command: Sequence[str]) -> str:
    words = shlex.join(command)
    return words if len(words) < 400 else words[:400] + " ..."


def too_late(command: Sequence[str], seconds: float) -> EngineError:
    """Return the error of a command that took longer than so many seconds."""
    return EngineError(
        f"`{_shown(command)}` did not end within {seconds:g} s and was stopped. "
        "Look at `python -m lab status`, then try again."
    )


def checked(command: Sequence[str], result: Result) -> Result:
    """Return what a command answered, or raise EngineError with its last lines where it ended with anything but 0."""
    if result.ok:
        return result
    output = result.stdout.strip().splitlines()[-LAST_LINES:] + result.stderr.strip().splitlines()[-LAST_LINES:]
    tail = "\n".join(output)
    raise EngineError(f"`{_shown(command)}` ended with {result.returncode}:\n{tail}")


def docker(*arguments: str, stdin: str | bytes | None = None, timeout: float = 120, check: bool = True) -> Result:
    """Run `docker` with these arguments; see `run`."""
    return run(["docker", *arguments], stdin=stdin, timeout=timeout, check=check)


def inspect(kind: str, name: str) -> dict[str, Any] | None:
    """Return what Docker knows of one object (`container`, `network`, `image`, `volume`), or None if it has none."""
    result = docker(kind, "inspect", name, check=False)
    if result.ok:
        return json.loads(result.stdout)[0]
    if "no such" in result.stderr.lower() or "not found" in result.stderr.lower():
        return None
    raise EngineError(f"`docker {kind} inspect {name}` ended with {result.returncode}: {result.stderr.strip()}")


def names(kind: str, labels: Mapping[str, str]) -> list[str]:
    """Return the names of all containers, networks or volumes that carry every one of the labels."""
    filters = [word for key, value in labels.items() for word in ("--filter", f"label={key}={value}")]
    every = ["--all"] if kind == "container" else []
    template = "{{.Names}}" if kind == "container" else "{{.Name}}"
    output = docker(kind, "ls", *every, *filters, "--format", template).stdout
    return sorted(line for line in output.splitlines() if line)
