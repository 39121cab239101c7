"""What a text in the settings may hold, wherever it stands: one rule for names, words and paths."""

from __future__ import annotations

import re

NO_TEXT = r"\ud800-\udfff\ufdd0-\ufdef" + "".join(
    f"\\U{plane << 16 | 0xFFFE:08x}\\U{plane << 16 | 0xFFFF:08x}" for plane in range(17)
)
"""What no text can hold: halves of characters, and Unicode's 66 noncharacters.

Systemd refuses a whole file for one of the latter (utf8_is_valid()), and the service that reads it doesn't start.
"""
UNSEEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb" + NO_TEXT
)
"""What a text must not hold: what controls a terminal or ends a line, and what nobody sees who reads it.

The latter are blanks without width, marks that turn the direction of writing, and a byte order mark, of Unicode's
category Cf. The two joiners (U+200C, U+200D) stay: words of some languages and many emoji are written with them.
"""
_WITH_PASSWORD = re.compile(r"(://[^/?#\s:@\"]*:)[^/?#\s@\"]+@")


def without_passwords(text: str) -> str:
    """Return a text with the passwords of the addresses in it left out, to be shown."""
    return _WITH_PASSWORD.sub(r"\1...@", text)


def no_password(value: str) -> str:
    """Return a text that stands in the open. Raises ValueError where an address in it has a password."""
    if _WITH_PASSWORD.search(value):
        raise ValueError(
            "must hold no password, as it stands in the open; remove it here, and put it into the secret key of the "
            "environment"
        )
    return value
