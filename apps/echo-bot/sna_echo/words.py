"""What the bot says: pure functions."""

from __future__ import annotations

# A Matrix event holds 64 KiB, everything around the text included.
LONGEST = 16_000
USAGE = "Usage: !echo <words>"


def echo(words: str) -> str:
    """Return the words, without the spaces around them; how to ask, if there are none."""
    words = words.strip()
    if not words:
        return USAGE
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def pong(sent_ms: int, now_ms: int) -> str:
    """Return how long the message took, by the homeserver's clock and this one's; both in milliseconds since 1970."""
    took = now_ms - sent_ms
    if took < 0:
        return "Pong! (This machine's clock is behind the homeserver's.)"
    return f"Pong! The message took {took} ms." if took < 10_000 else f"Pong! The message took {took / 1000:.0f} s."
