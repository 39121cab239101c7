"""Pulumi's verbs over a kind's observe, apply and restore. Knows nothing of the wire, and nothing of any one kind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Generic

from pydantic import ValidationError

from providers.errors import (
    ConnectionFailed,
    ConnectionLost,
    DeadlineExceeded,
    HearthError,
    InvalidInput,
    NotConverged,
    Untouched,
)
from providers.kind import Inputs, Kind
from providers.machine.inventory import Inventory, Placement, look_and_work, operate
from providers.machine.record import Record
from providers.machine.ssh_session import SshSession
from providers.plugin.desired_state import MACHINE, RECORD, Change, DesiredState, Difference, FactsT, InputsT
from providers.plugin.reporter import Reporter
from providers.plugin.state import HalfDone, State
from providers.plugin.values import Properties
from providers.plugin.whereabouts import (
    another_machine,
    damaged,
    forgotten,
    same_machine,
    stack_of,
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
        items = self.desired.items(changes, old, new)
        return Difference(changes, items, tuple(replaces), delete_first=not moved)

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
            record = self._record(session, inputs, urn, known)
            _, facts = await asyncio.gather(record.read(), kind.observe(session.looking(), inputs))
            return record, facts

        async def work(session: SshSession, looked: tuple[Record, FactsT]) -> FactsT:
            nonlocal last, key, wish, made
            record, facts = looked
            before = self._before(record)
            if record.damaged:
                tell.warn(f"{damaged(record, inputs)}: from now on, what is there now counts as what was there before")
            elif known is not None and before is None:
                tell.warn(f"{forgotten(old.id, inputs)}: from now on, what is there now counts as that")
            made = kind.made(facts if before is None else before)
            wish = kind.with_defaults(inputs, made)
            right = facts.present and not force and not kind.differences(wish, facts)
            if not right and before is None and (why := kind.unkeepable(facts)):
                raise _not_touched(kind.identify(inputs), inputs, why)
            held, touched = record.key is not None, record.touched
            key = record.hold(
                self.desired.dump(facts), self.desired.managed(wish), touched=not right or kind.adopt is not None
            )
            if right:
                await record.held()
                last = facts
                if kind.adopt is not None:
                    await kind.adopt(session, wish, facts)
                return facts
            remade = kind.remade(wish, facts if before is None else before, facts)
            applying = _Applying(lambda: kind.apply(session, remade, facts))
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
                if not held:
                    await record.release()
                    last = None
                elif not touched:
                    await record.untouch()
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
                locks=self._locks(inputs),
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
                await self._follow(connection, inputs, urn, key, tell)
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
        failure = self.desired.shortfall(inputs, facts, marks)
        if failure is None:
            return
        explain = self.kind.explain
        reason = await explain(session.looking(), inputs, facts) if explain is not None else ""
        if reason:
            raise NotConverged(f"{failure.summary}: {reason}", detail=failure.detail, remedy=failure.remedy)
        raise failure

    async def _follow(self, connection: Connection, inputs: InputsT, urn: str, key: str, tell: Reporter) -> None:
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

    async def delete(self, inventory: Inventory, urn: str, state: State, timeout: float, tell: Reporter) -> None:
        """Put back what was there before. Without a record nothing is known to be ours, and nothing is changed."""
        inputs = self.desired.inputs_of(state.inputs, state.outputs)
        where = Placement.of(state.outputs.values.get(MACHINE))
        if where is not None and where.address in inventory.machines.lost:
            tell.warn(f"{where.address} is declared lost: {state.id} is forgotten, and nothing is put back there")
            return
        kind = self.kind
        key: str | None = state.outputs.values.get(RECORD)

        async def look(session: SshSession) -> Record:
            record = self._record(session, inputs, urn, key)
            await record.read()
            return record

        async def work(session: SshSession, record: Record) -> None:
            before = self._before(record)
            if record.key is None or (before is None and record.damaged):
                if key is not None and record.before is None:
                    await self._say_what_stays(session, inputs, state, record, tell)
                    if record.damaged:
                        await record.release()
                else:
                    tell.progress("was there before Hearth, or is another resource's now: left as it is")
                return
            stacks = {stack_of(other) for other in record.others}
            if not stacks and record.touched and before is not None:
                wish = self.desired.once_managed(kind.with_defaults(inputs, kind.made(before)), record.managed, before)
                await kind.restore(session, wish, before)
            elif stacks and stack_of(urn) not in stacks:
                tell.warn(f"{state.id} stays for {' and '.join(sorted(stacks))}, which has it too")
            await record.release()

        await look_and_work(
            await whereabouts(inventory, inputs.host, where),
            look,
            work,
            deadline=timeout or kind.deadline,
            locks=self._locks(inputs),
            progress=tell.progress,
            warn=tell.warn,
        )

    def _before(self, record: Record) -> FactsT | None:
        """Return what was there before, from a record; one that holds something else is a damaged one."""
        if record.before is None:
            return None
        try:
            return self.kind.facts.model_validate(record.before)
        except ValidationError as error:
            record.damaged = f"{error.error_count()} things in it are not what a {self.kind.name} has"
            record.before = None
            return None

    async def _say_what_stays(
        self, session: SshSession, inputs: InputsT, state: State, record: Record, tell: Reporter
    ) -> None:
        """Warn of what Hearth made, and no record knows any more."""
        by_hand = self.kind.by_hand(inputs)
        reason = damaged(record, inputs) if record.damaged else forgotten(state.id, inputs)
        if by_hand and await self._may_be_there(session, inputs):
            tell.warn(
                f"{reason}: it was left as it is. If nothing was there before, remove it by hand"
                f" on {inputs.host}: {by_hand}"
            )

    async def _may_be_there(self, session: SshSession, inputs: InputsT) -> bool:
        """Whether the thing is there, or can't be asked for: that is not "gone"."""
        try:
            return (await self.kind.observe(session.looking(), inputs)).present
        except (ConnectionFailed, ConnectionLost):
            raise
        except HearthError:
            return True

    def _record(self, session: SshSession, inputs: InputsT, urn: str, key: str | None) -> Record:
        return Record(session, (self.kind.recorded_as, self.kind.identify(inputs)), urn, key)

    def _locks(self, inputs: InputsT) -> Sequence[str]:
        """Return the locks: what the kind shares with others, and the resource itself.

        A try whose connection dropped may still run.
        """
        return (*self.kind.locks(inputs), f"{self.kind.name}:{self.kind.identify(inputs)}")


