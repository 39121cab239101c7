"""What the kind GitCheckout makes of addresses and values, and what it refuses."""

import pytest
from pydantic import ValidationError

from providers.kinds.git_checkout.kind import (
    KIND,
    GitCheckoutInputs,
    program,
    remote_section,
    split_credentials,
)


@pytest.mark.parametrize(
    ("url", "clean", "credentials"),
    [
        ("https://example.org/a.git", "https://example.org/a.git", ""),
        ("https://u:p%40@example.org:8443/a", "https://example.org:8443/a", "https://u:p%40@example.org:8443"),
        ("https://token@example.org/a", "https://example.org/a", "https://token:@example.org"),
        ("ssh://git@example.org/a", "ssh://git@example.org/a", ""),
        ("git@example.org:a/b", "git@example.org:a/b", ""),
    ],
)
def test_credentials_are_taken_out_of_an_address(url: str, clean: str, credentials: str):
    assert split_credentials(url) == (clean, credentials)


def test_another_token_in_the_address_is_no_difference():
    assert not KIND.differs("url", "https://token@example.org/a", "https://example.org/a")


def test_a_remote_is_quoted_in_the_configuration():
    assert 'url = "https://e/\\"a\\\\b"' in remote_section('https://e/"a\\b')


def test_values_are_quoted_in_the_program():
    assert program("make", url="a'; rm -rf /").startswith("url='a'\"'\"'; rm -rf /'\n")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("url", "ext::sh -c true", "must be a git address"),
        ("url", "--upload-pack=x", "must be a git address"),
        ("revision", "-f", "must be a branch, a tag or a commit"),
        ("revision", "a..b", "must be a branch, a tag or a commit"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(field: str, value: str, rule: str):
    inputs = {"host": "here", "path": "/srv/a", "url": "https://example.org/a", "revision": "v1", field: value}
    with pytest.raises(ValidationError, match=rule):
        GitCheckoutInputs.model_validate(inputs)
