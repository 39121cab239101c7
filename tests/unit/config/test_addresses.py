"""How addresses stand in other texts."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis.strategies import ip_addresses

from config.addresses import bracketed


@given(ip_addresses())
def test_what_a_url_says_its_host_is_is_the_address(address: object) -> None:
    host = urlsplit(f"http://{bracketed(str(address))}:8000/").hostname
    assert ip_address(str(host)) == address


@pytest.mark.parametrize("name", ["windows", "192.0.2.7", "[2001:db8::1]", "host_1.example.org"])
def test_names_and_what_has_its_brackets_already_stay_as_they_are(name: str) -> None:
    assert bracketed(name) == name
