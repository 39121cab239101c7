"""The two containers of a SecondBrain host, as they are described to Quadlet or podmgr."""

from __future__ import annotations

import pulumi

from components.blocks.quadlet import Container, Group, Publication, http_health_command, shared_folder
from config.systems.secondbrain import SecondBrain


def described(settings: SecondBrain, port: int, image: str, *, secret_environment: bool) -> Group:
    """Return both containers: ollama, then the backend, which needs it. A pure function.

    `port` and `image` are the backend's, which the old container may tell. `secret_environment`: it has a file of
    variables beside those of the settings. Raises RunError where the old backend's port is ollama's.
    """
    pod = settings.pod
    if port == pod.ollama_port:
        raise pulumi.RunError(
            f"the old backend's port {port} is also hearth:secondbrain.pod.ollama-port, so one of the two "
            "containers could not be reached; give ollama-port another value"
        )
    ollama = Container(
        name=f"{pod.name}-ollama",
        description="Ollama, the models of SecondBrain",
        image=pod.ollama_image,
        health_command="ollama list",
        publications=tuple(Publication(str(address), pod.ollama_port) for address in pod.ollama_addresses),
        volumes=(f"{settings.account.home}/ollama:/root/.ollama",),
        environment={"OLLAMA_HOST": f"0.0.0.0:{pod.ollama_port}"},
    )
    backend = Container(
        name=f"{pod.name}-backend",
        description="The backend of SecondBrain",
        image=image,
        health_command=pod.backend_health_command or http_health_command(port, pod.backend_health_path),
        publications=tuple(Publication(str(address), port) for address in pod.backend_addresses),
        volumes=(shared_folder(str(settings.share.mount_point)),) if settings.share else (),
        environment=pod.backend_environment,
        peers={"OLLAMA_HOST": (ollama.name, pod.ollama_port)},
        environment_file=f"{settings.account.home}/backend.env" if secret_environment else None,
        after=(ollama.name,),
        # The share's files are the account's group's to read, and that is group 0 in its containers: so a
        # backend whose user is not root reads them too.
        groups=("0",) if settings.share else (),
    )
    containers = (ollama, backend)
    return Group(pod.name, "The containers of SecondBrain", containers, pod.start_timeout, pod.health_interval)
