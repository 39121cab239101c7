"""Figures of the core stack, run by compose on a lab machine: its start, its answers, its memory at idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.figures import Figure, timed
from tests.lab.systems.core.core_machine import ACCESS_PASSWORD, FOLDER, compose, load, send

if TYPE_CHECKING:
    from lab import Lab, Machine

LOAD_SECONDS = 15
RATES = (200, 2000)
"""Requests a second that are asked for: what the tests use, and more than the machine can do."""
SERVICES = ("postgres", "backend", "ollama")


def measure(lab: Lab) -> list[Figure]:
    """Measure everything, on a machine of its own."""
    lab.registry()
    machine = lab.machine("core", image="machine-docker")
    send(machine)
    secrets = f"POSTGRES_PASSWORD=bench SECRET_KEY=bench-0123456789abcdef ACCESS_PASSWORD={ACCESS_PASSWORD}"
    machine.run(f"cd {FOLDER} && printf '%s\\n' {secrets} > .env && chmod 600 .env")
    found = [Figure("building the image, first time", timed(lambda: compose(machine, "build")))]
    compose(machine, "--profile ai pull --quiet postgres ollama")
    found.append(Figure("start to healthy, new database", timed(lambda: _up(machine))))
    compose(machine, "--profile ai down")
    found.append(Figure("start to healthy, database there", timed(lambda: _up(machine))))
    names = " ".join(f"mail-assistant-{service}-1" for service in SERVICES)
    used = machine.run(f"docker stats --no-stream --format '{{{{.MemUsage}}}}' {names}").stdout.splitlines()
    for service, text in zip(SERVICES, used, strict=True):
        found.append(Figure(f"memory of {service} at idle", text.split("/")[0].strip()))
    for path in ("/health", "/"):
        for rate in RATES:
            seen = load(machine, rate, path, LOAD_SECONDS)
            asked = "at 200 requests/s" if rate == RATES[0] else "as fast as it goes"
            times = seen["milliseconds"]
            figure = f"{seen['right'] / seen['seconds']:.0f} requests/s, p50 {times['p50']} ms, p99 {times['p99']} ms"
            found.append(Figure(f"{path} {asked}", figure))
    return found


def _up(machine: Machine) -> str:
    return compose(machine, "--profile ai up --detach --wait")
