"""The pod of a SecondBrain host, as Quadlet units or as podmgr keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pulumi
from pulumi import CustomTimeouts, Input, Output, ResourceOptions

from components.blocks.quadlet import Form, Group, UnitFile, container_file, group_file
from components.secondbrain import podmgr
from components.secondbrain.prerequisites import Podman
from config.systems.secondbrain.parts import Pod as PodSettings
from config.systems.secondbrain.parts import Podmgr
from providers.resources.host import ContainerImage, File, GitCheckout, Script, Unit, User, Venv

GRACE_SECONDS = 60
"""Beyond the containers' own time to start: for reloading the manager, stopping what runs, and reading logs."""


@dataclass(frozen=True)
class Owner:
    """The account that the pod runs as, on its machine."""

    host: str
    user: User
    home: PurePosixPath


@dataclass(frozen=True)
class PodImages:
    """The images of the pod's containers, in the account's own store."""

    ollama: ContainerImage
    backend: ContainerImage


@dataclass(frozen=True)
class PodArgs:
    """What a pod is made of, whichever way it is kept."""

    settings: PodSettings
    owner: Owner
    group: Output[Group]
    images: PodImages
    podman: Podman
    ready: Sequence[pulumi.Resource]
    """What must be there before the pod."""
    secret_environment: Input[str] | None


class _Pod:
    """What both ways of keeping a pod have in common."""

    healthy: list[pulumi.Resource]
    """Once these are there, every container is healthy."""
    units: Output[Sequence[str]]

    def __init__(self, name: str, args: PodArgs, parent: pulumi.Resource) -> None:
        self._name, self._args, self._parent = name, args, parent
        secret = args.secret_environment
        self._environment = self._environment_file(secret)
        self._ready = [*args.podman.helpers, *args.ready, *self._environment]
        self._secret_digest = (
            Output.secret(secret).apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
            if secret is not None
            else None
        )

    def _options(self, *after: pulumi.Resource, timeout: int | None = None) -> ResourceOptions:
        seconds = f"{timeout}s" if timeout is not None else None
        timeouts = CustomTimeouts(create=seconds, update=seconds) if seconds else None
        return ResourceOptions(parent=self._parent, depends_on=list(after), custom_timeouts=timeouts)

    def _environment_file(self, text: Input[str] | None) -> list[pulumi.Resource]:
        if text is None:
            return []
        owner = self._args.owner
        file = File(
            f"{self._name}-backend-environment",
            host=owner.host,
            path=f"{owner.home}/backend.env",
            content=Output.secret(text),
            mode="0600",
            owner=owner.user.name,
            group=owner.user.name,
            opts=self._options(owner.user),
        )
        return [file]


class QuadletPod(_Pod):
    """The pod as Quadlet units of the account: systemd itself starts, watches and restarts the containers."""

    def __init__(self, name: str, args: PodArgs, parent: pulumi.Resource) -> None:
        super().__init__(name, args, parent)
        described = Output.all(args.group, args.podman.form)
        file = described.apply(lambda found: group_file(found[0], found[1]))
        pod = self._unit("pod", file, after=[args.owner.user, *self._ready])
        ollama = self._container("ollama", args.images.ollama, described, after=[pod])
        secret = [self._secret_digest] if self._secret_digest is not None else []
        backend = self._container("backend", args.images.backend, described, after=[ollama], restart_on=secret)
        self.healthy = [backend]
        self.units = Output.all(pod.service, ollama.service, backend.service)

    def _container(
        self,
        role: str,
        image: ContainerImage,
        described: Output[list[object]],
        *,
        after: Sequence[pulumi.Resource],
        restart_on: Sequence[Input[str]] = (),
    ) -> Unit:
        def text(found: Sequence[object]) -> UnitFile:
            group, form = found
            assert isinstance(group, Group)
            assert isinstance(form, Form)
            return container_file(group.container(role), group, form)

        return self._unit(role, described.apply(text), after=after, restart_on=[image.image_id, *restart_on])

    def _unit(
        self,
        role: str,
        file: Output[UnitFile],
        *,
        after: Sequence[pulumi.Resource],
        restart_on: Sequence[Input[str]] = (),
    ) -> Unit:
        owner, timeout = self._args.owner, self._args.settings.start_timeout
        return Unit(
            f"{self._name}-{role}",
            host=owner.host,
            name=file.apply(lambda found: found.name),
            user=owner.user.name,
            # Where the account's home moves, the unit moves with it.
            home=str(owner.home),
            text=file.apply(lambda found: found.text),
            running=True,
            restart_on=list(restart_on) or None,
            start_timeout=float(timeout),
            opts=self._options(*after, timeout=timeout + GRACE_SECONDS),
        )


class PodmgrPod(_Pod):
    """The pod as podmgr keeps it: its own program, from git, driven by the commands of the task list."""

    def __init__(self, name: str, args: PodArgs, source: Podmgr, parent: pulumi.Resource) -> None:
        super().__init__(name, args, parent)
        settings, group, host, account = args.settings, args.group, args.owner.host, args.owner.user
        checkout = GitCheckout(
            f"{name}-podmgr",
            host=host,
            path=podmgr.FOLDER,
            url=source.url,
            revision=source.revision,
            opts=self._options(*args.podman.base),
        )
        venv = Venv(
            f"{name}-podmgr-venv",
            host=host,
            path=podmgr.VENV,
            editable=podmgr.FOLDER,
            opts=self._options(checkout),
        )
        yaml_path = f"{args.owner.home}/{settings.name}-pod.yaml"
        text = group.apply(lambda group: podmgr.pod_yaml(group, self._health(group)))
        described = Output.all(group, self._mark(text))
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
            undo=group.apply(lambda group: podmgr.undo_script(group, yaml_path)),
            opts=self._options(venv, definition, *self._ready, timeout=settings.start_timeout + GRACE_SECONDS),
        )
        self.healthy = [pod]
        none: list[str] = []
        self.units = Output.from_input(none)

    def _health(self, group: Group) -> dict[str, podmgr.HttpHealth | podmgr.CommandHealth]:
        """Return how each container is asked: over HTTP, as the task list has it, or by the command of the settings."""
        pod, ollama, backend = self._args.settings, group.container("ollama"), group.container("backend")
        of_backend = (
            podmgr.CommandHealth(pod.backend_health_command)
            if pod.backend_health_command is not None
            else podmgr.HttpHealth(backend.publications[0].port, pod.backend_health_path)
        )
        return {ollama.name: podmgr.HttpHealth(pod.ollama_port, "/"), backend.name: of_backend}

    def _mark(self, definition: Output[str]) -> Output[str]:
        """Return the pod's digest: another image, another secret environment make the containers anew, too.

        A secret where a secret is part of it.
        """
        digests = [self._secret_digest] if self._secret_digest is not None else []
        images = self._args.images
        parts = [definition, images.ollama.image_id, images.backend.image_id, *digests]
        return Output.all(*parts).apply(lambda found: podmgr.digest(*found))
