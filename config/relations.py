"""What only shows when systems and machines are seen together: one port wanted twice, a machine's own user."""

from __future__ import annotations

from collections.abc import Mapping

from config.hosts import Machines
from config.mistakes import Mistake, shown
from config.model import NAMESPACE, overlap
from config.system import SystemSettings

SSH_PORT = 22


def _collisions(systems: Mapping[str, SystemSettings], machines: Machines) -> list[Mistake]:
    """Find one port of one machine, wanted twice: by two systems, or by a system and the machine's own SSH server."""
    listeners = [(key, each) for key, settings in systems.items() for each in settings.listeners() if each.addresses]
    found: list[Mistake] = []
    for position, (key, listener) in enumerate(listeners):
        where = f"{NAMESPACE}:{key}.{listener.key}"
        host = machines.hosts.get(listener.host)
        if host and listener.port == (host.port or SSH_PORT):
            rule = f"must not be the port of the SSH server of {listener.host}, by which the machine is reached"
            found.append(Mistake(where, rule, "choose another port", shown(listener.port)))
        for other_key, other in listeners[:position]:
            same = listener.port == other.port and machines.same_machine(listener.host, other.host)
            if same and key != other_key and any(overlap(a, b) for a in listener.addresses for b in other.addresses):
                rule = f"must not be that of {NAMESPACE}:{other_key}.{other.key} on the same machine ({listener.host})"
                found.append(Mistake(where, rule, "choose another port, or another address", shown(listener.port)))
    return found


def relations(systems: Mapping[str, SystemSettings], machines: Machines) -> list[Mistake]:
    """Return what only shows when systems and machines are seen together."""
    found = _collisions(systems, machines)
    for key, settings in systems.items():
        for each in settings.against(machines):
            rule, _, remedy = each.rule.partition("; ")
            value = None if each.value is None else shown(each.value)
            found.append(Mistake(f"{NAMESPACE}:{key}.{each.key}", rule, remedy, value))
    return found
