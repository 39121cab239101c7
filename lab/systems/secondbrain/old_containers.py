"""The containers that the SecondBrain task list finds on the machine: an ordinary user's own, made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from lab.machine import Machine

BACKEND = "localhost/secondbrain/backend:latest"
OLLAMA = "docker.io/ollama/ollama:latest"
WAIT_SECONDS = 60


def seed(machine: Machine, user: str) -> None:
    """Pull the stand-ins as the user, under the names that the task list knows, and run them as rootless containers.

    Needs podman on the machine (image "machine-podman") and the lab's registry. Safe to run twice.
    """
    if not machine.run("command -v podman", check=False).ok:
        raise LabError(
            f"The machine {machine.name!r} has no podman, so {user} can't have containers there. Nothing was done. "
            'Make it with image="machine-podman", or install podman first.'
        )
    machine.run(f"loginctl enable-linger {user} && until [ -S /run/user/$(id -u {user})/bus ]; do sleep 0.1; done")
    # The backend was built on the machine by its user: only its own name is left, not where the lab had it from.
    script = f"""set -e
    podman image exists {BACKEND} || {{
        podman pull -q registry:5000/secondbrain/backend:latest
        podman tag registry:5000/secondbrain/backend:latest {BACKEND}
        podman untag registry:5000/secondbrain/backend:latest registry:5000/secondbrain/backend:latest
    }}
    podman image exists {OLLAMA} || podman pull -q {OLLAMA}
    podman container exists secondbrain-ollama || podman run -d --name secondbrain-ollama -p 11434:11434 {OLLAMA}
    podman container exists secondbrain-backend || podman run -d --name secondbrain-backend -p 8000:8000 {BACKEND}
    podman start secondbrain-ollama secondbrain-backend
    """
    machine.run(script, user=user, timeout=WAIT_SECONDS * 2)
