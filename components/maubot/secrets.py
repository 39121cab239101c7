"""What is made from maubot's secrets: the hash of the admin's password, the sessions' key, the bots' passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from collections.abc import Iterable

import bcrypt
import pulumi

COST = 12
"""Rounds of bcrypt, as a power of two."""
LONGEST_PASSWORD = 72
"""Bytes that bcrypt looks at; it refuses more."""
SHORTEST_PASSWORD = 12
KEY_BYTES = 48
_STANDARD = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_OF_BCRYPT = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits


def checked_password(password: str) -> str:
    """Return the admin's password. Raises RunError where maubot could not use it, without showing it."""
    size = len(password.encode())
    if len(password) < SHORTEST_PASSWORD or size > LONGEST_PASSWORD:
        raise pulumi.RunError(
            f"hearth:maubot-admin-password must be {SHORTEST_PASSWORD} characters to {LONGEST_PASSWORD} bytes (it is"
            f" {size} bytes), as bcrypt takes no more; give another one: openssl rand -base64 24"
        )
    return password


def checked_key(key: str) -> str:
    """Return the secret key. Raises RunError where it is too short, without showing it."""
    if len(key.encode()) < KEY_BYTES:
        raise pulumi.RunError(
            f"hearth:maubot-secret-key must be {KEY_BYTES} bytes or more (it is {len(key.encode())}), or sessions could"
            " be forged; give another one: openssl rand -base64 48"
        )
    return key


def password_hash(password: str, key: str, admin: str) -> str:
    """Return the bcrypt hash of the admin's password.

    It is always the same for the same secrets, so that nothing changes for nothing. Its salt, which need not be secret
    but nobody else's, is made from the key.
    """
    digest = hmac.digest(key.encode(), f"bcrypt salt of {admin}".encode(), hashlib.sha256)[:16]
    letters = base64.b64encode(digest).decode().rstrip("=").translate(str.maketrans(_STANDARD, _OF_BCRYPT))
    return bcrypt.hashpw(password.encode(), f"$2b${COST:02}${letters}".encode()).decode()


def session_key(key: str, password: str) -> str:
    """Return what maubot signs its sessions with, 48 bytes in base64.

    Another password makes another one, so that it ends the sessions that the old password opened: maubot by itself lets
    them go on.
    """
    return base64.b64encode(hmac.digest(key.encode(), password.encode(), hashlib.sha384)).decode()


def bot_passwords(lines: str, bots: Iterable[str]) -> dict[str, str]:
    """Return the password of each bot, from lines of NAME=password. Raises RunError where one is missing."""
    found: dict[str, str] = {}
    for line in lines.splitlines():
        name, mark, password = line.strip().partition("=")
        if mark and password:
            found[name.strip()] = password
    missing = sorted(set(bots) - found.keys())
    if missing:
        raise pulumi.RunError(
            f"hearth:maubot-bot-passwords has no line for {', '.join(missing)}, so they could not log in;"
            " add NAME=password for each: pulumi config set --secret hearth:maubot-bot-passwords"
        )
    return found
