"""What the settings of every application have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from foundation.about import version
from foundation.settings import http_address, problems, secret_values

REMEDIES = {"": "in the environment", "A_KEY": "to something long"}


class Some(BaseSettings):
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    a_key: SecretStr
    address: Annotated[str | None, http_address("http://here:1")] = None
    number: int = 1


def test_every_mistake_is_a_sentence_with_the_variables_name_and_without_its_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Some(address="canary", number="canary")  # pyright: ignore
    assert problems(caught.value, REMEDIES) == [
        "A_KEY is missing; set it in the environment, to something long",
        "ADDRESS is wrong: it must be an address of http or https; write it as http://here:1",
        "NUMBER is wrong: it should be a valid integer, unable to parse string as an integer",
    ]


@pytest.mark.parametrize(
    "wrong", ["", "here", "ftp://here", "http://", "http://here:0x", "http://here:70000", "http://[::1"]
)
def test_what_is_no_address_of_http_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="must be an address of http or https"):
        Some(a_key=SecretStr("x"), address=wrong)


def test_an_address_loses_the_slash_at_its_end_and_none_stays_none() -> None:
    assert Some(a_key=SecretStr("x"), address="https://[::1]:8000/v1/").address == "https://[::1]:8000/v1"
    assert Some(a_key=SecretStr("x")).address is None


def test_the_secret_values_are_all_found() -> None:
    assert secret_values(Some(a_key=SecretStr("canary")), "more", None, "") == ["canary", "more"]


def test_the_version_is_the_one_of_pyproject() -> None:
    assert version(Path(__file__).parent.parent) == "0.1.0"
