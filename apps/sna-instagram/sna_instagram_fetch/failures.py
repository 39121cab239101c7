"""Why there is no post: what the site answered, sorted into a few classes by pure functions.

The sentences that the two libraries raise are their own (yt-dlp's extractor/instagram.py, instaloader's
instaloadercontext.py and structures.py); the tests run the libraries themselves against each of the site's answers.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Failure(StrEnum):
    """The classes. The order says which of two is told, if two fetchers failed in different ways: the first."""

    RATE_LIMIT = "rate-limit"
    PRIVATE = "private"
    GONE = "gone"
    LOGIN = "login"
    # The site answers, but with nothing in it: private, removed, or not for readers who are not logged in.
    WITHHELD = "withheld"
    SITE = "site"
    REFUSED = "refused"
    NETWORK = "network"
    TIMEOUT = "timeout"
    TOO_LARGE = "too-large"
    UPLOAD = "upload"
    UNKNOWN = "unknown"


# After these a second fetcher may still find the post, since it asks in another way. A rate limit forbids to ask.
WORTH_ANOTHER_TRY = frozenset(
    {Failure.LOGIN, Failure.WITHHELD, Failure.SITE, Failure.TIMEOUT, Failure.UNKNOWN, Failure.NETWORK}
)


class FetchFailed(Exception):
    """The post was not got. `detail` is for the log; rooms see the class's own line."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure = failure
        self.detail = detail


# In this order: the first that matches counts.
_SENTENCES: tuple[tuple[str, Failure], ...] = (
    # Instagram's own words with status 401 or 400, and the names of its blocks.
    (r"please wait a few minutes|feedback_required|checkpoint_required|challenge_required", Failure.RATE_LIMIT),
    (r"too many requests|\b429\b", Failure.RATE_LIMIT),
    (r"users who follow this account|private (?:account|profile|post)|account is private", Failure.PRIVATE),
    # yt-dlp says "redirected to the login page. You have exceeded the rate-limit": only the first half is known.
    (r"login page|login required|log in|login_required|registered users|restricted video", Failure.LOGIN),
    (r"isn't available|is not available|may be broken|has been removed|been deleted|\b404\b|\b410\b", Failure.GONE),
    # What the gate answers (gate.py), as the libraries pass it on.
    (r"tunnel.*\b403\b|\b403\b.*tunnel|not one of the site's", Failure.REFUSED),
    (r"empty media response|metadata failed", Failure.WITHHELD),
    # Without a browser's fingerprint or a session the site answers 403 or 401 to what it shows others.
    (r"\b40[13]\b", Failure.LOGIN),
    (r"\b400\b|\b5\d\d\b|did not contain the token|lsd token", Failure.SITE),
    (r"timed? ?out|timeout", Failure.TIMEOUT),
    (
        r"connection|resolve|unreachable|refused|reset|network|tunnel|proxy|ssl|certificate|transport",
        Failure.NETWORK,
    ),
)


def classify(text: str, status: int | None = None) -> Failure:
    """Return the class of an error: by the HTTP status that the site answered with, if known, and the error's text."""
    words = text if status is None else f"{text} {status}"
    # An address or a post's code in the text must not be taken for a status or a word.
    words = re.sub(r"https?://\S+|\[[^\]]*\] [\w-]{5,}:", " ", words)
    for pattern, failure in _SENTENCES:
        if re.search(pattern, words, re.IGNORECASE | re.DOTALL):
            return failure
    return Failure.UNKNOWN


def telling(failures: list[FetchFailed]) -> FetchFailed:
    """Return the one of several failures that says most."""
    order = list(Failure)
    return min(failures, key=lambda failed: order.index(failed.failure))
