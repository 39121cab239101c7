"""What the bot says: pure functions. Each answer that is no post is one line, and ends with what can be done."""

from __future__ import annotations

import re
import time

from sna_instagram_fetch.failures import Failure
from sna_instagram_fetch.post import Post

# Instagram's captions have at most 2200 characters.
_CAPTION = 4000

_LINES = {
    Failure.RATE_LIMIT: "Instagram has limited this server's requests. Open the link in a browser.",
    Failure.PRIVATE: "This post is private: only followers of the account see it.",
    Failure.GONE: "This post is gone: it was removed, or the link is wrong.",
    Failure.LOGIN: "Instagram shows this post only to readers who are logged in. Open the link in a browser.",
    Failure.WITHHELD: "Instagram shows this post to nobody who is not logged in: private, removed or restricted.",
    Failure.SITE: "Instagram answered with an error. Post the link again later.",
    Failure.REFUSED: "This post points at a file that is not on Instagram's own servers, so it was not fetched.",
    Failure.NETWORK: "Instagram could not be reached. Post the link again later.",
    Failure.UPLOAD: "The homeserver did not take the files; the bot's log says why. Open the link in a browser.",
    Failure.UNKNOWN: "This post could not be read; the bot's log says why. Open the link in a browser.",
}


def failure_line(failure: Failure, *, seconds: float, limit: int, size: int | None = None) -> str:
    """Return the one line for a room. `seconds` is how long the bot may take; `limit` and `size` are in bytes."""
    if failure is Failure.TIMEOUT:
        return f"This post could not be fetched within {seconds:.0f} seconds. Open the link in a browser."
    if failure is Failure.TOO_LARGE:
        found = f" ({megabytes(size)})" if size is not None else ""
        return f"The file is too large{found}: the limit here is {megabytes(limit)}. Open the link in a browser."
    return _LINES[failure]


def breaker_line(open_until: float) -> str:
    """While the breaker is open, at which time (UTC) the site is asked again."""
    at = time.strftime("%H:%M", time.gmtime(open_until + 59))
    return (
        f"Instagram has limited this server's requests; it is asked again from {at} UTC on. Open the link in a browser."
    )


def caption(post: Post, url: str, *, over: int, lost: int, limit: int) -> str:
    """Return the text beside the files: author and caption, how many files are missing and why, and the address."""
    text = plain(post.caption)
    if len(text) > _CAPTION:
        text = text[: _CAPTION - 1].rstrip() + "…"
    author = f"@{plain(post.author)}" if post.author else ""
    lines = [f"{author}: {text}" if author and text else author or text]
    total = len(post.items)
    if over:
        lines.append(f"({over} of {total} left out: over the limit of {megabytes(limit)})")
    if lost:
        lines.append(f"({lost} of {total} could not be fetched)")
    lines.append(url)
    return "\n".join(line for line in lines if line)


def plain(text: str) -> str:
    """Without control characters and those that turn the direction of the text around them."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "", text.replace("\r\n", "\n")).strip()


def megabytes(size: int) -> str:
    """Return bytes as people read them: 61.2 MB, 50 MB, 512 kB."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000))} kB"
    return f"{size / 1_000_000:.1f}".removesuffix(".0") + " MB"
