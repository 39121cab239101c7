"""What is made from maubot's secrets."""

from __future__ import annotations

import base64
import re

import bcrypt
import pulumi
import pytest

from components.maubot.secrets import bot_passwords, password_hash, session_key

KEY = "k" * 64


def test_the_hash_is_bcrypt_of_cost_12_that_the_password_fits_and_is_always_the_same():
    hashed = password_hash("a long password", KEY, "admin")
    assert re.fullmatch(r"\$2b\$12\$[./A-Za-z0-9]{53}", hashed)
    assert bcrypt.checkpw(b"a long password", hashed.encode())
    assert not bcrypt.checkpw(b"another password", hashed.encode())
    assert hashed == password_hash("a long password", KEY, "admin")
    assert hashed[:29] != password_hash("a long password", KEY, "other")[:29]


def test_another_password_or_key_ends_all_sessions():
    key = session_key(KEY, "a long password")
    assert len(base64.b64decode(key)) == 48
    assert key != session_key(KEY, "another password")
    assert key != session_key("l" * 64, "a long password")


def test_each_bot_has_a_line_and_a_password_may_hold_anything():
    assert bot_passwords("a=x=y\n\n b = z \n#c", ["a", "b"]) == {"a": "x=y", "b": " z"}
    with pytest.raises(pulumi.RunError, match="no line for b") as error:
        bot_passwords("a=canary\n", ["a", "b"])
    assert "canary" not in str(error.value)
