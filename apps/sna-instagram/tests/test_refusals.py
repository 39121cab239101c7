"""What is not posted, or not twice: limits, other hosts, the site's refusals, the breaker, the memory, the stop."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from mautrix.errors import MatrixConnectionError, MTooLarge

from .conftest import Instances, Room
from .site import MP4, Site


def kinds(contents: list[dict[str, Any]]) -> list[str]:
    return [content["msgtype"] for content in contents]


async def test_what_is_over_the_limit_is_refused_with_a_line_that_says_so(
    site: Site, instances: Instances, own_room: Room
) -> None:
    site.files["large.mp4"] = MP4 + b"\x00" * 2_000_000
    site.files["chunked.mp4"] = MP4 + b"\x00" * 2_000_000
    site.add("LARGE000001", "large.mp4")
    site.add("CHUNKED0001", "chunked.mp4")
    await instances.start(own_room, max_file_size=1_000_000)
    (line,) = await own_room.says("https://www.instagram.com/reel/LARGE000001/")
    assert line["msgtype"] == "m.notice"
    assert line["body"] == "The file is too large (2 MB): the limit here is 1 MB. Open the link in a browser."
    # Without a length in its head: it is cut off where the limit is.
    (line,) = await own_room.says("https://www.instagram.com/reel/CHUNKED0001/")
    assert line["body"] == "The file is too large: the limit here is 1 MB. Open the link in a browser."
    assert own_room.uploads == []


async def test_the_limit_is_never_over_what_the_homeserver_takes(
    site: Site, instances: Instances, own_room: Room
) -> None:
    site.files["medium.mp4"] = MP4 + b"\x00" * 2_000_000
    site.add("MEDIUM00001", "medium.mp4")
    own_room.upload_size = 1_500_000
    await instances.start(own_room)
    (line,) = await own_room.says("https://www.instagram.com/reel/MEDIUM00001/")
    assert "the limit here is 1.5 MB" in line["body"]
    assert own_room.uploads == []


async def test_a_homeserver_that_refuses_what_it_said_it_takes_is_told(site: Site, room: Room) -> None:
    site.add("REFUSED0001")
    room.refusal = MTooLarge(413, "Upload request body is too large")
    (line,) = await room.says("https://www.instagram.com/p/REFUSED0001/")
    assert "too large" in line["body"]
    room.refusal = MatrixConnectionError("the homeserver is away")
    (line,) = await room.says("https://www.instagram.com/p/REFUSED0001/")
    assert line["body"].startswith("The homeserver did not take the files")


async def test_the_rest_of_a_carousel_is_posted_and_what_is_left_out_is_said(
    site: Site, instances: Instances, own_room: Room
) -> None:
    site.files["heavy.mp4"] = MP4 + b"\x00" * 2_000_000
    site.add("PARTLY00001", "1.jpg", "heavy.mp4", "3.jpg", "forbidden.txt")
    await instances.start(own_room, max_file_size=1_000_000)
    answer = await own_room.says("https://www.instagram.com/p/PARTLY00001/")
    assert kinds(answer) == ["m.image", "m.image", "m.notice"]
    assert "(1 of 4 left out: over the limit of 1 MB)\n(1 of 4 could not be fetched)" in answer[-1]["body"]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test/1.jpg",
        "http://169.254.169.254/latest/meta-data/1.jpg",
        "https://127.0.0.1/1.jpg",
        "https://scontent.cdninstagram.com:8443/1.jpg",
        "https://user@scontent.cdninstagram.com/1.jpg",
        "file:///etc/1.jpg",
    ],
)
async def test_a_file_that_is_not_on_the_sites_own_hosts_is_not_fetched(address: str, site: Site, room: Room) -> None:
    site.add("ELSEWHERE01", address)
    (line,) = await room.says("https://www.instagram.com/p/ELSEWHERE01/")
    assert room.uploads == []
    # yt-dlp itself drops what is no web address at all.
    assert "not on Instagram's own servers" in line["body"] or "nobody who is not logged in" in line["body"]
    assert not {host for host, _, _ in site.asked} & {"evil.test", "127.0.0.1", "169.254.169.254"}


async def test_a_redirect_of_a_file_to_another_host_is_not_followed_and_one_to_the_sites_is(
    site: Site, room: Room
) -> None:
    site.redirects["away.jpg"] = "http://169.254.169.254/latest/meta-data/"
    site.redirects["moved.jpg"] = "https://scontent.fbcdn.net/v/t51/1.jpg?x=1"
    site.redirects["loop.jpg"] = "/v/t51/loop.jpg"
    site.add("REDIRECT001", "away.jpg")
    site.add("REDIRECT002", "moved.jpg")
    site.add("REDIRECT003", "loop.jpg")
    (line,) = await room.says("https://www.instagram.com/p/REDIRECT001/")
    assert "not on Instagram's own servers" in line["body"]
    assert len(await room.says("https://www.instagram.com/p/REDIRECT002/")) == 2
    (line,) = await room.says("https://www.instagram.com/p/REDIRECT003/")
    assert "Instagram answered with an error" in line["body"]


@pytest.mark.parametrize(
    ("code", "how", "words"),
    [
        ("LINEGONE001", "gone", "This post is gone"),
        ("LINEWITHHEL", "withheld", "Instagram shows this post to nobody who is not logged in"),
        ("LINELOGIN01", "login", "only to readers who are logged in"),
        ("LINEERROR01", "error", "Instagram answered with an error"),
        ("C1private-1" + "x" * 28, "withheld", "This post is private"),
    ],
)
async def test_what_the_site_answered_is_said_in_one_line(
    code: str, how: str, words: str, site: Site, room: Room
) -> None:
    site.add(code, how=how)
    (line,) = await room.says(f"https://www.instagram.com/p/{code}/")
    assert words in line["body"]
    assert "\n" not in line["body"]


async def test_a_site_that_is_too_slow_is_said_within_five_seconds(site: Site, room: Room) -> None:
    site.add("SLOW0000001", how="slow")
    began = time.monotonic()
    (line,) = await room.says("https://www.instagram.com/p/SLOW0000001/")
    assert time.monotonic() - began < 5
    assert line["body"] == "This post could not be fetched within 5 seconds. Open the link in a browser."


async def test_a_rate_limit_opens_the_breaker_also_for_the_next_start(
    site: Site, instances: Instances, own_room: Room
) -> None:
    site.add("LIMITED0001", how="limited")
    site.add("LIMITED0002")
    plugin = await instances.start(own_room)
    (line,) = await own_room.says("https://www.instagram.com/p/LIMITED0001/")
    assert line["body"].startswith("Instagram has limited this server's requests.")
    before = len(site.asked)
    (line,) = await own_room.says("https://www.instagram.com/p/LIMITED0002/")
    assert "it is asked again from " in line["body"]
    await instances.stop(plugin)
    plugin = await instances.start(own_room)
    (line,) = await own_room.says("https://www.instagram.com/p/LIMITED0002/")
    assert "it is asked again from " in line["body"]
    assert len(site.asked) == before
    # The time has passed.
    await plugin.database.execute("UPDATE kept SET value = $1", '{"open_until": 1, "times": 1, "logins": 0}')
    await instances.stop(plugin)
    await instances.start(own_room)
    assert len(await own_room.says("https://www.instagram.com/p/LIMITED0002/")) == 2


async def test_the_same_message_is_answered_once_also_after_a_restart(
    site: Site, instances: Instances, own_room: Room
) -> None:
    site.add("ONCE0000001")
    plugin = await instances.start(own_room)
    link = "https://www.instagram.com/p/ONCE0000001/"
    assert len(await own_room.says(link, event_id="$once")) == 2
    assert await own_room.says(link, event_id="$once") == []
    await instances.stop(plugin)
    await instances.start(own_room)
    assert await own_room.says(link, event_id="$once") == []
    # Another message with the same link is another question.
    assert len(await own_room.says(link)) == 2


async def test_a_message_that_comes_twice_at_once_is_answered_once(site: Site, room: Room) -> None:
    site.add("TWICE000001")
    message = room.message("https://www.instagram.com/p/TWICE000001/")
    await asyncio.gather(room.happens(message), room.happens(message))
    assert len(room.sent) == 2


async def test_an_answer_that_was_sent_but_not_written_down_is_not_seen_twice(
    site: Site, instances: Instances, own_room: Room
) -> None:
    site.add("KILLED00001")
    plugin = await instances.start(own_room)
    message = own_room.message("https://www.instagram.com/p/KILLED00001/")
    assert len(await own_room.happens(message)) == 2
    # As if the process had been killed between the two: the homeserver knows the transactions' IDs.
    await plugin.database.execute("DELETE FROM answered")
    assert await own_room.happens(message) == []


async def test_what_was_begun_is_ended_by_the_stop(site: Site, instances: Instances, own_room: Room) -> None:
    site.add("STOPPED0001", how="slow")
    plugin = await instances.start(own_room)
    running = asyncio.create_task(own_room.says("https://www.instagram.com/p/STOPPED0001/"))
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await instances.stop(plugin)
    assert time.monotonic() - began < 4  # and not after the five seconds that it gives the site
    assert await running == []
