"""Settings of the LXD cluster: `hearth:lxd`. Its secrets are keys of their own, listed in `Lxd.SECRETS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal, cast, get_args

from pydantic import Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from config.hosts import Machines
from config.model import Disagreement, Disagreements, Settings
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

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Lxd:
        """Look at the rules between parts although a part is wrong: what is right of the rest is known."""
        if isinstance(value, Lxd):
            return value
        mistakes: list[InitErrorDetails] = []
        made: Lxd | None = None
        try:
            made = cast(Lxd, handler(value))
            known = {name: getattr(made, name) for name in cls.model_fields}
        except ValidationError as error:
            mistakes += [_detail(each) for each in error.errors(include_url=False)]
            known = _right_parts(cls, value)
        for location, rule in rules.between_parts(known, _names(cls, value)):
            kind = PydanticCustomError("value_error", "Value error, {error}", {"error": rule})
            mistakes.append(InitErrorDetails(type=kind, loc=location, input=_at(value, location)))
        if mistakes or made is None:
            raise ValidationError.from_exception_data(cls.__name__, mistakes)
        return made

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
        named = {line.partition("=")[0].strip() for line in lines.splitlines() if line.partition("=")[2]}
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


def _detail(error: Any) -> InitErrorDetails:
    """Return an error of pydantic's, to be raised again as it is.

    Its own type's context may lack what only Python knows.
    """
    kind: Any = error["type"]
    context = {
        key: str(value) if isinstance(value, Exception) and not isinstance(value, Disagreements) else value
        for key, value in error.get("ctx", {}).items()
    }
    if kind == "value_error":
        kind = PydanticCustomError("value_error", "Value error, {error}", context)
    elif kind not in get_args(ErrorType):
        # Those of addresses and paths are pydantic's own, and the core that raises them again knows no such type.
        kind = PydanticCustomError(kind, error["msg"], context)
    return InitErrorDetails(type=kind, loc=error["loc"], input=error["input"], ctx=context)


@cache
def _adapter_of(model: type[Settings], name: str) -> TypeAdapter[Any]:
    return TypeAdapter[Any](cast(Any, model.model_fields[name].annotation))


def _right_parts(model: type[Settings], value: Any) -> dict[str, Any]:
    """Return the fields of settings that are wrong somewhere, without those that hold what is wrong.

    Of a group by name, the entries that are right.
    """
    given: Mapping[str, Any] = cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        alias = field.alias or name
        if alias not in given:
            if not field.is_required():
                found[name] = field.get_default(call_default_factory=True)
            continue
        adapter = _adapter_of(model, name)
        part: Any = given[alias]
        try:
            found[name] = adapter.validate_python(part)
        except ValidationError:
            if isinstance(part, Mapping) and str(field.annotation).startswith("dict"):
                found[name] = _right_entries(adapter, cast(Mapping[Any, Any], part))
    return found


def _names(model: type[Settings], value: Any) -> dict[str, list[str]]:
    """Return the names in each group by name, as they were given; without a group that is none."""
    given: Mapping[str, Any] = cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
    found: dict[str, list[str]] = {}
    for name, field in model.model_fields.items():
        if str(field.annotation).startswith("dict"):
            group: Any = given.get(field.alias or name, {})
            if isinstance(group, Mapping):
                found[name] = [str(key) for key in cast(Mapping[Any, Any], group)]
    return found


def _right_entries(adapter: TypeAdapter[Any], group: Mapping[Any, Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, entry in group.items():
        try:
            found |= adapter.validate_python({key: entry})
        except ValidationError:
            continue
    return found


def _at(value: Any, location: tuple[int | str, ...]) -> Any:
    """Return what stands at a place of the settings as they were given; the whole where it is not there."""
    for part in location:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value
