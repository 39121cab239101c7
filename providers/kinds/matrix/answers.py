"""What an answer over HTTP means where a Matrix homeserver should answer: its words, and when to come back."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx

UNTOLD_SECONDS = 2.0


def retry_after(told: Any, header: str | None) -> float:
    """Return for how many seconds a homeserver, or a proxy before it, wants to be left alone; 2 where it does not say.

    `told` is the specification's older `retry_after_ms`; the header has seconds, or a date (RFC 9110, section 10.2.3).
    """
    try:
        if isinstance(told, int | float) and not isinstance(told, bool):
            seconds = told / 1000
        elif header is None:
            return UNTOLD_SECONDS
        elif header.strip().isascii() and header.strip().isdigit():
            seconds = float(header)
        else:
            seconds = (parsedate_to_datetime(header).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return UNTOLD_SECONDS
    return max(0.0, seconds) if math.isfinite(seconds) else UNTOLD_SECONDS


def says_something(answer: httpx.Response) -> bool:
    """Return whether an answer is one that a homeserver gives: a mapping, and a refusal with its code."""
    try:
        found = answer.json()
    except ValueError:
        return False
    return isinstance(found, dict) and (answer.is_success or "errcode" in found)


def as_mapping(answer: httpx.Response) -> dict[str, Any]:
    """Return what an answer says; in place of what is no mapping, its status and its beginning as `error`."""
    try:
        found = answer.json()
    except ValueError:
        return {"error": f"HTTP {answer.status_code}: {answer.text[:200]}"}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {"error": str(found)[:200]}
