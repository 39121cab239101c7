"""The record of a resource, as a kind reads it: what was there before, under which name, behind which locks."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from providers.kind import Kind
from providers.machine.record import Record
from providers.machine.ssh_session import SshSession
from providers.plugin.desired_state import FactsT, InputsT


def record_of(kind: Kind[InputsT, FactsT], session: SshSession, inputs: InputsT, urn: str, key: str | None) -> Record:
    """Return the record of a resource, unread; `key` is its name on the machine where that is known."""
    return Record(session, (kind.recorded_as, kind.identify(inputs)), urn, key)


def before(kind: Kind[InputsT, FactsT], record: Record) -> FactsT | None:
    """Return what was there before, from a record; one that holds something else is a damaged one."""
    if record.before is None:
        return None
    try:
        return kind.facts.model_validate(record.before)
    except ValidationError as error:
        record.damaged = f"{error.error_count()} things in it are not what a {kind.name} has"
        record.before = None
        return None


def locks(kind: Kind[InputsT, FactsT], inputs: InputsT) -> Sequence[str]:
    """Return the locks: what the kind shares with others, and the resource itself.

    A try whose connection dropped may still run.
    """
    return (*kind.locks(inputs), f"{kind.name}:{kind.identify(inputs)}")
