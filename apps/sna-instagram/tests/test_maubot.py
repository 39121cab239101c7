"""The plugin's own .mbp in a real maubot, before a real Synapse: what a user sees in her rooms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from .conftest import HERE
from .servers import Servers, User, serving
from .site import JPEG, MP4, Site


async def until(question: Callable[[], Awaitable[Any]], seconds: float) -> Any:
    """Return the question's first answer that is true; None if there is none within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := await question():
            return answer
        await asyncio.sleep(0.05)
    return None


async def replies(user: User, room: str, event_id: str) -> list[dict[str, Any]]:
    """Return what was answered to an event, once its last part, a notice, has come."""
    found = [
        event
        for event in await user.events(room)
        if event["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id") == event_id
    ]
    return found if found and found[-1]["content"]["msgtype"] == "m.notice" else []


async def test_a_real_maubot_answers_links_in_subscribed_rooms_only_and_once(site: Site, tmp_path: Path) -> None:
    site.add("REALPICTURE", "1.jpg", caption="By way of Synapse")
    site.add("REALCAROUSE", "1.jpg", "2.mp4")
    site.files["real.mp4"] = MP4 + b"\x00" * 1_500_000
    site.add("REALTOOLARG", "real.mp4")
    async with serving(tmp_path) as servers:
        user, bot = await servers.register("user"), await servers.bot("instagram-bot")
        rooms = [await user.room(bot.mxid) for _ in range(3)]
        for room in rooms:
            assert await until(lambda room=room: _has(user, room, bot.mxid), 15), servers.maubot.log.read_text()[-2000:]
        await servers.upload(HERE)
        # The third is joined, but not subscribed. The limit is over what the homeserver takes.
        config = {"enabled": True, "max_file_size": 50_000_000, "room_subscriptions": rooms[:2], "proxy": site.proxy}
        await servers.instance("instagram-bot-1", "sna.instagram", bot, config)
        # US4: another kind of bot beside it, with a user and a room of its own.
        echo = await servers.bot("echo-bot")
        room = await user.room(echo.mxid)
        assert await until(lambda: _has(user, room, echo.mxid), 15), servers.maubot.log.read_text()[-2000:]
        await servers.upload(HERE.parent / "echo-bot")
        await servers.instance("echo-bot-1", "sna.echo", echo, {"room_subscriptions": [room]})
        try:
            (line,) = await _answer(user, room, "!echo are you there?")
            assert (line["sender"], line["content"]["body"]) == (echo.mxid, "are you there?")
            await _check_rooms(servers, user, bot, rooms)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{servers.maubot.log.read_text()[-3000:]}") from error


async def _has(user: User, room: str, mxid: str) -> bool:
    return mxid in await user.members(room)


async def _check_rooms(servers: Servers, user: User, bot: User, rooms: list[str]) -> None:
    subscribed, also, other = rooms
    silent = await user.say(other, "https://www.instagram.com/p/REALPICTURE/")
    picture, caption = await _answer(user, subscribed, "https://www.instagram.com/p/REALPICTURE/?igsh=x")
    assert picture["sender"] == bot.mxid
    assert picture["content"]["msgtype"] == "m.image"
    assert await user.file(picture["content"]["url"]) == JPEG
    assert caption["content"]["body"] == "@some.one: By way of Synapse\nhttps://www.instagram.com/p/REALPICTURE/"
    first, second, _ = await _answer(user, also, "https://www.instagram.com/reel/REALCAROUSE/")
    assert [first["content"]["msgtype"], second["content"]["msgtype"]] == ["m.image", "m.video"]
    assert await user.file(second["content"]["url"]) == MP4
    (line,) = await _answer(user, also, "https://www.instagram.com/reel/REALTOOLARG/")
    assert line["content"]["body"].startswith("The file is too large (1.5 MB): the limit here is 1 MB.")
    before = [len(await user.events(room)) for room in rooms]
    await servers.maubot.stop()
    await servers.start_maubot()

    # It is back when it answers again; maubot leaves out what was said while it was away.
    async def back() -> list[dict[str, Any]]:
        event = await user.say(subscribed, "https://www.instagram.com/p/REALPICTURE/")
        return await until(lambda: replies(user, subscribed, event), 3) or []

    assert await until(back, 120)
    after = [await user.events(room) for room in rooms]
    assert [len(events) for events in after[1:]] == before[1:], "something was answered twice"
    assert len([event for event in after[0][: before[0]] if event["sender"] == bot.mxid]) == 2
    assert [event["event_id"] for event in after[2]] == [silent]


async def _answer(user: User, room: str, text: str) -> list[dict[str, Any]]:
    began = time.monotonic()
    event = await user.say(room, text)
    found = await until(lambda: replies(user, room, event), 30)
    took = time.monotonic() - began
    assert found, f"no answer to {text}"
    print(f"answered after {took:.2f} s: {text}")
    assert took < 15, f"answered after {took:.2f} s: five seconds are for a computer that does nothing else"
    return found
