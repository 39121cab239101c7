"""Rules as tables: hosts and addresses, classes of failures, kinds of files, what a library's answer holds."""

from __future__ import annotations

import pytest

from sna_instagram.media import type_of
from sna_instagram_fetch.by_ytdlp import post_of
from sna_instagram_fetch.failures import Failure, FetchFailed, classify, telling
from sna_instagram_fetch.post import Item, Post, Rendition
from sna_instagram_fetch.site import NotTheSites, check_url, is_public_address, is_site_host


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("www.instagram.com", True),
        ("instagram.com", True),
        ("scontent-fra3-1.cdninstagram.com", True),
        ("instagram.ffra1-1.fna.fbcdn.net", True),
        ("SCONTENT.CDNINSTAGRAM.COM", True),
        ("notinstagram.com", False),
        ("instagram.com.evil.test", False),
        ("instagram.com.", False),
        ("instagram.com\u200b", False),
        ("xn--nstagram-o4a.com", False),
        ("ınstagram.com", False),  # noqa: RUF001 - no i has lost its dot in the site's name
        ("157.240.0.1", False),
        ("[::1]", False),
        ("localhost", False),
        ("a..fbcdn.net", False),
        ("-a.fbcdn.net", False),
        ("evil.test/.fbcdn.net", False),
        ("evil.test#.fbcdn.net", False),
        ("", False),
    ],
)
def test_only_the_sites_own_hosts_are_its_hosts(host: str, expected: bool) -> None:
    assert is_site_host(host) is expected


@pytest.mark.parametrize(
    "url",
    [
        "http://scontent.cdninstagram.com/a.jpg",
        "https://scontent.cdninstagram.com:444/a.jpg",
        "https://user@scontent.cdninstagram.com/a.jpg",
        "https://scontent.cdninstagram.com@evil.test/a.jpg",
        "https://evil.test/scontent.cdninstagram.com/a.jpg",
        "https://evil.test\\@scontent.cdninstagram.com/a.jpg",
        "https://scontent.cdninstagram.com\t.evil.test/a.jpg",
        "https://scontent.cdninstagrаm.com/a.jpg",  # noqa: RUF001 - a Cyrillic letter
        "https://scontent.cdninstagram.com:port/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://2130706433/a.jpg",
        "https://[::ffff:127.0.0.1]/a.jpg",
        "https:///a.jpg",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "",
    ],
)
def test_an_address_that_is_not_plainly_the_sites_is_not_fetched(url: str) -> None:
    with pytest.raises(NotTheSites):
        check_url(url)


def test_an_address_of_the_sites_is_fetched_as_it_is() -> None:
    url = "https://scontent-fra3-1.cdninstagram.com/v/t51.29350-15/1_n.jpg?stp=dst-jpg&oh=00_AfA%3D&oe=68F"
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("157.240.0.174", True),
        ("2a03:2880:f242:e5:face:b00c:0:4420", True),
        ("64:ff9b::9df0:ae", True),  # 157.240.0.174 by way of NAT64
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("198.18.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("not an address", False),
    ],
)
def test_only_public_addresses_may_be_behind_the_sites_names(address: str, expected: bool) -> None:
    assert is_public_address(address) is expected


@pytest.mark.parametrize(
    ("text", "status", "expected"),
    [
        ("HTTP Error 429: Too Many Requests", 429, Failure.RATE_LIMIT),
        ('401 Unauthorized - "fail" status, message "Please wait a few minutes"', None, Failure.RATE_LIMIT),
        ('400 Bad Request - "fail" status, message "feedback_required"', None, Failure.RATE_LIMIT),
        ('400 Bad Request - "fail" status, message "checkpoint_required"', None, Failure.RATE_LIMIT),
        ("This content is only available for registered users who follow this account", None, Failure.PRIVATE),
        ("The webpage request was redirected to the login page. You have exceeded the rate-limit", None, Failure.LOGIN),
        ("Redirected to login page. Use --login or --load-cookies.", None, Failure.LOGIN),
        ("Restricted Video: You must be 18 years old", None, Failure.LOGIN),
        ("403 Forbidden when accessing https://www.instagram.com/graphql/query", None, Failure.LOGIN),
        ("Post isn't available: The link may be broken, or the profile may have been removed.", None, Failure.GONE),
        ("HTTP Error 404: Not Found", 404, Failure.GONE),
        ("Instagram sent an empty media response. Check if this post is accessible", None, Failure.WITHHELD),
        ("Fetching Post metadata failed.", None, Failure.WITHHELD),
        ("HTTP Error 502: Bad Gateway", 502, Failure.SITE),
        ("CONNECT tunnel failed, response 403", None, Failure.REFUSED),
        ("Tunnel connection failed: 403 Forbidden", None, Failure.REFUSED),
        ("CONNECT tunnel failed, response 502", None, Failure.SITE),
        ("Read timed out. (read timeout=2.4)", None, Failure.TIMEOUT),
        ("Could not resolve host: www.instagram.com", None, Failure.NETWORK),
        ("Failed to perform, curl: (60) SSL certificate problem", None, Failure.NETWORK),
        # A post whose code looks like a word or a status.
        ("[Instagram] Private-429: Something odd happened", None, Failure.UNKNOWN),
        ("odd, at https://www.instagram.com/p/404/429/", None, Failure.UNKNOWN),
        ("", 410, Failure.GONE),
        ("", None, Failure.UNKNOWN),
    ],
)
def test_what_the_site_answered_is_classified(text: str, status: int | None, expected: Failure) -> None:
    assert classify(text, status) is expected


def test_of_two_failures_the_one_that_says_more_is_told() -> None:
    one, two = FetchFailed(Failure.WITHHELD, "a"), FetchFailed(Failure.PRIVATE, "b")
    assert telling([one, two]) is two
    assert telling([two, one]) is two


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe0", ("image", "image/jpeg")),
        (b"\x89PNG\r\n\x1a\n....", ("image", "image/png")),
        (b"GIF89a", ("image", "image/gif")),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", ("image", "image/webp")),
        (b"\x00\x00\x00\x20ftypheic", ("image", "image/heic")),
        (b"\x00\x00\x00\x20ftypisom", ("video", "video/mp4")),
        (b"<html>URL signature mismatch", None),
        (b"", None),
    ],
)
def test_a_file_is_what_its_first_bytes_say(data: bytes, expected: tuple[str, str] | None) -> None:
    assert type_of(data) == expected


def test_a_post_survives_the_way_out_of_the_child() -> None:
    post = Post(
        "C", "a", "t", (Item("video", (Rendition("u", 1, 2), Rendition("v")), 1.5), Item("image", (Rendition("w"),)))
    )
    assert Post.from_json(post.as_json()) == post


def test_only_whole_videos_are_taken_and_the_largest_first() -> None:
    formats = [
        {"url": "small", "width": 360, "height": 640},
        {"url": "dash", "width": 1080, "height": 1920, "manifest_url": "x"},
        {"url": "sound", "container": "m4a_dash"},
        {"url": "large", "width": 720, "height": 1280},
    ]
    info = {"formats": formats, "thumbnails": [{"url": "still"}], "channel": "a", "description": "t", "duration": 2.0}
    (item,) = post_of(info, "C").items
    assert (item.kind, [rendition.url for rendition in item.renditions]) == ("video", ["large", "small"])
