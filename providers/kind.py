"""What a kind of resource is: one pydantic model of inputs, one of facts, and three functions over them.

The contract is written out, with a worked example, in docs/resources.md. The plugin turns a kind into Pulumi's verbs;
a kind never sees Pulumi.
"""

from __future__ import annotations

import posixpath
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from config.accounts import login_name
from providers.machine.session import Session

# `validate` is an input's own name; what pydantic has under it is from its first version, and not used.
warnings.filterwarnings("ignore", message='Field name "validate"')


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        # What validates a model is made when it first validates: a preview never asks for facts.
        defer_build=True,
    )


class Inputs(_Model):
    """What somebody wishes for. Field names are snake_case here and camelCase in Pulumi.

    A field that is None is not managed: it is neither looked at nor changed. A property of the thing that Hearth can
    choose for a new one is therefore None here, and has its value in `Kind.defaults`; a default in the model is for
    what says how Hearth works (`purge`, a timeout), which no machine holds. Every field has a description; the schema
    and the typed resource classes are generated from it.
    """

    host: Annotated[str, Field(min_length=1, description="Name of the machine: a key of `hearth:hosts`.")]


class Facts(_Model):
    """What is on the machine now: enough to compare with the wish, and enough to put it back later.

    A field that has the name of an input is compared with it, property by property. Fields of other names are for
    `restore`, or are outputs where the kind lists them in `Kind.outputs`.
    """

    present: bool = Field(description="Whether the thing is there at all.")


InputsT = TypeVar("InputsT", bound=Inputs)
FactsT = TypeVar("FactsT", bound=Facts)


@dataclass(frozen=True)
class SameAs:
    """A default that is what another input says, as the owner of an account's home."""

    field: str


@dataclass(frozen=True)
class Kind(Generic[InputsT, FactsT]):
    """One kind of resource. Its module defines the two models, the three functions, and one `KIND = Kind(...)`.

    - `observe(session, inputs)`: what is there now; changes nothing; one round trip (use `asyncio.gather` to pipeline).
    - `apply(session, inputs, facts)`: makes it so. Safe to run twice. Only called when facts differ from the wish.
      Where it can look at what is there then in the same exchange, it returns that; else it is observed once more.
    - `restore(session, inputs, before)`: puts back what `observe` said before the resource was created. Safe to run
      twice, and does nothing where the machine is already as `before` says. It leaves alone what `inputs` does not
      manage; a property that was managed once and is not any more has its old value there.
    """

    token: str
    """Pulumi's type token, as `hearth:host:File`."""
    inputs: type[InputsT]
    facts: type[FactsT]
    observe: Callable[[Session, InputsT], Awaitable[FactsT]]
    apply: Callable[[Session, InputsT, FactsT], Awaitable[FactsT | None]]
    restore: Callable[[Session, InputsT, FactsT], Awaitable[None]]
    identity: tuple[str, ...]
    """Inputs that say *which* thing it is: a change of one of them replaces the resource."""
    identify: Callable[[InputsT], str]
    """The part of the resource's id behind `machine/`, from the identity inputs."""
    parse: Callable[[str], dict[str, Any]] | None = None
    """The inverse of `identify`, for import: the identity inputs. None where there is nothing to adopt."""
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Input -> what Hearth gives a thing that it makes, where the program leaves the property out (a value, or
    `SameAs`). A default is no wish: on a thing that was there before, the property stays None."""
    makes: Callable[[str, FactsT], bool] = field(default=lambda _name, facts: not facts.present)
    """`makes(field, facts)`: whether Hearth makes that part of the thing where `facts` were found, so that its default
    holds. An account may be new and its home not."""
    widen: Callable[[FactsT, FactsT], FactsT] = field(default=lambda before, _now: before)
    """`widen(before, now)`: what was there before, with what an update reaches for the first time: the place to which a
    thing moves, say. `now` is what is there before that update; `before` itself where it adds nothing."""
    outputs: tuple[str, ...] = ()
    """Fields of the facts that are outputs, beside the inputs."""
    computed: Mapping[str, Callable[[InputsT], Any]] = field(default_factory=dict[str, Any])
    """Inputs that nobody gives, and that follow from the others and from the project's own files, from which the plugin
    may read: the digests of a folder, say. Worked out whenever a program's inputs are checked, so that a preview needs
    the repository and the state alone. InvalidInput where that can't be."""
    itemized: tuple[str, ...] = ()
    """Inputs that are maps, and whose entries are told one by one in a diff."""
    secret_outputs: tuple[str, ...] = ()
    """Fields of the facts, among the inputs or the outputs, that are secret whatever the inputs are: a token that a
    server gave, say. They stay encrypted in the state, and are shown nowhere."""
    locks: Callable[[InputsT], Sequence[str]] = field(default=lambda _inputs: ())
    """Names of what must not be changed by two at once, as `file:/etc/fstab` or `packages`; held on the machine while
    an operation that changes something runs, within one `up` and between two."""
    deadline: float = 60.0
    """Seconds that one operation may take, unless the resource's `custom_timeouts` say otherwise."""
    adopt: Callable[[Session, InputsT, FactsT], Awaitable[None]] | None = None
    """What to write down on the machine of a thing that is right already, in place of `apply`."""
    differs: Callable[[str, Any, Any], bool] = field(default=lambda _name, wish, found: bool(wish != found))
    """`differs(field, wish, found)`: whether a found value does not fulfil a wish."""

    objection: Callable[[Mapping[str, Any], InputsT], str] = field(default=lambda _found, _wish: "")
    """`objection(found, wish)`: why a change from what the state holds to a wish is refused, as `what would follow;
    remedy`. Asked by a preview and an `up`, before anything is touched; empty where nothing is to be said."""
    announce: Callable[[Mapping[str, Any] | None, InputsT], str] = field(default=lambda _found, _wish: "")
    """`announce(found, wish)`: what a creation (`found` is None) or a change does beyond the resource itself, as a
    restart of the machine; told as a warning by a preview and by `up`, before anything is touched."""
    unkeepable: Callable[[FactsT], str] = field(default=lambda _facts: "")
    """Why what is there could not be put back later, where it could not: then it is not touched in the first place."""
    explain: Callable[[Session, InputsT, FactsT], Awaitable[str]] | None = None
    """Where all went well and the wish does not hold: the reason, as far as the machine can tell, in one line."""
    formerly: str = ""
    """The type token that it had before, where it got another name: states that have it are read as this kind's, and
    machines keep their records under it."""

    by_hand: Callable[[InputsT], str] = field(default=lambda _inputs: "as whoever put it there would")
    """How a person removes it, in one line, for when nobody knows any more what was there before. Empty where the kind
    leaves nothing on a machine."""

    @property
    def recorded_as(self) -> str:
        """The token under which machines keep its records: the first that it had."""
        return self.formerly or self.token

    @property
    def name(self) -> str:
        return self.token.rsplit(":", 1)[1]

    @property
    def module(self) -> str:
        """The module in `hearth:MODULE:Name`: where its resource class is, under providers/resources/."""
        return self.token.split(":")[1]

    def made(self, before: FactsT) -> tuple[str, ...]:
        """Return the inputs whose defaults hold, because Hearth made that part of the thing."""
        return tuple(name for name in self.defaults if self.makes(name, before))

    def with_defaults(self, inputs: InputsT, made: Iterable[str]) -> InputsT:
        """Return what is wished for in all.

        `inputs`, and the defaults for what they leave out of that which Hearth made.
        """
        return _filled(inputs, {name: self.default(name, lambda other: getattr(inputs, other)) for name in made})

    def default(self, name: str, value_of: Callable[[str], Any]) -> Any:
        """Return what an input is by default, where `value_of` tells the other inputs."""
        found = self.defaults[name]
        return value_of(found.field) if isinstance(found, SameAs) else found

    def remade(self, inputs: InputsT, before: FactsT, facts: FactsT) -> InputsT:
        """Return `inputs` for making once more what was there before and has gone since, as it was."""
        gone = [name for name in self.defaults if self.makes(name, facts) and not self.makes(name, before)]
        return _filled(inputs, {name: getattr(before, name) for name in gone})

    def differences(self, inputs: InputsT, facts: FactsT) -> dict[str, tuple[Any, Any]]:
        """Field -> (wish, found) for each managed field in which facts fall short of inputs. A pure function."""
        found_fields = type(facts).model_fields
        result: dict[str, tuple[Any, Any]] = {}
        for name in type(inputs).model_fields:
            wish = getattr(inputs, name)
            if name not in found_fields or wish is None:
                continue
            found = getattr(facts, name)
            if self.differs(name, wish, found):
                result[name] = (wish, found)
        return result


