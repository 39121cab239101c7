"""Pulumi's verbs over a kind's observe, apply and restore. Knows nothing of the wire, and nothing of any one kind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from providers.errors import ConnectionFailed, HearthError, InvalidInput
from providers.kind import Inputs
from providers.machine.inventory import Inventory, Where, operate
from providers.machine.record import RECORDS, Record
from providers.machine.ssh_session import SshSession
from providers.plugin.desired_state import MACHINE, RECORD, Change, Difference, FactsT, InputsT, Wishes
from providers.plugin.reporter import Tellers
from providers.plugin.values import Properties

if TYPE_CHECKING:
    from providers.machine.connection import Connection


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


class Verbs(Wishes[InputsT, FactsT]):
    """The verbs of one kind, on the machines of one estate."""

    async def difference(self, estate: Inventory, old: Properties, new: Properties, tell: Tellers) -> Difference:
        """What an update would change. Connects only where the settings give the machine another address."""
        changes = self.differences(old, new)
        replaces = [name for name in self.identity if name in changes]
        self.refuse(old, new, changes)
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

    async def create(self, estate: Inventory, urn: str, news: Properties, timeout: float, tell: Tellers) -> State:
        inputs = self.kind.inputs.model_validate(news.values)
        identity = self.kind.identify(inputs)
        resource_id = f"{inputs.host}/{identity}"
        outputs = await self._fulfil(estate, urn, State(resource_id, Properties()), inputs, news, timeout, tell)
        return State(resource_id, outputs, news)

    async def update(
        self, estate: Inventory, urn: str, old: State, news: Properties, timeout: float, tell: Tellers
    ) -> State:
        inputs = self.kind.inputs.model_validate(news.values)
        unseen = {alias for name, alias in self._aliases.items() if name not in self._found_types}
        force = any(old.outputs.values.get(alias) != news.values.get(alias) for alias in unseen)
        outputs = await self._fulfil(estate, urn, old, inputs, news, timeout, tell, force=force)
        return replace(old, outputs=outputs, inputs=news)

    async def _fulfil(
        self,
        estate: Inventory,
        urn: str,
        old: State,
        inputs: InputsT,
        marks: Properties,
        timeout: float,
        tell: Tellers,
        *,
        force: bool = False,
    ) -> Properties:
        """Observe, record what was there, apply, observe again. `force` applies although the facts are as wished."""
        kind = self.kind
        connection = estate.connection(inputs.host)
        key: str | None = None
        known: str | None = old.outputs.values.get(RECORD)
        last: FactsT | None = None  # what was seen last, once the machine may have been changed
        wish, made = inputs, tuple[str, ...]()

        async def work(session: SshSession) -> FactsT:
            nonlocal last, key, wish, made
            record = self._record(session, inputs, urn, known)
            _, facts = await asyncio.gather(record.read(), kind.observe(session, inputs))
            if known is not None and record.before is None:
                tell.warn(f"{_forgotten(old, inputs)}: from now on, what is there now counts as that")
            before = facts if record.before is None else kind.facts.model_validate(record.before)
            made = kind.made(before)
            wish = kind.with_defaults(inputs, made)
            key = await record.hold(self._dump(facts), self.managed(wish))
            last = facts
            if facts.present and not force and not kind.differences(wish, facts):
                return facts
            await kind.apply(session, kind.remade(wish, before, facts), facts)
            last = facts = await kind.observe(session, wish)
            self.must_hold(wish, facts, marks)
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
            raise HalfDone(error, State(old.id, self._outputs(wish, last, where, marks, key, made), marks)) from error
        return self._outputs(wish, facts, where, marks, key, made)

    async def read(self, estate: Inventory, urn: str, state: State, tell: Tellers) -> State:
        """The resource as it is now; an empty id where it is gone. Without inputs: adopt what the id names."""
        importing = not state.inputs.values
        where: Where | None = None
        if importing:
            inputs = self._parsed(state.id)
        else:
            inputs = self._inputs(state.inputs, state.outputs)
            where = Where.of(state.outputs.values.get(MACHINE))
            if where is not None and where.address in estate.machines.lost:
                tell.warn(f"{where.address} is declared lost, so {state.id} counts as gone")
                return State("", Properties())
        connection = await _whereabouts(estate, inputs.host, where)
        key: str | None = state.outputs.values.get(RECORD)
        made = self._made(state.outputs)
        inputs = self.kind.with_defaults(inputs, made)
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
            if key is not None:
                await self._follow(connection, inputs, urn, key, tell)
            return State("", Properties())
        now = await estate.where(inputs.host, connection)
        if importing:
            inputs = self._adopted(inputs, facts)
            found = Properties({name: value for name, value in self._dump(inputs).items() if value is not None})
            return State(state.id, self._outputs(inputs, facts, now, found, None), found)
        return State(state.id, self._outputs(inputs, facts, now, state.inputs, key, made), state.inputs)

    async def _follow(self, connection: Connection, inputs: InputsT, urn: str, key: str, tell: Tellers) -> None:
        """Before Pulumi forgets what is gone: let the creation that may follow find the record by today's URN."""

        async def work(session: SshSession) -> None:
            record = self._record(session, inputs, urn, key)
            await record.read()
            await record.follow()

        await operate(
            connection,
            work,
            deadline=self.kind.deadline,
            locks=self._locks(inputs),
            progress=tell.progress,
            warn=tell.warn,
        )

    async def delete(self, estate: Inventory, urn: str, state: State, timeout: float, tell: Tellers) -> None:
        """Put back what was there before. Without a record nothing is known to be ours, and nothing is changed."""
        inputs = self._inputs(state.inputs, state.outputs)
        where = Where.of(state.outputs.values.get(MACHINE))
        if where is not None and where.address in estate.machines.lost:
            tell.warn(f"{where.address} is declared lost: {state.id} is forgotten, and nothing is put back there")
            return
        kind = self.kind
        key: str | None = state.outputs.values.get(RECORD)

        async def work(session: SshSession) -> None:
            record = self._record(session, inputs, urn, key)
            await record.read()
            if record.key is None:
                if key is not None and record.before is None:
                    await self._say_what_stays(session, inputs, state, tell)
                else:
                    tell.progress("was there before Hearth, or is another resource's now: left as it is")
                return
            stacks = {_stack(other) for other in record.others}
            if not stacks:
                before = kind.facts.model_validate(record.before)
                wish = self.once_managed(kind.with_defaults(inputs, kind.made(before)), record.managed, before)
                await kind.restore(session, wish, before)
            elif _stack(urn) not in stacks:
                tell.warn(f"{state.id} stays for {' and '.join(sorted(stacks))}, which has it too")
            await record.release()

        await operate(
            await _whereabouts(estate, inputs.host, where),
            work,
            deadline=timeout or kind.deadline,
            locks=self._locks(inputs),
            progress=tell.progress,
            warn=tell.warn,
        )

    async def _say_what_stays(self, session: SshSession, inputs: InputsT, state: State, tell: Tellers) -> None:
        """Of what Hearth made, and no record knows any more."""
        by_hand = self.kind.by_hand(inputs)
        if by_hand and (await self.kind.observe(session, inputs)).present:
            tell.warn(
                f"{_forgotten(state, inputs)}: it was left as it is. If nothing was there before, remove it by hand"
                f" on {inputs.host}: {by_hand}"
            )

    def _record(self, session: SshSession, inputs: InputsT, urn: str, key: str | None) -> Record:
        return Record(session, (self.kind.token, self.kind.identify(inputs)), urn, key)

    def _locks(self, inputs: InputsT) -> Sequence[str]:
        """What the kind shares with others, and the resource itself: a try whose connection dropped may still run."""
        return (*self.kind.locks(inputs), f"{self.kind.name}:{self.kind.identify(inputs)}")


