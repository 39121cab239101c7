"""What is made from maubot's secrets: the hash of the admin's password, the sessions' key, the bots' passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from collections.abc import Collection

import bcrypt
import pulumi

from config.systems.maubot.parts import passwords_by_bot

COST = 12
"""Rounds of bcrypt, as a power of two."""
_STANDARD = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_OF_BCRYPT = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits


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


def bot_passwords(lines: str, bots: Collection[str]) -> dict[str, str]:
    """Return the password of each bot, from lines of NAME=password. Raises RunError where one is missing."""
    found = passwords_by_bot(lines, bots)
    missing = sorted(set(bots) - found.keys())
    if missing:
        raise pulumi.RunError(
            f"hearth:maubot-bot-passwords has no line for {', '.join(missing)}, so they could not log in;"
            " add NAME=password for each: pulumi config set --secret hearth:maubot-bot-passwords"
        )
    return found
