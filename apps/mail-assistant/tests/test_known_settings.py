"""What a user may set, and what is said about what may not be."""

from __future__ import annotations

import pytest

from mail_assistant.services.known_settings import BY_KEY, WrongValues, check_all


@pytest.mark.parametrize(
    ("key", "given", "stored"),
    [
        ("llm_endpoint", " http://ollama:11434/ ", "http://ollama:11434"),
        ("llm_endpoint", "https://[fd00::1]:8443/llm", "https://[fd00::1]:8443/llm"),
        ("llm_endpoint", "", None),
        ("llm_endpoint", "   ", None),
        ("llm_model", "llama3.2:1b", "llama3.2:1b"),
        ("llm_model", "hf.co/bartowski/Llama-3.2-1B", "hf.co/bartowski/Llama-3.2-1B"),
        ("event_name", "Grüße & <b>Küsse</b>", "Grüße & <b>Küsse</b>"),
        ("event_date", "2028-02-29", "2028-02-29"),
        ("event_location", " Wijkcentrum De Brug, Amsterdam ", "Wijkcentrum De Brug, Amsterdam"),
        ("event_offerings", "electronics, clothing ,,bikes,", "electronics,clothing,bikes"),
        ("event_offerings", "Bikes,bikes,  toys  and   games", "Bikes,toys and games"),
        ("event_offerings", " ", None),
        ("mail_address", "me+lists@mail.example.org", "me+lists@mail.example.org"),
    ],
)
def test_a_right_value_is_stored_in_its_plain_form(key: str, given: str, stored: str | None) -> None:
    assert check_all({key: given}) == {key: stored}


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("llm_endpoint", "ollama"),
        ("llm_endpoint", "ftp://ollama"),
        ("llm_endpoint", "javascript:alert(1)"),
        ("llm_endpoint", "http://"),
        ("llm_endpoint", "http://:11434"),
        ("llm_endpoint", "http://ollama:port"),
        ("llm_endpoint", "http://ollama:0"),
        ("llm_endpoint", "http://ollama:99999"),
        ("llm_endpoint", "http://[::1"),
        ("llm_endpoint", "http://me:password@ollama"),
        ("llm_endpoint", "http://ollama/?q=1"),
        ("llm_endpoint", "http://ollama/#part"),
        ("llm_endpoint", "http://o llama/"),
        ("llm_endpoint", "http://ol<b>lama/"),
        ("llm_endpoint", "http://" + "a" * 2048),
        ("llm_model", "two words"),
        ("llm_model", "x" * 201),
        ("event_name", "x" * 121),
        ("event_name", "two\nlines"),
        ("event_name", "nothing\x00"),
        ("event_name", "half \ud83d"),
        ("event_location", "x" * 201),
        ("event_location", "two\nlines"),
        ("event_offerings", " , ,"),
        ("event_offerings", "x," * 251),
        ("event_date", "24.12.2026"),
        ("event_date", "2026-02-30"),
        ("event_date", "2026-1-1"),
        ("event_date", "0000-01-01"),
        ("event_date", "٢٠٢٦-١٢-٢٤"),
        ("mail_address", "me"),
        ("mail_address", "me@host"),
        ("mail_address", "me@example.org, you@example.org"),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence_that_names_the_field(key: str, given: str) -> None:
    with pytest.raises(WrongValues) as caught:
        check_all({key: given})
    sentence = caught.value.errors[key]
    assert sentence.startswith(BY_KEY[key].label)
    assert sentence.endswith((".", "allowed."))


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(WrongValues) as caught:
        check_all({"llm_endpoint": "x", "event_date": "y", "event_name": "right", "unknown_key": "z"})
    assert set(caught.value.errors) == {"llm_endpoint", "event_date", "unknown_key"}


def test_a_key_outside_the_allowlist_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no setting “secret_key”"):
        check_all({"secret_key": "x"})
