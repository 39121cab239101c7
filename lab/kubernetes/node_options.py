"""What a lab machine needs of Docker to be a node of the cluster, beyond what every machine has."""

from __future__ import annotations

from pathlib import Path

from lab.errors import LabError
from lab.kubernetes import build

NODE_IMAGE = "machine-kubernetes"
# Where a node of a cluster finds Kubernetes: a read-only mount of the toolchain's cache.
PROGRAMS = "/usr/local/lib/kubernetes"


def node_options(container: str) -> list[str]:
    """Return the further options of `docker create`. Raises LabError where Kubernetes was not built yet."""
    # Kubernetes' programs are shared by all nodes of this computer. The kubelet reads the kernel's log.
    folder = build.built()
    if folder is None:
        raise LabError(
            f"{container} is to be a node of a cluster, and Kubernetes was not built on this computer yet. The "
            "machine was not made. Call `lab.kubernetes()`, which builds it first."
        )
    return ["--volume", f"{folder}:{PROGRAMS}:ro", *(["--device", "/dev/kmsg"] if Path("/dev/kmsg").exists() else [])]