class _Applying(Generic[FactsT]):
    """An `apply` whose requests go out behind the record's, without waiting for the answer to that.

    The machine carries none of them out where the record could not be written; then `apply` is run once more, after it
    could be.
    """

    def __init__(self, apply: Callable[[], Awaitable[FactsT | None]]) -> None:
        self._apply = apply
        self._task: asyncio.Future[FactsT | None] = asyncio.ensure_future(self._run())

    async def _run(self) -> FactsT | None:
        return await self._apply()

    async def after(self, record: Record) -> bool:
        """Wait until the record is written; False where it can't be: nothing was changed, and `done` says why."""
        try:
            good = await record.held()
        except HearthError as error:
            await self._give_up()
            self._task = asyncio.get_running_loop().create_future()
            self._task.set_exception(error)
            return isinstance(error, ConnectionLost | DeadlineExceeded)
        except BaseException:
            await self._give_up()
            raise
        if not good:
            await self._give_up()
            self._task = asyncio.ensure_future(self._run())
        return True

    async def done(self) -> FactsT | None:
        """Wait until it is applied: what is there now, where the kind knows that already."""
        try:
            return await self._task
        finally:
            await self._give_up()

    async def _give_up(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _not_touched(what: str, inputs: Inputs, why: str) -> InvalidInput:
    return InvalidInput(
        f"what is at {what} on {inputs.host} could not be put back later, so it is not touched: {why}",
        remedy="move it away by hand, or choose another place",
    )
