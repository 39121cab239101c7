"""Figures of maubot on a lab machine with a homeserver: to the first reply, nothing to do, drift, the bots' replies."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from lab.systems.maubot import instagram
from lab.systems.maubot.homeserver import Synapse
from tests.bench.figures import Figure, timed
from tests.lab.systems.maubot.stack import BOTS, Stack, real_plugins, settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lab import Lab

REPLIES = 100
LINKS = 40


def measure(lab: Lab, folder: Path) -> list[Figure]:
    """Measure everything, on a machine of its own."""
    machine = lab.machine("maubot", image="machine-matrix")
    homeserver = Synapse(machine)
    homeserver.begin()
    posts = [f"BENCHMARK{number:02}" for number in range(LINKS)]
    instagram.begin(machine, {post: ["1.jpg"] for post in posts})
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
    one = homeserver.ask("series", rooms=[rooms[BOTS[0]]], count=REPLIES)
    found.append(Figure("reply, one instance", _spread(one)))
    stack.settings(settings(rooms, 3))
    found.append(Figure("two more bots", timed(stack.up)))
    rooms |= {bot: homeserver.ask("room", bots=[f"@{bot}:lab.test"]) for bot in BOTS[1:]}
    stack.settings(settings(rooms, 3))
    stack.up()
    every = list(rooms.values())
    found.append(Figure("reply, three instances", _spread(homeserver.ask("series", rooms=every, count=REPLIES // 3))))
    at_once = homeserver.ask("burst", rooms=every, count=REPLIES // 3)
    found.append(Figure("reply, three asked in the same moment", _spread(at_once)))
    stack.settings(real_plugins(rooms))
    found.append(Figure("the Instagram plugin in their place", timed(stack.up)))
    found.append(Figure("a link answered with picture and caption", _spread(_links(homeserver, rooms[BOTS[0]], posts))))
    found.append(Figure("destroy", timed(stack.destroy)))
    return found


def _links(homeserver: Synapse, room: str, posts: Sequence[str]) -> list[float]:
    links = [f"https://www.instagram.com/p/{post}/" for post in posts]
    return [homeserver.ask("tell", room=room, text=link)["seconds"] or 8.0 for link in links]


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"median {statistics.median(ordered):.2f} s, p99 {ordered[int(len(ordered) * 0.99)]:.2f} s"
