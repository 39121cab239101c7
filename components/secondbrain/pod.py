"""The pod of a SecondBrain host, as Quadlet units or as podmgr keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pulumi
from pulumi import CustomTimeouts, Input, Output, ResourceOptions

from components.blocks.quadlet import Form, Group, UnitFile, container_file, group_file
from components.secondbrain import podmgr
from components.secondbrain.prerequisites import Podman
from config.systems.secondbrain import SecondBrain
from providers.resources.host import ContainerImage, File, GitCheckout, Script, Unit, User, Venv

GRACE_SECONDS = 60
"""Beyond the containers' own time to start: for reloading the manager, stopping what runs, and reading logs."""


class _Pod:
    """What both ways of keeping a pod have in common."""

    healthy: list[pulumi.Resource]
    """Once these are there, every container is healthy."""
    units: Output[Sequence[str]]

    def __init__(
        self,
        name: str,
        settings: SecondBrain,
        account: User,
        group: Output[Group],
        parent: pulumi.Resource,
        podman: Podman,
        ready: Sequence[pulumi.Resource],
        images: Sequence[ContainerImage],
        secret_environment: Input[str] | None,
    ) -> None:
        self._name, self._settings, self._account, self._group = name, settings, account, group
        self._parent, self._podman, self._images = parent, podman, images
        self._environment = self._environment_file(secret_environment)
        self._ready = [*podman.helpers, *ready, *self._environment]
        self._secret_digest = (
            Output.secret(secret_environment).apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
            if secret_environment is not None
            else None
        )
        self._make()

    def _make(self) -> None:
        raise NotImplementedError

    def _options(self, *after: pulumi.Resource, timeout: int | None = None) -> ResourceOptions:
        seconds = f"{timeout}s" if timeout is not None else None
        timeouts = CustomTimeouts(create=seconds, update=seconds) if seconds else None
        return ResourceOptions(parent=self._parent, depends_on=list(after), custom_timeouts=timeouts)

    def _environment_file(self, text: Input[str] | None) -> list[pulumi.Resource]:
        if text is None:
            return []
        file = File(
            f"{self._name}-backend-environment",
            host=self._settings.host,
            path=f"{self._settings.account.home}/backend.env",
            content=Output.secret(text),
            mode="0600",
            owner=self._account.name,
            group=self._account.name,
            opts=self._options(self._account),
        )
        return [file]


class QuadletPod(_Pod):
    """The pod as Quadlet units of the account: systemd itself starts, watches and restarts the containers."""

    def _make(self) -> None:
        described = Output.all(self._group, self._podman.form)
        pod = self._unit(
            "pod", described.apply(lambda found: group_file(found[0], found[1])), [], [self._account, *self._ready]
        )
        ollama = self._container("ollama", 0, described, [pod])
        backend = self._container("backend", 1, described, [ollama])
        self.healthy = [backend]
        self.units = Output.all(pod.service, ollama.service, backend.service)

    def _container(
        self, role: str, position: int, described: Output[list[object]], after: Sequence[pulumi.Resource]
    ) -> Unit:
        def text(found: Sequence[object]) -> UnitFile:
            group, form = found
            assert isinstance(group, Group)
            assert isinstance(form, Form)
            return container_file(group.containers[position], group, form)

        restart_on: list[Input[str]] = [self._images[position].image_id]
        if role == "backend" and self._secret_digest is not None:
            restart_on.append(self._secret_digest)
        return self._unit(role, described.apply(text), restart_on, after)

    def _unit(
        self, role: str, file: Output[UnitFile], restart_on: Sequence[Input[str]], after: Sequence[pulumi.Resource]
    ) -> Unit:
        timeout = self._settings.pod.start_timeout
        return Unit(
            f"{self._name}-{role}",
            host=self._settings.host,
            name=file.apply(lambda found: found.name),
            user=self._account.name,
            # Where the account's home moves, the unit moves with it.
            home=str(self._settings.account.home),
            text=file.apply(lambda found: found.text),
            running=True,
            restart_on=restart_on or None,
            start_timeout=float(timeout),
            opts=self._options(*after, timeout=timeout + GRACE_SECONDS),
        )


class PodmgrPod(_Pod):
    """The pod as podmgr keeps it: its own program, from git, driven by the commands of the task list."""

    def _make(self) -> None:
        settings, account, name = self._settings, self._account, self._name
        host, timeout = settings.host, settings.pod.start_timeout
        checkout = GitCheckout(
            f"{name}-podmgr",
            host=host,
            path=podmgr.FOLDER,
            url=settings.podmgr.url,
            revision=settings.podmgr.revision,
            opts=self._options(*self._podman.base),
        )
        venv = Venv(
            f"{name}-podmgr-venv",
            host=host,
            path=podmgr.VENV,
            editable=podmgr.FOLDER,
            opts=self._options(checkout),
        )
        yaml_path = f"{settings.account.home}/{settings.pod.name}-pod.yaml"
        health = self._group.apply(
            lambda group: {
                group.containers[0].name: (settings.pod.ollama_port, "/"),
                group.containers[1].name: (
                    group.containers[1].publications[0].port,
                    settings.pod.backend_health_path,
                ),
            }
        )
        text = Output.all(self._group, health).apply(lambda found: podmgr.pod_yaml(found[0], found[1]))
        described = Output.all(self._group, text)
        definition = File(
            f"{name}-pod-definition",
            host=host,
            path=yaml_path,
            content=text,
            owner=account.name,
            group=account.name,
            opts=self._options(account),
        )
        pod = Script(
            f"{name}-pod",
            host=host,
            name=f"{name}-pod",
            user=account.name,
            interpreter="/bin/bash",
            apply=described.apply(lambda found: podmgr.apply_script(found[0], yaml_path, found[1])),
            check=described.apply(lambda found: podmgr.check_script(found[0], yaml_path, found[1])),
            undo=self._group.apply(lambda group: podmgr.undo_script(group, yaml_path)),
            opts=self._options(venv, definition, *self._ready, timeout=timeout + GRACE_SECONDS),
        )
        self.healthy = [pod]
        none: list[str] = []
        self.units = Output.from_input(none)
