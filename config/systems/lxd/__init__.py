"""Settings of the LXD cluster: `hearth:lxd`. Its secrets are keys of their own, listed in `Lxd.SECRETS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

from pydantic import Field

from config.hosts import Machines
from config.model import Disagreement, Rules
from config.secret_rules import environment_lines, one_line
from config.system import Holding, Listener, SystemSettings
from config.systems.lxd import parts, rules
from config.systems.lxd.listeners import listeners
from config.systems.lxd.values import InstanceName, MemberName, OwnLinkName, ResourceName

_SECRETS = {
    "lxd-environment": "Variables of the machines' environment file that must stay secret: lines of NAME=value.",
    "lxd-zerotier-token": "Token of ZeroTier Central, or of the controller that `lxd.overlay.controller` names.",
}
MOST_MEMBERS = 16


class Lxd(SystemSettings):
    """An LXD cluster on one to sixteen machines: pools, networks, profiles, instances; overlay and names."""

    SECRETS: ClassVar[Mapping[str, str]] = _SECRETS
    SECRET_RULES: ClassVar[Mapping[str, Callable[[str], None]]] = {
        "lxd-environment": environment_lines,
        "lxd-zerotier-token": one_line,
    }
    SECRETS_INSTEAD: ClassVar[Mapping[str, str]] = {
        "environment": "lxd-environment",
        "overlay": "lxd-zerotier-token",
    }
    HOST_FIELDS: ClassVar[tuple[str, ...]] = ()

    daemon: Literal["lxd", "incus"] = Field(default="lxd", description="Which of the two runs on the machines.")
    data: Literal["keep", "remove"] = Field(
        default="keep",
        description="Whether destroy leaves the instances, with what they need, or removes all of it.",
    )
    protect_data: bool = Field(
        default=False, description="Whether Pulumi refuses to destroy what holds data until this is off again."
    )
    members: dict[MemberName, parts.Member] = Field(
        min_length=1, max_length=MOST_MEMBERS, description="The machines; the first one begins the cluster."
    )
    bridges: dict[OwnLinkName, parts.Bridge] = Field(
        default_factory=dict, description="Bridges over the machines' own network interfaces."
    )
    pools: dict[MemberName, parts.Pool] = Field(
        default_factory=lambda: {"default": parts.Pool()}, min_length=1, description="Storage; the first is the usual."
    )
    networks: dict[OwnLinkName, parts.Network] = Field(
        default_factory=dict, description="Networks that LXD makes on every member."
    )
    groups: dict[MemberName, tuple[MemberName, ...]] = Field(
        default_factory=dict, description="Groups of members, by name, for placing instances by hand."
    )
    images: dict[ResourceName, parts.Image] = Field(default_factory=dict, description="What instances are made from.")
    profiles: dict[ResourceName, parts.Profile] = Field(
        default_factory=dict, description="More profiles, or additions to default, container, vm-base and so on."
    )
    instances: dict[InstanceName, parts.Instance] = Field(
        default_factory=dict, description="Virtual machines and containers, by name."
    )
    ssh: parts.Ssh | None = Field(default=None, description="SSH among the machines. Without it: left as it is.")
    environment: parts.Environment | None = Field(default=None, description="Each machine's environment file.")
    overlay: parts.Overlay | None = Field(default=None, description="The overlay network. Without it: none.")
    dns: parts.Dns | None = Field(default=None, description="Names by bind9. Without it: none.")

    def rules(self) -> Rules:
        return rules.between_parts(self)

    def host_of(self, member: str) -> str:
        """Return the machine, a key of `hearth:hosts`, that a member of the cluster is."""
        return self.members[member].host or member

    @property
    def bootstrap(self) -> str:
        """The member that begins the cluster."""
        return next(iter(self.members))

    def against(self, machines: Machines) -> Iterator[Disagreement]:
        """Yield members that share one machine, also where two names lead to one."""
        names = list(self.members)
        for position, member in enumerate(names):
            for other in names[:position]:
                if machines.same_machine(self.host_of(member), self.host_of(other)):
                    rule = f"must be a machine of its own, and it is that of {other}; give each member a machine"
                    yield Disagreement(f"members.{member}.host", rule, self.host_of(member))

    def against_secrets(self, given: Mapping[str, str]) -> Iterator[Disagreement]:
        """Yield what the environment file requires and neither its variables nor the secret have; no value is shown."""
        lines = given.get("lxd-environment")
        if lines is None or self.environment is None:
            return
        named = {line.partition("=")[0].strip() for line in lines.split("\n") if line.partition("=")[2]}
        needed = [name for name in self.environment.required if name not in self.environment.variables]
        if missing := [name for name in needed if name not in named]:
            rule = (
                f"must have a line NAME=value for what environment.required names, and {', '.join(missing)} has none; "
                "add it: pulumi config set --secret hearth:lxd-environment"
            )
            yield Disagreement("lxd-environment", rule)

    def listeners(self) -> Sequence[Listener]:
        return tuple(listeners(self))

    def holdings(self) -> Sequence[Holding]:
        """Return the environment file of each machine, and the link to it."""
        wanted = self.environment
        paths = {"environment.path": wanted.path, "environment.link": wanted.link} if wanted else {}
        hosts = [self.host_of(member) for member in self.members]
        return [Holding(key, host, path) for host in hosts for key, path in paths.items() if path is not None]

    def required_secrets(self) -> Mapping[str, str]:
        needed: dict[str, str] = {}
        if self.environment and set(self.environment.required) - self.environment.variables.keys():
            needed["lxd-environment"] = "lxd.environment.required"
        if self.overlay:
            needed["lxd-zerotier-token"] = "lxd.overlay"
        return needed

    @classmethod
    def host_references(cls, written: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the machine of each member: the one that it names, or the one of its own name."""
        members: Any = written.get("members")
        found: dict[str, str] = {}
        for name, member in cast(dict[Any, Any], members).items() if isinstance(members, dict) else ():
            host: Any = cast(dict[str, Any], member).get("host") if isinstance(member, dict) else None
            if host is None:
                found[f"members.{name}"] = str(name)
            elif isinstance(host, str):
                found[f"members.{name}.host"] = host
        return found
