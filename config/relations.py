"""What only shows when systems and machines are seen together: one port or place wanted twice, a machine's own user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from config.addresses import overlap
from config.hosts import SSH_PORT, Machines
from config.mistakes import Mistake, mistake_of, shown
from config.model import NAMESPACE, Told, until_unknown
from config.places import inside
from config.system import Holding, Listener, SystemSettings


def _told(ask: Callable[[], Iterable[Told]]) -> Iterator[Told]:
    """Yield what a system tells: one whose settings are wrong somewhere may tell a part."""

    def asked() -> Iterator[Told]:
        yield from ask()

    return until_unknown(asked())


def _collisions(systems: Mapping[str, SystemSettings], machines: Machines) -> list[Mistake]:
    """Find one port of one machine, wanted twice: by two settings, or by one and the machine's own SSH server."""
    listeners = [
        (key, each) for key, settings in systems.items() for each in _told(settings.listeners) if each.addresses
    ]
    found: list[Mistake] = []
    for position, (key, listener) in enumerate(listeners):
        where, shown_port = f"{NAMESPACE}:{key}.{listener.key}", shown(listener.port)
        host = machines.hosts.get(listener.host)
        if host and listener.protocol == "tcp" and listener.port == (host.port or SSH_PORT):
            rule = f"must not be the port of the SSH server of {listener.host}, by which the machine is reached"
            found.append(Mistake(where, rule, "choose another port", shown_port))
        for other_key, other in listeners[:position]:
            if (key, listener.key) != (other_key, other.key) and _same_place(listener, other, machines):
                rule = (
                    f"must not be that of {NAMESPACE}:{other_key}.{other.key} on the same machine ({listener.host}, "
                    f"{listener.protocol})"
                )
                found.append(Mistake(where, rule, "choose another port, or another address", shown_port))
    return found


def _same_place(one: Listener, other: Listener, machines: Machines) -> bool:
    """Return whether two would listen on one port of one machine, on an address that both have."""
    same = (one.port, one.protocol) == (other.port, other.protocol) and machines.same_machine(one.host, other.host)
    return same and any(overlap(first, second) for first in one.addresses for second in other.addresses)


def _in_the_way(one: Holding, other: Holding) -> bool:
    """Return whether two systems would each have the same account, or a path of one lies in the other's."""
    if isinstance(one.what, str) or isinstance(other.what, str):
        return one.what == other.what
    return inside(one.what, other.what) or inside(other.what, one.what)


def _holdings(systems: Mapping[str, SystemSettings], machines: Machines) -> list[Mistake]:
    """Find an account or a place of one machine that two systems take for their own: each would change or remove it."""
    held = [(key, each) for key, settings in systems.items() for each in _told(settings.holdings)]
    found: list[Mistake] = []
    for position, (key, one) in enumerate(held):
        for other_key, other in held[:position]:
            if key == other_key or not machines.same_machine(one.host, other.host) or not _in_the_way(one, other):
                continue
            # What the settings say is to be changed: a system's own places are not for them to choose.
            (at, here), (_, there) = sorted([(key, one), (other_key, other)], key=lambda pair: not pair[1].key)
            name = f"{NAMESPACE}:{other_key if at == key else key}" + (f".{there.key}" if there.key else "")
            rule = f"must lie apart from what {name} has on the same machine ({there.host}: {there.what})"
            where = f"{NAMESPACE}:{at}" + (f".{here.key}" if here.key else "")
            found.append(Mistake(where, rule, "choose another place, name or machine", shown(str(here.what))))
    return found


def relations(systems: Mapping[str, SystemSettings], machines: Machines) -> list[Mistake]:
    """Return what only shows when systems and machines are seen together.

    They may be wrong somewhere, and have what is right (config/right_parts.py).
    """
    found = _collisions(systems, machines) + _holdings(systems, machines)
    for key, settings in systems.items():
        found += [mistake_of(each, f"{NAMESPACE}:{key}") for each in until_unknown(settings.against(machines))]
    return found