def _stack(urn: str) -> str:
    """The stack in `urn:pulumi:STACK::PROJECT::TYPE::NAME`, as a person calls it."""
    stack, project = urn.split("::")[:2]
    return f"the stack {stack.rpartition(':')[2]} of {project}"


def _forgotten(state: State, inputs: Inputs) -> str:
    return f"{RECORDS} on {inputs.host} does not say any more what was there before {state.id}"


def _same(connection: Connection, where: Where) -> str:
    return f"{connection.label}, until now at {where.address}, is the same machine: what is there is kept"


def _moved(connection: Connection, where: Where) -> str:
    return (
        f"{connection.label} is another machine than the one at {where.address}: everything is made anew there,"
        " and then the old one is put back as it was found"
    )


async def _whereabouts(estate: Inventory, name: str, where: Where | None) -> Connection:
    """The connection to the machine that a resource is on. Where the settings have another address for it since, that
    may be the same machine, or another one that has nothing to do with this resource."""
    if where is not None and name in estate.machines.hosts and not estate.is_at(name, where):
        moved = estate.connection(name)
        with contextlib.suppress(ConnectionFailed):
            if await moved.machine_id() == where.id:
                return moved
    return estate.connection(name, where)


async def _where_if_known(estate: Inventory, name: str, connection: Any) -> Where | None:
    try:
        return await estate.where(name, connection)
    except HearthError:
        return None