def _filled(inputs: InputsT, values: Mapping[str, Any]) -> InputsT:
    missing = {name: value for name, value in values.items() if getattr(inputs, name) is None}
    return inputs.model_copy(update=missing) if missing else inputs


def _absolute(value: str) -> str:
    if not value.startswith("/") or "\x00" in value or "\n" in value:
        raise ValueError("must be an absolute path, as /etc/motd, on one line; write it from the root")
    if value != "/" and (value.endswith("/") or "//" in value or "/./" in value or "/../" in f"{value}/"):
        raise ValueError("must be a plain path without a trailing slash, '//', '.' or '..'; write it out")
    return value


def canonical(path: str) -> str:
    """Return a path that a machine tells in the form that inputs have: `//home/./ann/` is /home/ann.

    By its letters alone: `..` is taken as the parent, and no link is followed.
    """
    plain = posixpath.normpath(path)
    return f"/{plain.lstrip('/')}" if plain.startswith("/") else plain


def _mode(value: str) -> str:
    digits = value.removeprefix("0o")
    if not (3 <= len(digits) <= 4) or any(digit not in "01234567" for digit in digits):
        raise ValueError("must be an octal mode of three or four digits in quotes, as '0644'")
    return digits.zfill(4)


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
"""An absolute path on a machine, in its plain form."""
Mode = Annotated[str, AfterValidator(_mode)]
"""Permission bits as four octal digits, as `0640`."""
AccountName = Annotated[str, AfterValidator(login_name)]
"""The name of a user or a group."""


def _owner(value: str) -> str:
    if value.isascii() and value.isdigit():
        if int(value) > HIGHEST_ID:
            raise ValueError(f"must be a number up to {HIGHEST_ID}, or a name; write the name as `id -un` says it")
        return str(int(value))
    return login_name(value)


HIGHEST_ID = 2**32 - 2
"""The number above it says "leave it as it is" to chown(2)."""
Owner = Annotated[str, AfterValidator(_owner)]
"""Whose something is: the name of a user or a group, or its number, which may have no name."""
