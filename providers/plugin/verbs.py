"""Pulumi's verbs over a kind's observe, apply and restore. Knows nothing of the wire, and nothing of any one kind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from providers.errors import ConnectionFailed, HearthError, InvalidInput, WishNotFulfilled
from providers.host.ssh_session import Record, SshSession, Tell
from providers.kind import Facts, Inputs, Kind
from providers.plugin.machines import Estate, Where, operate
from providers.plugin.values import Properties

if TYPE_CHECKING:
    from providers.host.connection import Connection

InputsT = TypeVar("InputsT", bound=Inputs)
FactsT = TypeVar("FactsT", bound=Facts)
MACHINE = "machine"
"""The output that says on which machine a resource is."""


class Change(Enum):
    """How a property differs; the values are those of Pulumi's protocol."""

    ADD = 0
    DELETE = 2
    UPDATE = 4


@dataclass(frozen=True)
class Difference:
    """What an update would change. `replaces` names the properties that make it another thing."""

    changes: dict[str, Change] = field(default_factory=dict[str, Change])
    replaces: tuple[str, ...] = ()
    delete_first: bool = True


@dataclass(frozen=True)
class State:
    """A resource as Pulumi keeps it. An empty id says that it is not there."""

    id: str
    outputs: Properties
    inputs: Properties = field(default_factory=Properties)


class HalfDone(HearthError):
    """A creation or an update that changed the machine and then failed: the state must remember it."""

    def __init__(self, error: HearthError, state: State) -> None:
        super().__init__(error.summary, detail=error.detail, remedy=error.remedy)
        self.state = state


