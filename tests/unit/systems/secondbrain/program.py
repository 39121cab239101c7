"""The component SecondBrain, run against a recording mock with the settings that a test gives."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

import pulumi

from components.secondbrain.component import SecondBrain, SecondBrainArgs
from config.systems.secondbrain import SecondBrain as Settings
from tests.unit.recording import Recorder

IMAGE = "docker.io/secondbrain/backend:latest"
OLD_IMAGE = "localhost/secondbrain/backend:latest"
PLAIN: dict[str, Any] = {"host": "brain", "pod": {"backend-image": IMAGE, "backend-port": 8000}}
SHARE: dict[str, Any] = {"server": "windows", "name": "PersonalAssistantHub"}
MIGRATE: dict[str, Any] = {"host": "brain", "migrate": {"user": "backstage440"}}
CANARY = "canary-31c9"


def answer(token: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the provider would add to a resource."""
    match token.rpartition(":")[2]:
        case "User":
            return {"uid": 990, "gid": 985, "subordinateStart": 165536, "subordinateCount": 65536}
        case "ContainerRecord":
            return {"port": 8000, "image": OLD_IMAGE}
        case "ContainerImage":
            return {"imageId": f"sha256:{name}", "digest": "sha256:0"}
        case "Unit":
            stem, _, suffix = inputs["name"].rpartition(".")
            services = {
                "pod": f"{stem}-pod.service",
                "network": f"{stem}-network.service",
                "container": f"{stem}.service",
            }
            return {"service": services.get(suffix, inputs["name"]), "path": "/unit"}
        case _:
            return {}


def build(
    settings: dict[str, Any],
    *,
    podman: str = "5.4.2",
    preview: bool = False,
    environment: str = "",
    image_ids: str = "sha256",
) -> Recorder:
    """Return what the component registers for these settings. A preview knows nothing of the machine."""
    return _built(json.dumps(settings), podman, preview, environment, image_ids)


@functools.cache
def _built(settings: str, podman: str, preview: bool, environment: str, image_ids: str) -> Recorder:
    def answered(token: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if preview:
            return {}
        found = {"answer": f"podman version {podman}"} if token == "hearth:host:CommandOutput" else {}
        if token == "hearth:host:ContainerImage":
            found = {"imageId": f"{image_ids}:{name}"}
        return {**answer(token, name, inputs), **found}

    def program() -> None:
        model = Settings.model_validate_json(settings)
        given = {"secondbrain-smb-username": "user", "secondbrain-smb-password": CANARY} if model.share else {}
        given |= {"secondbrain-backend-environment": environment} if environment else {}
        secrets = {key: pulumi.Output.secret(value) for key, value in given.items()}
        SecondBrain("brain", SecondBrainArgs(model, secrets=secrets))

    return Recorder(answered).run(program, preview=preview)
