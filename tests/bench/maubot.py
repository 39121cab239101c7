"""Figures of maubot on a lab machine with a homeserver: to the first reply, nothing to do, drift, the bots' replies."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from lab.systems.maubot.homeserver import Synapse
from tests.bench.figures import Figure, timed
from tests.lab.systems.maubot.stack import BOTS, Stack, settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lab import Lab

REPLIES = 40  # asked for in each room


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """Measure everything, on a machine of its own."""
    machine = lab.machine("maubot", image="machine-matrix")
    homeserver = Synapse(machine)
    homeserver.begin()
    stack = Stack(folder / "maubot", machine, homeserver, settings({}))
    rooms: dict[str, str] = {}

    def one_bot() -> None:
        stack.up()
        rooms[BOTS[0]] = homeserver.ask("room", bots=[f"@{BOTS[0]}:lab.test"])
        stack.settings(settings(rooms))
        stack.up()
        homeserver.ask("say", room=rooms[BOTS[0]], text="first")

    found = [Figure("nothing to one bot answering (two ups)", timed(one_bot))]
    found.append(Figure("up with nothing to do", timed(lambda: stack.up("--expect-no-changes"))))
    found.append(Figure("drift check", timed(stack.drifted)))
    found.append(Figure("reply, one instance", _spread(_replies(homeserver, [rooms[BOTS[0]]]))))
    stack.settings(settings(rooms, 3))
    found.append(Figure("two more bots", timed(stack.up)))
    rooms |= {bot: homeserver.ask("room", bots=[f"@{bot}:lab.test"]) for bot in BOTS[1:]}
    stack.settings(settings(rooms, 3))
    stack.up()
    found.append(Figure("reply, three instances in turn", _spread(_replies(homeserver, list(rooms.values())))))
    at_once = homeserver.ask("many", rooms=list(rooms.values()), text="at once", count=REPLIES // 4)
    found.append(Figure("reply, three instances at once", _spread([float(each) for one in at_once for each in one])))
    found.append(Figure("destroy", timed(stack.destroy)))
    return found


def _replies(homeserver: Synapse, rooms: Sequence[str]) -> list[float]:
    """Return the seconds until each reply; 15 where none came."""
    return [
        homeserver.ask("say", room=rooms[number % len(rooms)], text=f"turn {number}", patience=15.0)["seconds"] or 15.0
        for number in range(REPLIES)
    ]


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"median {statistics.median(ordered):.2f} s, p99 {ordered[int(len(ordered) * 0.99)]:.2f} s"
