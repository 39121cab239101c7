"""Which words of a message are links to posts."""

from __future__ import annotations

import pytest

from sna_instagram.links import Link, find, parse, redirected

CODE = "C1aBcD_-123"
POST = Link(CODE)


@pytest.mark.parametrize(
    "address",
    [
        f"https://www.instagram.com/p/{CODE}/",
        f"https://www.instagram.com/p/{CODE}",
        f"http://instagram.com/p/{CODE}/",
        f"https://m.instagram.com/p/{CODE}/",
        f"https://WWW.Instagram.COM/p/{CODE}/",
        f"HTTPS://www.instagram.com/reel/{CODE}/",
        f"https://www.instagram.com/reels/{CODE}/",
        f"https://www.instagram.com/tv/{CODE}/",
        f"https://www.instagram.com/some.one_/p/{CODE}/",
        f"https://www.instagram.com/some.one_/reel/{CODE}/?hl=de",
        f"https://www.instagram.com/p/{CODE}/?igsh=MzRlODBiNWFlZA==&utm_source=qr&img_index=3#top",
        f"https://www.instagram.com/p/{CODE}/embed/captioned/",
        f"https://www.instagram.com:443/p/{CODE}/",
        f"https://instagr.am/p/{CODE}/",
        f"instagram.com/p/{CODE}",
        f"www.instagram.com/reel/{CODE}/?igsh=x",
        f"https://l.instagram.com/?u=https%3A%2F%2Fwww.instagram.com%2Fp%2F{CODE}%2F&e=AT0",
    ],
)
def test_an_address_of_a_post_is_known_in_every_form(address: str) -> None:
    assert parse(address) == POST


@pytest.mark.parametrize(
    "address",
    [
        "https://www.instagram.com/share/BAxYz_12345",
        "https://www.instagram.com/share/p/BAxYz_12345/",
        "https://www.instagram.com/share/reel/BAxYz_12345?x=1",
    ],
)
def test_a_share_link_is_known_as_one_that_the_site_must_resolve(address: str) -> None:
    assert parse(address) == Link("BAxYz_12345", share=True)


@pytest.mark.parametrize(
    "address",
    [
        f"https://www.instagram.com.evil.test/p/{CODE}/",
        f"https://evilinstagram.com/p/{CODE}/",
        f"https://www.instagram.com@evil.test/p/{CODE}/",
        f"https://user:pass@www.instagram.com/p/{CODE}/",
        f"https://www.instagram.com:8443/p/{CODE}/",
        f"https://www.instagram.com:99999/p/{CODE}/",
        f"http://www.instagram.com:443/p/{CODE}/",
        f"ftp://www.instagram.com/p/{CODE}/",
        f"file:///www.instagram.com/p/{CODE}/",
        f"https://www.instagrаm.com/p/{CODE}/",  # noqa: RUF001 - a Cyrillic letter in the host's name
        f"https://www。instagram.com/p/{CODE}/",
        f"https://evil.test/?u=https://www.instagram.com/p/{CODE}/",
        f"https://l.instagram.com/?u=https%3A%2F%2Fevil.test%2Fp%2F{CODE}%2F",
        f"https://l.instagram.com/?u=https%3A%2F%2Fl.instagram.com%2F%3Fu%3Dhttps%253A%252F%252Fwww.instagram.com%252Fp%252F{CODE}",
        f"https://cdninstagram.com/p/{CODE}/",
        "https://www.instagram.com/some.one/",
        "https://www.instagram.com/stories/some.one/3211234567890/",
        "https://www.instagram.com/explore/tags/sea/",
        "https://www.instagram.com/reels/audio/123456789/",
        "https://www.instagram.com/p/",
        "https://www.instagram.com/p/ab/",
        f"https://www.instagram.com/p/{'a' * 65}/",
        "https://www.instagram.com/p/../../accounts/edit/",
        "https://[::1/p/x",
        "",
    ],
)
def test_any_other_address_is_not_a_post(address: str) -> None:
    assert parse(address) is None


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (f"https://www.instagram.com/p/{CODE}/.", [CODE]),
        (f"(see https://www.instagram.com/p/{CODE}/)", [CODE]),
        (f"[a picture](https://www.instagram.com/p/{CODE}/)", [CODE]),
        (f"<https://www.instagram.com/p/{CODE}/>", [CODE]),
        (f"**https://www.instagram.com/reel/{CODE}**", [CODE]),
        (f"https://www.instagram.com/p/{CODE}/, https://instagr.am/p/{CODE}", [CODE]),
        ("https://instagram.com/p/FIRST00001/\nand https://instagram.com/p/SECOND0001/!", ["FIRST00001", "SECOND0001"]),
        ("no link at all, only instagram.com and instagram", []),
        ("", []),
    ],
)
def test_links_are_found_in_running_text_each_once_and_in_order(body: str, codes: list[str]) -> None:
    assert [link.code for link in find(body)] == codes


def test_a_link_behind_words_is_found_but_not_one_in_a_quotation() -> None:
    html = (
        '<mx-reply><a href="https://www.instagram.com/p/QUOTED00001/">x</a></mx-reply>'
        f'see <a href="https://www.instagram.com/p/{CODE}/">this</a>'
    )
    assert find("see this", html) == [POST]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (f"https://www.instagram.com/reel/{CODE}/?igsh=1", POST),
        (f"/p/{CODE}/", POST),
        ("https://evil.test/p/abcdefg/", None),
        ("//evil.test/p/abcdefg/", None),
        ("http://169.254.169.254/latest/meta-data/", None),
        ("/", None),
    ],
)
def test_a_share_link_leads_only_to_a_post_of_the_sites(location: str, expected: Link | None) -> None:
    assert redirected(Link("BAxYz_12345", share=True), location) == expected


def test_what_was_there_to_track_readers_is_gone_from_the_address() -> None:
    assert find("https://www.instagram.com/some.one/reel/C1aBcD_-123/?igsh=abc&utm_source=qr")[0].url == (
        "https://www.instagram.com/p/C1aBcD_-123/"
    )
