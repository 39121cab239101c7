"""Both libraries, each in its process, against the stand-in for Instagram; and the order in which they are asked."""

from __future__ import annotations

import asyncio
import logging

import pytest

from sna_instagram.gate import Gate
from sna_instagram.sources import ChildSource, InTurn
from sna_instagram.workers import Workers
from sna_instagram_fetch.failures import Failure, FetchFailed
from sna_instagram_fetch.post import Item, Post, Rendition

from .site import MEDIA, Site

LOG = logging.getLogger("test")


def _source(name: str, workers: Workers, gate: Gate) -> ChildSource:
    return ChildSource(name, workers, gate.url)


@pytest.mark.parametrize("name", ["yt-dlp", "instaloader"])
async def test_each_library_reads_a_picture_a_video_and_a_carousel(
    name: str, site: Site, workers: Workers, gate: Gate
) -> None:
    tag = name[:2].upper()
    site.add(f"{tag}PICTURE1", "1.jpg", caption="Hello")
    site.add(f"{tag}VIDEO001", "1.mp4", caption=None)
    site.add(f"{tag}CAROUSEL", "1.jpg", "2.mp4", "3.webp")
    source = _source(name, workers, gate)
    picture = await source.post(f"{tag}PICTURE1", 20)
    video = await source.post(f"{tag}VIDEO001", 20)
    carousel = await source.post(f"{tag}CAROUSEL", 20)
    assert (picture.author, picture.caption) == ("some.one", "Hello")
    assert [item.kind for item in picture.items] == ["image"]
    assert picture.items[0].renditions[0].url.startswith(f"{MEDIA}/v/t51/1.jpg?_nc_ht=scontent&oh=00_AfA%3D%3D")
    assert (video.caption, [item.kind for item in video.items]) == ("", ["video"])
    assert [item.kind for item in carousel.items] == ["image", "video", "image"]


@pytest.mark.parametrize(
    ("how", "ytdlp", "instaloader"),
    [
        ("gone", Failure.GONE, Failure.WITHHELD),
        ("withheld", Failure.WITHHELD, Failure.WITHHELD),
        ("login", Failure.LOGIN, Failure.LOGIN),
        ("limited", Failure.RATE_LIMIT, Failure.RATE_LIMIT),
        ("blocked", Failure.LOGIN, Failure.RATE_LIMIT),
        ("error", Failure.SITE, Failure.SITE),
        ("garbage", Failure.WITHHELD, None),
    ],
)
async def test_what_the_site_answers_is_classified_as_each_library_tells_it(
    how: str, ytdlp: Failure, instaloader: Failure | None, site: Site, workers: Workers, gate: Gate
) -> None:
    code = f"HOW{how.upper():_<8}"
    site.add(code, how=how)
    with pytest.raises(FetchFailed) as first:
        await _source("yt-dlp", workers, gate).post(code, 20)
    with pytest.raises(FetchFailed) as second:
        await _source("instaloader", workers, gate).post(code, 20)
    assert first.value.failure is ytdlp
    assert instaloader in (None, second.value.failure)


async def test_a_post_of_a_private_account_is_called_private(site: Site, workers: Workers, gate: Gate) -> None:
    code = "C1aBcD_-123" + "x" * 28
    site.add(code, how="withheld")
    with pytest.raises(FetchFailed) as failed:
        await InTurn([_source(name, workers, gate) for name in ("yt-dlp", "instaloader")], LOG).post(code, 20)
    assert failed.value.failure is Failure.PRIVATE


async def test_the_second_library_is_asked_where_the_first_gets_nothing(
    site: Site, workers: Workers, gate: Gate
) -> None:
    site.add("SECONDONLY1", how="second")
    post = await InTurn([_source(name, workers, gate) for name in ("yt-dlp", "instaloader")], LOG).post(
        "SECONDONLY1", 20
    )
    assert post.shortcode == "SECONDONLY1"


async def test_the_first_library_finds_what_only_the_page_has(site: Site, workers: Workers, gate: Gate) -> None:
    site.add("PAGEONLY001", how="page")
    assert (await _source("yt-dlp", workers, gate).post("PAGEONLY001", 20)).items[0].kind == "image"


async def test_after_a_rate_limit_the_second_library_does_not_ask(site: Site, workers: Workers, gate: Gate) -> None:
    site.add("LIMITEDONCE", how="limited")
    sources = [_source(name, workers, gate) for name in ("yt-dlp", "instaloader")]
    before = len(site.asked)
    with pytest.raises(FetchFailed):
        await InTurn(sources, LOG).post("LIMITEDONCE", 20)
    assert not [path for _, _, path in site.asked[before:] if "27128499623469141" in path]


async def test_a_library_that_is_led_elsewhere_is_stopped_at_the_gate(site: Site, workers: Workers, gate: Gate) -> None:
    site.add("LEDASTRAY01", how="astray")
    with pytest.raises(FetchFailed) as failed:
        await _source("yt-dlp", workers, gate).post("LEDASTRAY01", 20)
    assert failed.value.failure in (Failure.REFUSED, Failure.WITHHELD)
    assert "evil.test" not in {host for host, _, _ in site.asked}


class _Fixed:
    """A source whose answer is known, after so many seconds."""

    def __init__(self, name: str, answer: Post | Failure, takes: float = 0.0) -> None:
        self.name = name
        self._answer = answer
        self._takes = takes
        self.given: list[float] = []

    async def post(self, shortcode: str, seconds: float) -> Post:
        self.given.append(seconds)
        await asyncio.sleep(self._takes)
        if isinstance(self._answer, Post):
            return self._answer
        raise FetchFailed(self._answer, self.name)


POST = Post("C", "a", "t", (Item("image", (Rendition("u"),)),))


@pytest.mark.parametrize("failure", [Failure.LOGIN, Failure.WITHHELD, Failure.SITE, Failure.TIMEOUT, Failure.UNKNOWN])
async def test_another_source_is_asked_after_what_may_be_the_firsts_own_fault(failure: Failure) -> None:
    first, second = _Fixed("first", failure), _Fixed("second", POST)
    assert await InTurn([first, second], LOG).post("C", 4.0) == POST
    assert first.given[0] == pytest.approx(2.4, abs=0.05)
    assert second.given[0] == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize("failure", [Failure.GONE, Failure.PRIVATE, Failure.RATE_LIMIT])
async def test_no_other_source_is_asked_after_what_the_site_has_said_for_good(failure: Failure) -> None:
    second = _Fixed("second", POST)
    with pytest.raises(FetchFailed):
        await InTurn([_Fixed("first", failure), second], LOG).post("C", 4.0)
    assert second.given == []
