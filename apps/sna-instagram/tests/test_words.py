"""What the bot says, the breaker and the settings, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from sna_instagram.breaker import FIRST_SECONDS, LONGEST_SECONDS, Breaker
from sna_instagram.settings import Settings, WrongSetting
from sna_instagram.words import breaker_line, caption, failure_line, megabytes, plain
from sna_instagram_fetch.failures import Failure
from sna_instagram_fetch.post import Item, Post, Rendition


@pytest.mark.parametrize("failure", list(Failure))
def test_every_class_of_failure_is_said_in_one_line(failure: Failure) -> None:
    line = failure_line(failure, seconds=5, limit=50_000_000, size=61_234_567)
    assert "\n" not in line
    assert 20 < len(line) < 140
    assert line.endswith(".")


def test_a_file_over_the_limit_is_refused_with_its_size_and_the_limit() -> None:
    line = failure_line(Failure.TOO_LARGE, seconds=5, limit=50_000_000, size=61_234_567)
    assert line == "The file is too large (61.2 MB): the limit here is 50 MB. Open the link in a browser."
    assert "limit here is 1.5 MB" in failure_line(Failure.TOO_LARGE, seconds=5, limit=1_500_000)


@pytest.mark.parametrize(
    ("size", "text"), [(1, "1 kB"), (512_000, "512 kB"), (50_000_000, "50 MB"), (1_234_567, "1.2 MB")]
)
def test_sizes_are_said_as_people_read_them(size: int, text: str) -> None:
    assert megabytes(size) == text


def test_the_breakers_line_names_the_time_at_which_it_closes_not_one_before() -> None:
    assert "from 12:31 UTC" in breaker_line(1_800_012_601.0 - 1_800_012_601.0 % 86400 + 12 * 3600 + 30 * 60 + 1)


def _post(text: str, author: str = "some.one", items: int = 2) -> Post:
    return Post("CODE0000001", author, text, tuple(Item("image", (Rendition("https://x"),)) for _ in range(items)))


@pytest.mark.parametrize(
    ("post", "over", "lost", "expected"),
    [
        (_post("Hello"), 0, 0, "@some.one: Hello\nURL"),
        (_post(""), 0, 0, "@some.one\nURL"),
        (_post("Hello", author=""), 0, 0, "Hello\nURL"),
        (_post("", author=""), 0, 0, "URL"),
        (_post("a\r\nb"), 0, 0, "@some.one: a\nb\nURL"),
        (_post("x", items=5), 2, 0, "@some.one: x\n(2 of 5 left out: over the limit of 50 MB)\nURL"),
        (_post("x", items=5), 0, 1, "@some.one: x\n(1 of 5 could not be fetched)\nURL"),
    ],
)
def test_the_caption_names_author_text_what_is_missing_and_the_address(
    post: Post, over: int, lost: int, expected: str
) -> None:
    assert caption(post, "URL", over=over, lost=lost, limit=50_000_000) == expected


def test_a_very_long_caption_is_cut_and_control_characters_are_gone() -> None:
    text = caption(_post("x" * 9000), "URL", over=0, lost=0, limit=1)
    assert len(text) < 4100
    assert "…" in text
    assert plain("a\x00b\u202ec\u2066d\te\nf ") == "abcd\te\nf"


def test_the_breaker_opens_at_a_rate_limit_for_longer_each_time_and_closes_at_a_success() -> None:
    breaker = Breaker()
    lengths: list[float] = []
    for _ in range(8):
        breaker = breaker.after_failure(Failure.RATE_LIMIT, 1000.0)
        lengths.append(breaker.open_until - 1000.0)
    assert lengths[:4] == [FIRST_SECONDS, FIRST_SECONDS * 2, FIRST_SECONDS * 4, FIRST_SECONDS * 8]
    assert lengths[-1] == LONGEST_SECONDS
    assert breaker.is_open(1000.0 + LONGEST_SECONDS - 1)
    assert not breaker.is_open(1000.0 + LONGEST_SECONDS)
    assert breaker.after_success() == Breaker()


def test_three_login_pages_in_a_row_open_the_breaker_and_another_answer_between_them_does_not() -> None:
    twice = Breaker().after_failure(Failure.LOGIN, 5.0).after_failure(Failure.LOGIN, 5.0)
    assert not twice.is_open(5.0)
    assert twice.after_failure(Failure.LOGIN, 5.0).is_open(5.0)
    assert not twice.after_success().after_failure(Failure.LOGIN, 5.0).is_open(5.0)


@pytest.mark.parametrize(
    "failure", [Failure.GONE, Failure.PRIVATE, Failure.TIMEOUT, Failure.TOO_LARGE, Failure.NETWORK]
)
def test_what_is_the_posts_own_matter_does_not_open_the_breaker(failure: Failure) -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker = breaker.after_failure(failure, 5.0)
    assert not breaker.is_open(5.0)


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", '{"open_until": "x", "times": 0, "logins": 0}'])
def test_a_breaker_that_can_not_be_read_is_closed(text: str | None) -> None:
    assert Breaker.from_text(text) == Breaker()


def test_a_breaker_survives_being_written_down() -> None:
    breaker = Breaker(1234.5, 3, 1)
    assert Breaker.from_text(breaker.as_text()) == breaker


GOOD: dict[str, Any] = {"enabled": True, "max_file_size": 50000000, "room_subscriptions": [], "proxy": ""}


def test_good_settings_are_read() -> None:
    assert Settings.read(GOOD) == Settings(True, 50000000, frozenset(), "")
    read = Settings.read({**GOOD, "room_subscriptions": ["!a:b", "!c"], "proxy": "http://u:p@proxy.test:3128"})
    assert read.room_subscriptions == {"!a:b", "!c"}
    assert Settings.read({**GOOD, "room_subscriptions": None, "proxy": None}) == Settings.read(GOOD)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enabled", "yes"),
        ("enabled", 1),
        ("enabled", None),
        ("max_file_size", "50MB"),
        ("max_file_size", 0),
        ("max_file_size", -1),
        ("max_file_size", True),
        ("max_file_size", 5e7),
        ("room_subscriptions", "!a:b"),
        ("room_subscriptions", 5),
        ("room_subscriptions", ["#alias:b"]),
        ("room_subscriptions", ["!"]),
        ("room_subscriptions", [5]),
        ("proxy", "proxy.test:3128"),
        ("proxy", "https://proxy.test:3128"),
        ("proxy", "http://proxy.test"),
        ("proxy", "http://proxy.test:port"),
        ("proxy", 3128),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_its_key(key: str, value: Any) -> None:
    with pytest.raises(WrongSetting, match=f"^{key}: "):
        Settings.read({**GOOD, key: value})


def test_the_password_of_a_wrong_proxy_is_not_in_the_error() -> None:
    with pytest.raises(WrongSetting) as error:
        Settings.read({**GOOD, "proxy": "https://user:s3cret@proxy.test:1"})
    assert "s3cret" not in str(error.value)
