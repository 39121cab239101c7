"""Pulumi's verbs over a kind's observe, apply and restore. Knows nothing of the wire, and nothing of any one kind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Generic

from providers.errors import (
    ConnectionFailed,
    ConnectionLost,
    HearthError,
    InvalidInput,
    NotConverged,
    Untouched,
)
from providers.kind import Inputs, Kind
from providers.machine.inventory import Inventory, Placement, look_and_work, operate
from providers.machine.record import Record
from providers.machine.ssh_session import SshSession
from providers.plugin.applying import Applying
from providers.plugin.desired_state import MACHINE, RECORD, DesiredState, FactsT, InputsT
from providers.plugin.difference import Change, Difference
from providers.plugin.records import before, locks, record_of
from providers.plugin.removal import Removal
from providers.plugin.reporter import Reporter
from providers.plugin.shortfall import shortfall
from providers.plugin.state import HalfDone, State
from providers.plugin.values import Properties
from providers.plugin.whereabouts import (
    another_machine,
    damaged,
    forgotten,
    same_machine,
    where_if_known,
    whereabouts,
)

if TYPE_CHECKING:
    from providers.machine.connection import Connection

LETTING_GO_SECONDS = 30.0


class Verbs(Generic[InputsT, FactsT]):
    """The verbs of one kind, on the machines of an inventory."""

    def __init__(self, kind: Kind[InputsT, FactsT]) -> None:
        self.kind = kind
        self.desired = DesiredState(kind)

    async def difference(self, inventory: Inventory, old: Properties, new: Properties, tell: Reporter) -> Difference:
        """Return what an update would change. Connects only where the settings give the machine another address."""
        changes = self.desired.differences(old, new)
        replaces = [
            name
            for name in self.desired.identity
            if name in changes and not self.desired.learned(name, changes, old, new)
        ]
        self.desired.refuse(old, new, changes)
        where, host = Placement.of(old.values.get(MACHINE)), new.values.get("host")
        moved = False
        if "host" in new.unknown:
            replaces.append("host")
        elif where is not None and host is not None and not inventory.is_at(host, where):
            connection = inventory.connection(host)
            moved = await connection.machine_id() != where.id
            inventory.say_once(
                tell.warn, another_machine(connection, where) if moved else same_machine(connection, where)
            )
            changes[MACHINE] = Change.UPDATE
            if moved:
                replaces.append(MACHINE)
        if changes and (said := self.desired.announced(old, new)):
            inventory.say_once(tell.warn, said)
        items = self.desired.items(changes, old, new)
        return Difference(changes, items, tuple(replaces), delete_first=not moved)

    async def planned(self, inventory: Inventory, news: Properties, tell: Reporter) -> Properties:
        """Return what a creation would make, as far as it is known before."""
        if said := self.desired.announced(None, news):
            inventory.say_once(tell.warn, said)
        return self.desired.planned(news)

    async def create(self, inventory: Inventory, urn: str, news: Properties, timeout: float, tell: Reporter) -> State:
        inputs = self.kind.inputs.model_validate(news.values)
        identity = self.kind.identify(inputs)
        resource_id = f"{inputs.host}/{identity}"
        outputs = await self._fulfil(inventory, urn, State(resource_id, Properties()), inputs, news, timeout, tell)
        return State(resource_id, outputs, news)

    async def update(
        self, inventory: Inventory, urn: str, old: State, news: Properties, timeout: float, tell: Reporter
    ) -> State:
        inputs = self.kind.inputs.model_validate(news.values)
        unseen = {alias for name, alias in self.desired.aliases.items() if name not in self.desired.found_types}
        force = any(old.outputs.values.get(alias) != news.values.get(alias) for alias in unseen)
        outputs = await self._fulfil(inventory, urn, old, inputs, news, timeout, tell, force=force)
        return replace(old, outputs=outputs, inputs=news)

    async def _fulfil(
        self,
        inventory: Inventory,
        urn: str,
        old: State,
        inputs: InputsT,
        marks: Properties,
        timeout: float,
        tell: Reporter,
        *,
        force: bool = False,
    ) -> Properties:
        """Observe, record what was there, apply, observe again. `force` applies although the facts are as wished."""
        kind = self.kind
        connection = inventory.connection(inputs.host)
        key: str | None = None
        known: str | None = old.outputs.values.get(RECORD)
        last: FactsT | None = None  # what was seen last, once the machine may have been changed
        wish, made = inputs, tuple[str, ...]()

        async def look(session: SshSession) -> tuple[Record, FactsT]:
            record = record_of(kind, session, inputs, urn, known)
            _, facts = await asyncio.gather(record.read(), kind.observe(session.looking(), inputs))
            return record, facts

        async def work(session: SshSession, looked: tuple[Record, FactsT]) -> FactsT:
            nonlocal last, key, wish, made
            record, facts = looked
            was = before(kind, record)
            if record.damaged:
                tell.warn(f"{damaged(record, inputs)}: from now on, what is there now counts as what was there before")
            elif known is not None and was is None and facts.present:
                tell.warn(f"{forgotten(old.id, inputs)}: from now on, what is there now counts as that")
            wider = facts if was is None else kind.widen(was, facts)
            made = kind.made(wider)
            wish = kind.with_defaults(inputs, made)
            right = facts.present and not force and not kind.differences(wish, facts)
            if not right and was is None and (why := kind.unkeepable(facts)):
                raise _not_touched(kind.identify(inputs), inputs, why)
            held = record.key is not None
            known_before = record.before if record.before is not None and wider is was else self.desired.dump(wider)
            touched = not right or kind.adopt is not None
            key = record.hold(known_before, self.desired.managed(wish), touched=touched)
            if right:
                await record.held()
                last = facts
                if kind.adopt is not None:
                    await kind.adopt(session, wish, facts)
                return facts
            remade = kind.remade(wish, wider, facts)
            applying = Applying(lambda: kind.apply(session, remade, facts))
            try:
                last, earlier = facts, last
                if not await applying.after(record):
                    last = earlier
                found = await applying.done()
            except Untouched as error:
                if session.changed:
                    raise error.after_a_change() from error
                # Refused before anything was changed: nothing is to be put back, and of a creation nothing is left.
                # What was waited for until the deadline is the reason to be told, so letting go has time of its own.
                session.grant(LETTING_GO_SECONDS)
                await record.withdraw(held=held)
                if not held or known is not None:  # of a change, the state stays as it is
                    last = None
                raise
            last = facts = await kind.observe(session.looking(), wish) if found is None else found
            await self._must_hold(session, wish, facts, marks)
            return facts

        where: Placement | None = None
        try:
            facts = await look_and_work(
                connection,
                look,
                work,
                deadline=timeout or kind.deadline,
                locks=locks(self.kind, inputs),
                progress=tell.progress,
                warn=tell.warn,
            )
            where = await inventory.where(inputs.host, connection)
        except HearthError as error:
            if last is None:
                raise
            where = await where_if_known(inventory, inputs.host, connection)
            raise HalfDone(
                error, State(old.id, self.desired.outputs(wish, last, where, marks, key, made), marks)
            ) from error
        return self.desired.outputs(wish, facts, where, marks, key, made)

    async def read(self, inventory: Inventory, urn: str, state: State, tell: Reporter) -> State:
        """Return the resource as it is now; an empty id where it is gone. Without inputs: adopt what the id names."""
        importing = not state.inputs.values
        where: Placement | None = None
        if importing:
            inputs = self.desired.parsed(state.id)
        else:
            inputs = self.desired.inputs_of(state.inputs, state.outputs)
            where = Placement.of(state.outputs.values.get(MACHINE))
            if where is not None and where.address in inventory.machines.lost:
                tell.warn(f"{where.address} is declared lost, so {state.id} counts as gone")
                return State("", Properties())
        connection = await whereabouts(inventory, inputs.host, where)
        key: str | None = state.outputs.values.get(RECORD)
        made = self.desired.made(state.outputs)
        inputs = self.kind.with_defaults(inputs, made)
        try:
            facts = await operate(
                connection,
                lambda session: self.kind.observe(session.looking(), inputs),
                deadline=self.kind.deadline,
                progress=tell.progress,
                warn=tell.warn,
            )
        except (ConnectionFailed, ConnectionLost):
            raise
        except HearthError as error:
            if importing:
                raise
            return self._unread(state, error, tell)
        if not facts.present:
            if importing:
                raise InvalidInput(
                    f"there is no {self.kind.name} {self.kind.identify(inputs)} on {inputs.host}: nothing to adopt",
                    remedy=f"correct the id (it is MACHINE/{self.kind.identify(inputs)}), or create it without import",
                )
            if key is not None:
                await self._forget(connection, inputs, facts, urn, key, tell)
            return State("", Properties())
        now = await inventory.where(inputs.host, connection)
        if importing:
            inputs = self.desired.adopted(inputs, facts)
            found = Properties({name: value for name, value in self.desired.dump(inputs).items() if value is not None})
            return State(state.id, self.desired.outputs(inputs, facts, now, found, None), found)
        return State(state.id, self.desired.outputs(inputs, facts, now, state.inputs, key, made), state.inputs)

    def _unread(self, state: State, error: HearthError, tell: Reporter) -> State:
        """Return what a look that failed counts as: neither the end of all others nor "as wished".

        It shows as drift of this resource.
        """
        tell.warn(f"{state.id} could not be looked at, which counts as drift of it: {error}")
        values = dict(state.outputs.values)
        for name in self.desired.found_types:
            if self.desired.aliases[name] not in self.desired.identity:
                values.pop(self.desired.aliases[name], None)
        return State(state.id, replace(state.outputs, values=values), state.inputs)

    async def _must_hold(self, session: SshSession, inputs: InputsT, facts: FactsT, marks: Properties) -> None:
        """Raise NotConverged, with the reason where the kind knows it, unless the wish holds."""
        failure = shortfall(self.desired, inputs, facts, marks)
        if failure is None:
            return
        explain = self.kind.explain
        reason = await explain(session.looking(), inputs, facts) if explain is not None else ""
        if reason:
            raise NotConverged(f"{failure.summary}: {reason}", detail=failure.detail, remedy=failure.remedy)
        raise failure

    async def _forget(
        self, connection: Connection, inputs: InputsT, facts: FactsT, urn: str, key: str, tell: Reporter
    ) -> None:
        """Before Pulumi forgets what is gone: let the creation that may follow find the record by today's URN.

        Where all is as it was before there is nothing to find, and nobody would come for the record again.
        """

        async def work(session: SshSession) -> None:
            record = record_of(self.kind, session, inputs, urn, key)
            await record.read()
            was = before(self.kind, record)
            if record.key is not None and was is not None and self.desired.dump(was) == self.desired.dump(facts):
                await record.release()
            else:
                await record.follow()

        await operate(
            connection,
            work,
            deadline=self.kind.deadline,
            locks=locks(self.kind, inputs),
            progress=tell.progress,
            warn=tell.warn,
        )

    async def delete(self, inventory: Inventory, urn: str, state: State, timeout: float, tell: Reporter) -> None:
        """Put back what was there before. Without a record nothing is known to be ours, and nothing is changed."""
        await Removal(self.kind, self.desired).remove(inventory, urn, state, timeout, tell)


def _not_touched(what: str, inputs: Inputs, why: str) -> InvalidInput:
    return InvalidInput(
        f"what is at {what} on {inputs.host} could not be put back later, so it is not touched: {why}",
        remedy="move it away by hand, or choose another place",
    )
