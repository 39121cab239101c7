"""An LXD cluster on the machines that the settings name: daemons, members, pools, networks, profiles, instances; names.

docs/systems/lxd.md tells what it does for those who run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions

from components.lxd import beside_docker, bridges, environment, gpu, instances, name_server, names, overlay, ssh
from components.lxd.deployed import DeployedCluster
from components.lxd.profiles import flat, profiles
from components.system import SystemArgs
from config.addresses import bracketed
from config.hosts import Machines
from config.systems.lxd import Lxd
from config.systems.lxd.parts import Pool
from providers.kinds.lxd.daemons import ABOUT
from providers.resources.lxd import (
    ClusterGroup,
    Daemon,
    Image,
    Instance,
    Member,
    Network,
    Profile,
    StoragePool,
)

ClusterArgs = SystemArgs[Lxd]
POOL_PACKAGES = {"zfs": "zfsutils-linux", "btrfs": "btrfs-progs"}


class LxdCluster(pulumi.ComponentResource):
    """An LXD (or Incus) cluster of one to sixteen machines. It only composes resources.

    Does not manage firewalls, the machines' clocks, or backups of the instances. Their disks outlive destroy unless
    `data` is `remove`.
    """

    deployed: Output[Mapping[str, Any]]
    """What the checks need to know."""

    def __init__(self, name: str, args: ClusterArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("hearth:lxd:Cluster", name, None, opts)
        self._name, self._settings = name, args.settings
        settings = args.settings
        if len(settings.members) == 2:
            pulumi.log.warn(
                "hearth:lxd: of two members one alone keeps the cluster's database. Where that one is lost, the other's"
                " instances go on, and nothing can be changed; three members can lose any one of them",
                self,
            )
        self._host = settings.host_of(settings.bootstrap)
        self._reserved = gpu.reserve(self, name, settings)
        self._bridges = bridges.lay(self, name, settings)
        beside_docker.lay(self, name, settings)
        ssh.lay(self, name, settings, args.machines)
        overlay.lay(self, name, settings, args.secrets, self._bridges)
        members = self._members()
        pools = [self._pool(pool, wanted, members) for pool, wanted in settings.pools.items()]
        networks = [self._network(network, members) for network in settings.networks]
        for group, its_members in settings.groups.items():
            ClusterGroup(
                f"{name}-group-{group}",
                host=self._host,
                name=group,
                daemon=settings.daemon,
                members=list(its_members),
                opts=self._options(members),
            )
        made = self._profiles([*pools, *networks, *(each for own in self._bridges.values() for each in own)])
        images = self._images(pools)
        for instance in settings.instances:
            gpu.drive(name, settings, instance, self._host, self._instance(instance, made, images))
        environment.lay(self, name, settings, args.secrets)
        if settings.dns is not None:
            name_server.lay(self, name, settings, settings.dns, networks)
        self._outputs(args.machines)

    def _options(self, after: Sequence[pulumi.Resource], *, holds_data: bool = False, **more: Any) -> ResourceOptions:
        protect = True if holds_data and self._settings.protect_data else None
        return ResourceOptions(parent=self, depends_on=list(after), protect=protect, **more)

    def _first(self, member: str) -> list[pulumi.Resource]:
        """Return what comes before LXD on a machine: the restart for its cards, its bridges."""
        return [*self._bridges.get(member, []), *([self._reserved[member]] if member in self._reserved else [])]

    def _members(self) -> list[pulumi.Resource]:
        """Return the daemons side by side, then the members one after another: LXD takes one join at a time."""
        settings = self._settings
        extra = sorted({POOL_PACKAGES[each.driver] for each in settings.pools.values() if each.driver in POOL_PACKAGES})
        if any(each.type == "virtual-machine" for each in settings.instances.values()):
            extra += ABOUT[settings.daemon].machine_packages
        daemons = {
            member: Daemon(
                f"{self._name}-daemon-{member}",
                host=settings.host_of(member),
                daemon=settings.daemon,
                keep_data=settings.data == "keep",
                extra=extra,
                opts=self._options(self._first(member), holds_data=True),
            )
            for member in settings.members
        }
        made: list[pulumi.Resource] = []
        for member, wanted in settings.members.items():
            first = member == settings.bootstrap
            # All daemons before the first token: versions and clocks are compared before anything is formed.
            after = [*daemons.values()] if first else [daemons[member], made[-1]]
            made.append(
                Member(
                    f"{self._name}-member-{member}",
                    host=settings.host_of(member),
                    name=member,
                    address=f"{bracketed(str(wanted.address))}:{wanted.port}",
                    daemon=settings.daemon,
                    via=None if first else self._host,
                    peers=[settings.host_of(each) for each in settings.members] if first else [],
                    pools={}
                    if first
                    else {pool: self._pool_config(each, member) for pool, each in settings.pools.items()},
                    wipe=[] if first else [pool for pool, each in settings.pools.items() if self._wipes(each, member)],
                    # Only read while it joins: a member that comes later is no change of those that are there.
                    opts=self._options(after, holds_data=True, ignore_changes=["peers", "via", "pools", "wipe"]),
                )
            )
        return made

    @staticmethod
    def _wipes(pool: Pool, member: str) -> bool:
        given = pool.members.get(member)
        return given is not None and given.wipe

    def _pool_config(self, pool: Pool, member: str) -> dict[str, str]:
        """Return what one member brings for a pool."""
        given = pool.members.get(member)
        if given is None:
            return {}
        found = {"source": given.disk, "size": given.size}
        return {key: value for key, value in found.items() if value is not None}

    def _pool(self, pool: str, wanted: Pool, members: Sequence[pulumi.Resource]) -> StoragePool:
        settings = self._settings
        disks = {member: each for member, each in wanted.members.items() if each.disk}
        return StoragePool(
            f"{self._name}-pool-{pool}",
            host=self._host,
            name=pool,
            driver=wanted.driver,
            daemon=settings.daemon,
            description=wanted.description,
            config=wanted.config,
            member_config={member: self._pool_config(wanted, member) for member in wanted.members},
            machines={member: settings.host_of(member) for member in disks},
            wipe=[member for member, each in disks.items() if each.wipe],
            opts=self._options(members, holds_data=True),
        )

    def _network(self, network: str, members: Sequence[pulumi.Resource]) -> Network:
        return Network(
            f"{self._name}-network-{network}",
            host=self._host,
            name=network,
            daemon=self._settings.daemon,
            description=self._settings.networks[network].description,
            config=names.network_config(self._settings, network),
            opts=self._options(members),
        )

    def _profiles(self, after: Sequence[pulumi.Resource]) -> dict[str, pulumi.Resource]:
        return {
            profile: Profile(
                f"{self._name}-profile-{profile}",
                host=self._host,
                name=profile,
                daemon=self._settings.daemon,
                description=wanted.description,
                config=wanted.config,
                devices=wanted.devices,
                opts=self._options(after),
            )
            for profile, wanted in profiles(self._settings).items()
        }

    def _images(self, after: Sequence[pulumi.Resource]) -> dict[str, pulumi.Resource]:
        """Register each image as the types of instances that use it want it."""
        settings, made = self._settings, dict[str, pulumi.Resource]()
        for image, wanted in settings.images.items():
            types = sorted({each.type for each in settings.instances.values() if each.image == image})
            made[image] = Image(
                f"{self._name}-image-{image}",
                host=self._host,
                alias=image,
                daemon=settings.daemon,
                file=None if wanted.file is None else str(wanted.file),
                server=wanted.remote,
                name=wanted.name,
                type=types[0] if types else None,
                opts=self._options(after),
            )
        return made

    def _instance(
        self, instance: str, made: Mapping[str, pulumi.Resource], images: Mapping[str, pulumi.Resource]
    ) -> Instance:
        settings, wanted = self._settings, self._settings.instances[instance]
        its_profiles = instances.profiles_of(wanted)
        own = instances.devices_of(settings, instance)
        devices: Any = gpu.devices_of(settings, instance, self._reserved, own) if wanted.gpus else own
        return Instance(
            f"{self._name}-instance-{instance}",
            host=self._host,
            name=instance,
            image=wanted.image,
            daemon=settings.daemon,
            type=wanted.type,
            member=wanted.member,
            profiles=its_profiles,
            config=instances.config_of(settings, instance),
            devices=devices,
            running=wanted.running,
            replace=wanted.replace,
            keep_data=settings.data == "keep",
            opts=self._options(
                [images[wanted.image], *(made[each] for each in its_profiles)],
                holds_data=not wanted.replace,
            ),
        )

    def _outputs(self, machines: Machines) -> None:
        settings = self._settings
        self.deployed = DeployedCluster.output(
            host=self._host,
            daemon=settings.daemon,
            members={member: settings.host_of(member) for member in settings.members},
            pools=list(settings.pools),
            networks=list(settings.networks),
            profiles=list(profiles(settings)),
            profile_keys={name: flat(each.config, each.devices) for name, each in profiles(settings).items()},
            instances={
                name: {
                    "member": each.member,
                    "type": each.type,
                    "running": each.running,
                    "profiles": instances.profiles_of(each),
                    "limits": {
                        key: value
                        for key, value in instances.config_of(settings, name).items()
                        if key in ("limits.cpu", "limits.memory")
                    },
                    "addresses": {link: str(found.ip) for link, found in each.addresses.items() if found is not None},
                    "name_servers": instances.name_servers_of(settings, name),
                }
                for name, each in settings.instances.items()
            },
            environment=environment.deployed(settings),
            bridges=bridges.deployed(settings),
            answering=bridges.answering(settings),
            ssh=ssh.deployed(settings, machines),
            overlay=overlay.deployed(settings),
            dns=name_server.deployed(settings),
            cards=gpu.deployed(settings),
        )
        self.register_outputs({"deployed": self.deployed})
