"""The core stack on a Docker host: PostgreSQL, the mail assistant and, with `ai`, Ollama.

The containers are those of containers.py, from which compose.yaml is made too. docs/systems/core.md tells what
it does for those who run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_docker as docker
from pulumi import Input, Output, ResourceOptions
from pulumi_command import local

from components.blocks.build_context import MAIL_ASSISTANT
from components.blocks.docker_build import BuiltImage
from components.core import backup, image, memory, ssh, upgrade
from components.core.containers import StackContainer, containers, duration
from components.core.deployed import DeployedCore
from components.system import SystemArgs
from config.addresses import asked_at, bracketed
from config.systems.core import MEBIBYTE, Core, memory_bytes, postgres_major
from providers.resources.host import Directory, File, Script, Unit

CoreStackArgs = SystemArgs[Core]


class CoreStack(pulumi.ComponentResource):
    """The core stack on the machine `settings.host`, through its Docker engine over ssh.

    Does not install Docker, open firewalls or pull models. The login user must be root or in the group docker.
    The volumes outlive destroy unless `data` is `remove`.
    """

    url: Output[str]
    """Where the pages are, as seen from the machine itself."""
    deployed: Output[Mapping[str, Any]]
    """What the checks need to know."""

    def __init__(self, name: str, args: CoreStackArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("hearth:core:CoreStack", name, None, opts)
        self._name, self._settings, self._args = name, args.settings, args
        settings = args.settings
        self._docker = docker.Provider(
            f"{name}-docker",
            host=ssh.docker_host(args.machines, settings.host),
            ssh_opts=ssh.ssh_options(args.machines),
            opts=ResourceOptions(parent=self),
        )
        self._memory = Script(
            f"{name}-memory",
            host=settings.host,
            name=f"{settings.name}-memory-limits",
            check=memory.CHECK,
            apply=memory.REFUSAL,
            opts=ResourceOptions(parent=self),
        )
        self._network = docker.Network(
            f"{name}-network", name=f"{settings.name}_default", opts=self._docker_options(self._memory)
        )
        wanted = containers(settings, with_ollama=settings.ai)
        self._volumes = {key: self._volume(key) for container in wanted for key in container.volumes}
        made: dict[str, pulumi.Resource] = {}
        for container in wanted:
            after = [made[service] for service in container.after]
            if container.service == "postgres":
                dump = self._once("dump", upgrade.dump_before_upgrade(settings), [self._memory])
                after.append(dump)
            made[container.service] = self._container(container, after)
            if container.service == "postgres":
                # Whoever waits for the database waits for its data too.
                script = upgrade.restore_after_upgrade(settings)
                made[container.service] = self._once("restore", script, [made[container.service]])
                made[container.service] = self._filled(made[container.service])
        if settings.backup.enabled:
            self._backup(made["postgres"])
        self._outputs(wanted)

    def _docker_options(
        self, *after: pulumi.Resource, retain: bool | None = None, protect: bool | None = None
    ) -> ResourceOptions:
        return ResourceOptions(
            parent=self, provider=self._docker, depends_on=list(after), retain_on_delete=retain, protect=protect
        )

    def _volume(self, key: str) -> docker.Volume:
        """Return a volume under the name that compose gives it, so that either finds the other's data."""
        settings = self._settings
        return docker.Volume(
            f"{self._name}-{key.replace('_', '-')}",
            name=f"{settings.name}_{key}",
            opts=self._docker_options(
                self._memory, retain=settings.data == "keep", protect=settings.protect_data or None
            ),
        )

    def _once(self, role: str, script: str, after: Sequence[pulumi.Resource]) -> local.Command:
        """One-off work on the machine, done again when the database's major version changes.

        A local command that calls ssh: the remote one would want a private key as an input, and verify no host key. It
        has no delete, which would run after the next create; and it handles no secret, as its text ends up in errors.
        """
        settings = self._settings
        command = ssh.ssh_command(self._args.machines, settings.host, "sh -s")
        return local.Command(
            f"{self._name}-{role}",
            create=command,
            update=":",
            stdin=script,
            triggers=[postgres_major(settings.postgres.image)],
            add_previous_output_in_env=False,
            logging=local.Logging.NONE,
            opts=ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _filled(self, database: pulumi.Resource) -> pulumi.Resource:
        """Fill a new database with the dump that the settings name; whoever waits for the database waits for that."""
        settings = self._settings
        source = settings.backup.restore_from
        if source is None:
            return database
        apply, check = backup.restore_scripts(settings, str(source))
        return Script(
            f"{self._name}-filled",
            host=settings.host,
            name=f"{settings.name}-restored",
            apply=apply,
            check=check,
            opts=ResourceOptions(parent=self, depends_on=[database]),
        )

    def _image(self, container: StackContainer) -> Input[str]:
        """Return what the container is made from. An id rather than a name, where there is one: names move."""
        settings, role = self._settings, f"{self._name}-{container.service}-image"
        if container.image is not None:
            return self._pulled(role, container.image)
        digest = MAIL_ASSISTANT.digest()
        if settings.backend.registry:
            built = BuiltImage(
                f"{role}-build",
                context=MAIL_ASSISTANT,
                tags=[f"{settings.backend.registry}:{digest}"],
                platforms=settings.backend.platforms,
                opts=ResourceOptions(parent=self),
            )
            return self._pulled(role, built.ref)
        tag = f"{settings.name}:{digest}"
        build = local.Command(
            f"{role}-build",
            create=image.build_command(self._args.machines, settings.host, tag),
            triggers=[digest],
            add_previous_output_in_env=False,
            logging=local.Logging.NONE,
            opts=ResourceOptions(parent=self, depends_on=[self._memory]),
        )
        return Output.all(tag, build.id).apply(lambda found: found[0])

    def _pulled(self, role: str, image: Input[str]) -> Output[str]:
        # Kept on destroy: another container may be made from it, and Docker would refuse.
        pulled = docker.RemoteImage(role, name=image, keep_locally=True, opts=self._docker_options(self._memory))
        return pulled.image_id

    def _environment(self, container: StackContainer) -> Output[Sequence[str]]:
        secrets = self._args.secrets
        given = [
            (name, variable.secret) for name, variable in container.variables.items() if variable.secret in secrets
        ]
        plain = [f"{name}={value}" for name, value in container.environment.items()]
        values = Output.all(*(secrets[key] for _, key in given))
        lines = values.apply(
            lambda found: [*plain, *(f"{name}={value}" for (name, _), value in zip(given, found, strict=True))]
        )
        return Output.secret(lines)

    def _container(self, container: StackContainer, after: Sequence[pulumi.Resource]) -> docker.Container:
        settings, health = self._settings, container.health
        mebibytes = memory_bytes(container.memory) // MEBIBYTE
        return docker.Container(
            f"{self._name}-{container.service}",
            name=f"{settings.name}-{container.service}",
            image=self._image(container),
            envs=self._environment(container),
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD", *health.test],
                interval=duration(health.interval),
                timeout=duration(health.timeout),
                retries=health.retries,
                start_period=duration(health.start_period),
            ),
            # The next step waits until this one is healthy.
            wait=True,
            wait_timeout=settings.start_timeout,
            # Both: with the first alone, every later preview shows the second as changed.
            memory=mebibytes,
            memory_swap=mebibytes,
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=self._network.name, aliases=[container.service])
            ],
            volumes=[
                docker.ContainerVolumeArgs(volume_name=self._volumes[key].name, container_path=path)
                for key, path in container.volumes.items()
            ],
            ports=[
                docker.ContainerPortArgs(internal=entry.inside, external=entry.port, ip=entry.address)
                for entry in container.publications
            ],
            restart="unless-stopped",
            read_only=container.read_only,
            tmpfs={"/tmp": ""} if container.read_only else None,
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]) if container.read_only else None,
            security_opts=["no-new-privileges:true"] if container.read_only else None,
            stop_timeout=container.stop_seconds,
            destroy_grace_seconds=container.stop_seconds,
            log_driver="json-file",
            log_opts={"max-size": "10m", "max-file": "3"},
            # The name is taken while the old one is there.
            opts=ResourceOptions.merge(self._docker_options(*after), ResourceOptions(delete_before_replace=True)),
        )

    def _backup(self, database: pulumi.Resource) -> None:
        """Register a dump each night, on the machine itself."""
        settings, name = self._settings, self._name
        program = f"/usr/local/sbin/{settings.name}-backup"
        options = ResourceOptions(parent=self, depends_on=[self._memory])
        folder = Directory(
            f"{name}-backup-folder",
            host=settings.host,
            path=str(settings.backup.folder),
            mode="0700",
            purge=settings.data == "remove",
            opts=options,
        )
        file = File(
            f"{name}-backup-program",
            host=settings.host,
            path=program,
            content=backup.backup_script(settings),
            mode="0755",
            opts=options,
        )
        before: list[pulumi.Resource] = [folder, file, database]
        for unit, text in backup.backup_units(settings, program).items():
            is_timer = unit.endswith(".timer")
            before.append(
                Unit(
                    f"{name}-{unit.removeprefix(f'{settings.name}-').replace('.', '-')}",
                    host=settings.host,
                    name=unit,
                    text=text,
                    enabled=True if is_timer else None,
                    running=True if is_timer else None,
                    opts=ResourceOptions(parent=self, depends_on=list(before)),
                )
            )

    def _outputs(self, wanted: Sequence[StackContainer]) -> None:
        settings = self._settings
        reachable = bracketed(asked_at(settings.backend.addresses[0]))
        self.url = Output.from_input(f"http://{reachable}:{settings.backend.port}")
        self.deployed = DeployedCore.output(
            host=settings.host,
            name=settings.name,
            url=self.url,
            ai=settings.ai,
            start_timeout=settings.start_timeout,
            containers={
                container.service: {
                    "name": f"{settings.name}-{container.service}",
                    "memory": memory_bytes(container.memory),
                }
                for container in wanted
            },
            backup=str(settings.backup.folder) if settings.backup.enabled else None,
        )
        self.register_outputs({"url": self.url, "deployed": self.deployed})
