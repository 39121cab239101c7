"""The way back: what Pulumi's `delete` does on a machine."""

from __future__ import annotations

from typing import Generic

from providers.errors import ConnectionFailed, ConnectionLost, HearthError
from providers.kind import Kind
from providers.machine.inventory import Inventory, Placement, look_and_work
from providers.machine.record import Record
from providers.machine.ssh_session import SshSession
from providers.plugin.desired_state import MACHINE, RECORD, DesiredState, FactsT, InputsT
from providers.plugin.records import before, locks, record_of
from providers.plugin.reporter import Reporter
from providers.plugin.state import State
from providers.plugin.whereabouts import damaged, forgotten, stack_of, whereabouts


class Removal(Generic[InputsT, FactsT]):
    """Puts back what was there before a resource of one kind."""

    def __init__(self, kind: Kind[InputsT, FactsT], desired: DesiredState[InputsT, FactsT]) -> None:
        self.kind = kind
        self.desired = desired

    async def remove(self, inventory: Inventory, urn: str, state: State, timeout: float, tell: Reporter) -> None:
        """Put back what was there before. Without a record nothing is known to be ours, and nothing is changed."""
        inputs = self.desired.inputs_of(state.inputs, state.outputs)
        where = Placement.of(state.outputs.values.get(MACHINE))
        if where is not None and where.address in inventory.machines.lost:
            tell.warn(f"{where.address} is declared lost: {state.id} is forgotten, and nothing is put back there")
            return
        kind = self.kind
        key: str | None = state.outputs.values.get(RECORD)

        async def look(session: SshSession) -> Record:
            record = record_of(kind, session, inputs, urn, key)
            await record.read()
            return record

        async def work(session: SshSession, record: Record) -> None:
            was = before(kind, record)
            if record.key is None or (was is None and record.damaged):
                if key is not None and record.before is None:
                    await self._say_what_stays(session, inputs, state, record, tell)
                    if record.damaged:
                        await record.release()
                else:
                    tell.progress("was there before Hearth, or is another resource's now: left as it is")
                return
            stacks = {stack_of(other) for other in record.others}
            if not stacks and record.touched and was is not None:
                wish = self.desired.once_managed(kind.with_defaults(inputs, kind.made(was)), record.managed, was)
                await kind.restore(session, wish, was)
            elif stacks and stack_of(urn) not in stacks:
                tell.warn(f"{state.id} stays for {' and '.join(sorted(stacks))}, which has it too")
            await record.release()

        await look_and_work(
            await whereabouts(inventory, inputs.host, where),
            look,
            work,
            deadline=timeout or kind.deadline,
            locks=locks(kind, inputs),
            progress=tell.progress,
            warn=tell.warn,
        )

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