class Verbs(Generic[InputsT, FactsT]):
    """The verbs of one kind, on the machines of one estate."""

    def __init__(self, kind: Kind[InputsT, FactsT]) -> None:
        self.kind = kind
        self._aliases = {name: info.alias or name for name, info in kind.inputs.model_fields.items()}
        self._found_types: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter[Any](cast(Any, info.annotation))
            for name, info in kind.facts.model_fields.items()
            if name in self._aliases
        }
        self._wish_types: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter[Any](cast(Any, kind.inputs.model_fields[name].annotation)) for name in self._found_types
        }
        self.identity = tuple(self._aliases[name] for name in kind.identity)

    # --- pure ---

    def check(self, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        """Inputs in their canonical form, and (property, reason) for every mistake. The unknown is taken on trust."""
        known = {name: value for name, value in news.values.items() if name not in news.unknown}
        failures: list[tuple[str, str]] = []
        try:
            values = self._dump(self.kind.inputs.model_validate(known))
        except ValidationError as error:
            values = self._canonical(known)
            for mistake in error.errors(include_url=False):
                place = ".".join(str(part) for part in mistake["loc"])
                # A rule about the whole can't be judged either while a part of it is unknown.
                if news.unknown and (not mistake["loc"] or mistake["loc"][0] in news.unknown):
                    continue
                secret = not mistake["loc"] or mistake["loc"][0] in news.secret
                failures.append((place, self._reason(dict(mistake), place, secret)))
        inputs = {name: value for name, value in values.items() if name not in news.unknown}
        return Properties(inputs, news.secret, news.unknown), failures

    def _canonical(self, known: dict[str, Any]) -> dict[str, Any]:
        """What validation makes of each property by itself, for when it can't pass as a whole; defaults filled in."""
        values = dict(known)
        for name, info in self.kind.inputs.model_fields.items():
            alias = self._aliases[name]
            if alias not in known:
                if not info.is_required():
                    values[alias] = info.get_default(call_default_factory=True)
                continue
            # The description is there so that there is something to annotate with.
            adapter = TypeAdapter[Any](cast(Any, Annotated)[info.annotation, info.description, *info.metadata])
            with contextlib.suppress(ValidationError):
                values[alias] = adapter.dump_python(adapter.validate_python(known[alias]), mode="json")
        return values

    def _reason(self, mistake: dict[str, Any], place: str, secret: bool) -> str:
        rule = str(mistake["msg"]).removeprefix("Value error, ")
        if mistake["type"] == "extra_forbidden":
            known = ", ".join(sorted(self._aliases.values()))
            return f"{self.kind.name} has no property {place!r}; it has: {known}"
        value = "" if secret or mistake["type"] == "missing" else f" (it is {mistake.get('input')!r})"
        return f"{rule}{value}; nothing was touched"

    def differences(self, old: Properties, new: Properties) -> dict[str, Change]:
        """Which properties a state falls short of, wish by wish."""
        changes: dict[str, Change] = {}
        for name, alias in self._aliases.items():
            wish, found = new.values.get(alias), old.values.get(alias)
            if alias in new.unknown:
                changes[alias] = Change.UPDATE
            elif wish is None and (found is None or name in self._found_types):
                continue  # not managed, whatever is there
            elif wish is None:
                changes[alias] = Change.DELETE
            elif found is None:
                changes[alias] = Change.ADD
            elif name in self._found_types:
                typed = self._found_types[name].validate_python(found)
                if self.kind.differs(name, self._wish_types[name].validate_python(wish), typed):
                    changes[alias] = Change.UPDATE
            elif wish != found:
                changes[alias] = Change.UPDATE
        return changes

    def _dump(self, model: Inputs | Facts) -> dict[str, Any]:
        return model.model_dump(mode="json", by_alias=True)

    def _outputs(self, inputs: InputsT, facts: FactsT, where: Where | None, marks: Properties) -> Properties:
        """The inputs with the managed ones as they were found, the kind's own outputs, and the machine."""
        values = self._dump(inputs)
        found = self._dump(facts)
        for name in self._found_types:
            alias = self._aliases[name]
            if values.get(alias) is not None and facts.present:
                values[alias] = found[alias]
        for name in self.kind.outputs:
            alias = self.kind.facts.model_fields[name].alias or name
            values[alias] = found[alias]
        if where is not None:
            values[MACHINE] = where.output()
        return Properties(values, marks.secret)

    def planned(self, news: Properties, old: Properties | None = None) -> Properties:
        """The outputs that a preview can promise."""
        made = {self.kind.facts.model_fields[name].alias or name for name in self.kind.outputs} | {MACHINE}
        kept = {name: old.values[name] for name in made if old is not None and name in old.values}
        return Properties({**news.values, **kept}, news.secret, news.unknown | (made - kept.keys()))

    def _inputs(self, *sources: Properties) -> InputsT:
        """The inputs that a state holds; `sources` are asked in turn."""
        for source in sources:
            known = {name: value for name, value in source.values.items() if name in self._aliases.values()}
            if known:
                try:
                    return self.kind.inputs.model_validate(known)
                except ValidationError:
                    continue
        raise InvalidInput(f"the state of this {self.kind.name} does not hold its inputs", remedy="import it again")

    # --- on a machine ---

    async def difference(self, estate: Estate, old: Properties, new: Properties, tell: Tellers) -> Difference:
        """What an update would change. Connects only where the settings give the machine another address."""
        changes = self.differences(old, new)
        replaces = [name for name in self.identity if name in changes]
        where, host = Where.of(old.values.get(MACHINE)), new.values.get("host")
        moved = False
        if "host" in new.unknown:
            replaces.append("host")
        elif where is not None and host is not None and not estate.is_at(host, where):
            connection = estate.connection(host)
            moved = await connection.machine_id() != where.id
            estate.say_once(tell.warn, _moved(connection, where) if moved else _same(connection, where))
            changes[MACHINE] = Change.UPDATE
            if moved:
                replaces.append(MACHINE)
        return Difference(changes, tuple(replaces), delete_first=not moved)

    async def create(self, estate: Estate, urn: str, news: Properties, timeout: float, tell: Tellers) -> State:
        inputs = self.kind.inputs.model_validate(news.values)
        identity = self.kind.identify(inputs)
        resource_id = f"{inputs.host}/{identity}"
        outputs = await self._fulfil(estate, urn, resource_id, inputs, news, timeout, tell, force=False)
        return State(resource_id, outputs, news)

    async def update(
        self, estate: Estate, urn: str, old: State, news: Properties, timeout: float, tell: Tellers
    ) -> State:
        inputs = self.kind.inputs.model_validate(news.values)
        unseen = {alias for name, alias in self._aliases.items() if name not in self._found_types}
        force = any(old.outputs.values.get(alias) != news.values.get(alias) for alias in unseen)
        outputs = await self._fulfil(estate, urn, old.id, inputs, news, timeout, tell, force=force)
        return replace(old, outputs=outputs, inputs=news)

    async def _fulfil(
        self,
        estate: Estate,
        urn: str,
        resource_id: str,
        inputs: InputsT,
        marks: Properties,
        timeout: float,
        tell: Tellers,
        *,
        force: bool,
    ) -> Properties:
        """Observe, record what was there, apply, observe again. `force` applies although the facts are as wished."""
        kind = self.kind
        connection = estate.connection(inputs.host)
        identity = kind.identify(inputs)
        last: FactsT | None = None  # what was seen last, once the machine may have been changed

        async def work(session: SshSession) -> FactsT:
            nonlocal last
            record = Record(session, urn, kind.token, identity)
            recorded, facts = await asyncio.gather(record.read(), kind.observe(session, inputs))
            if recorded is None:
                await record.write(self._dump(facts))
            last = facts
            if facts.present and not force and not kind.differences(inputs, facts):
                return facts
            await kind.apply(session, inputs, facts)
            last = facts = await kind.observe(session, inputs)
            self._must_hold(inputs, facts, marks)
            return facts

        where: Where | None = None
        try:
            facts = await operate(
                connection,
                work,
                deadline=timeout or kind.deadline,
                locks=self._locks(inputs),
                progress=tell.progress,
                warn=tell.warn,
            )
            where = await estate.where(inputs.host, connection)
        except HearthError as error:
            if last is None:
                raise
            where = await _where_if_known(estate, inputs.host, connection)
            outputs = self._outputs(inputs, last, where, marks)
            raise HalfDone(error, State(resource_id, outputs, marks)) from error
        return self._outputs(inputs, facts, where, marks)

    def _must_hold(self, inputs: InputsT, facts: FactsT, marks: Properties) -> None:
        if not facts.present:
            raise WishNotFulfilled(
                f"{self.kind.name} {self.kind.identify(inputs)} on {inputs.host} is not there although all went well",
                remedy="something on the machine removes it: see what runs there (journalctl -n 50)",
            )
        lines: list[str] = []
        for name, (wish, found) in self.kind.differences(inputs, facts).items():
            alias = self._aliases[name]
            lines.append(
                f"{alias}: a secret" if alias in marks.secret else f"{alias}: {wish!r} wished, {found!r} found"
            )
        if lines:
            raise WishNotFulfilled(
                f"{self.kind.name} {self.kind.identify(inputs)} on {inputs.host} is still not as wished",
                detail="\n".join(lines),
                remedy="something else on the machine changes it, or refuses the change: see journalctl -n 50 there",
            )

    async def read(self, estate: Estate, resource_id: str, state: State, tell: Tellers) -> State:
        """The resource as it is now; an empty id where it is gone. Without a state: adopt what the id names."""
        importing = not state.inputs.values
        where: Where | None = None
        if importing:
            inputs = self._parsed(resource_id)
        else:
            inputs = self._inputs(state.inputs, state.outputs)
            where = Where.of(state.outputs.values.get(MACHINE))
            if where is not None and where.address in estate.machines.lost:
                tell.warn(f"{where.address} is declared lost, so {resource_id} counts as gone")
                return State("", Properties())
        connection = await _whereabouts(estate, inputs.host, where)
        facts = await operate(
            connection,
            lambda session: self.kind.observe(session, inputs),
            deadline=self.kind.deadline,
            progress=tell.progress,
            warn=tell.warn,
        )
        if not facts.present:
            if importing:
                raise InvalidInput(
                    f"there is no {self.kind.name} {self.kind.identify(inputs)} on {inputs.host}: nothing to adopt",
                    remedy=f"correct the id (it is MACHINE/{self.kind.identify(inputs)}), or create it without import",
                )
            return State("", Properties())
        now = await estate.where(inputs.host, connection)
        if importing:
            inputs = self._adopted(inputs, facts)
            found = Properties({name: value for name, value in self._dump(inputs).items() if value is not None})
            return State(resource_id, self._outputs(inputs, facts, now, found), found)
        return State(resource_id, self._outputs(inputs, facts, now, state.inputs), state.inputs)

    def _parsed(self, resource_id: str) -> InputsT:
        host, _, identity = resource_id.partition("/")
        if self.kind.parse is None:
            raise InvalidInput(
                f"a {self.kind.name} can't be imported: a machine holds nothing to adopt it from",
                remedy="create it without import; what is right already is left as it is",
            )
        try:
            # Only the identity is known yet: a wish for the rest would be a guess.
            required = {name: "" for name, info in self.kind.inputs.model_fields.items() if info.is_required()}
            values = {**required, "host": host, **self.kind.parse(identity)}
            return self.kind.inputs.model_validate({self._aliases[name]: value for name, value in values.items()})
        except (ValidationError, ValueError) as error:
            raise InvalidInput(
                f"{resource_id!r} is no id of a {self.kind.name}",
                detail=str(error),
                remedy="ids are MACHINE/WHAT; docs/resources.md shows one of each kind",
            ) from None

    def _adopted(self, inputs: InputsT, facts: FactsT) -> InputsT:
        found = {name: getattr(facts, name) for name in self._found_types if getattr(facts, name) is not None}
        return inputs.model_copy(update=found)

    async def delete(self, estate: Estate, urn: str, state: State, timeout: float, tell: Tellers) -> None:
        """Put back what was there before. Without a record nothing is known to be ours, and nothing is changed."""
        inputs = self._inputs(state.inputs, state.outputs)
        where = Where.of(state.outputs.values.get(MACHINE))
        if where is not None and where.address in estate.machines.lost:
            tell.warn(f"{where.address} is declared lost: {state.id} is forgotten, and nothing is put back there")
            return
        kind = self.kind

        async def work(session: SshSession) -> None:
            record = Record(session, urn, kind.token, kind.identify(inputs))
            recorded = await record.read()
            if recorded is None:
                tell.progress("was there before Hearth, or is gone: left as it is")
                return
            if not await record.hand_over(recorded):
                await kind.restore(session, inputs, kind.facts.model_validate(recorded))
            await record.remove()

        await operate(
            await _whereabouts(estate, inputs.host, where),
            work,
            deadline=timeout or kind.deadline,
            locks=self._locks(inputs),
            progress=tell.progress,
            warn=tell.warn,
        )

    def _locks(self, inputs: InputsT) -> Sequence[str]:
        """What the kind shares with others, and the resource itself: a try whose connection dropped may still run."""
        return (*self.kind.locks(inputs), f"{self.kind.name}:{self.kind.identify(inputs)}")


@dataclass(frozen=True)
class Tellers:
    """How an operation speaks to the person who waits."""

    progress: Tell
    warn: Tell


def redacted(secrets: Sequence[Properties]) -> Callable[[str], str]:
    """A function that takes every text out of a message that is secret in one of `secrets`."""
    plain = {text for each in secrets for text in each.texts() if len(text.strip()) >= 4}
    # A tool that stumbles over a secret text quotes a word of it, and not the line.
    plain |= {word for text in plain for word in re.split(r"[\s=:,;'\"]+", text) if len(word) >= 8}
    # Also as a message may quote it: in Python's form, in JSON's, and for a shell.
    quoted = {form for text in plain for form in (repr(text)[1:-1], json.dumps(text)[1:-1], shlex.quote(text))}
    texts = sorted(plain | quoted, key=len, reverse=True)

    def clean(message: str) -> str:
        for text in texts:
            message = message.replace(text, "[secret]")
        return message

    return clean


def _same(connection: Connection, where: Where) -> str:
    return f"{connection.label}, until now at {where.address}, is the same machine: what is there is kept"


def _moved(connection: Connection, where: Where) -> str:
    return (
        f"{connection.label} is another machine than the one at {where.address}: everything is made anew there,"
        " and then the old one is put back as it was found"
    )


async def _whereabouts(estate: Estate, name: str, where: Where | None) -> Connection:
    """The connection to the machine that a resource is on. Where the settings have another address for it since, that
    may be the same machine, or another one that has nothing to do with this resource."""
    if where is not None and name in estate.machines.hosts and not estate.is_at(name, where):
        moved = estate.connection(name)
        with contextlib.suppress(ConnectionFailed):
            if await moved.machine_id() == where.id:
                return moved
    return estate.connection(name, where)


async def _where_if_known(estate: Estate, name: str, connection: Any) -> Where | None:
    try:
        return await estate.where(name, connection)
    except HearthError:
        return None
