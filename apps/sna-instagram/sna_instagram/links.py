"""Links to Instagram's posts in a message: pure functions."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

# What people post: pages, the old short host, and the host that links out of the app.
PAGES = frozenset({"instagram.com", "www.instagram.com", "m.instagram.com", "instagr.am", "www.instagr.am"})
REDIRECTOR = "l.instagram.com"

_CODE = r"[A-Za-z0-9_-]{5,64}"
_USER = r"[A-Za-z0-9_.]{1,30}"
_POST = re.compile(rf"/(?:(?!share/){_USER}/)?(?:p|tv|reels?)/(?P<code>{_CODE})(?:/.*)?", re.DOTALL)
_SHARE = re.compile(rf"/share/(?:(?:p|tv|reels?)/)?(?P<code>{_CODE})/?")
# A word that may be an address: up to what ends one in running text, Markdown and HTML.
_WORD = re.compile(r"[^\s<>\"'()\[\]{}|,]+")


@dataclasses.dataclass(frozen=True)
class Link:
    """A link to one post. `share` says that `code` is a share link's, behind which the site names the post."""

    code: str
    share: bool = False

    @property
    def url(self) -> str:
        """The address without what was there to track its readers."""
        return f"https://www.instagram.com/{'share' if self.share else 'p'}/{self.code}/"


def parse(address: str) -> Link | None:
    """Return the post that an address names; None if it is not Instagram's, or names no post."""
    if "://" not in address:
        address = "https://" + address
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    standard = {"https": (None, 443), "http": (None, 80)}.get(parts.scheme.lower(), ())
    if "@" in parts.netloc or port not in standard or not parts.netloc.isascii():
        return None
    if host == REDIRECTOR:
        inner = parse_qs(parts.query).get("u", [""])[0]
        # Only one step: a redirector behind a redirector is nothing that a person posts.
        return None if REDIRECTOR in inner.lower() or "://" not in inner else parse(inner)
    if host not in PAGES:
        return None
    if found := _SHARE.fullmatch(parts.path):
        return Link(found["code"], share=True)
    if (found := _POST.fullmatch(parts.path)) and found["code"] != "audio":
        return Link(found["code"])
    return None


def redirected(link: Link, location: str) -> Link | None:
    """Return what the site says that a share link stands for; None if that is no post of the site's."""
    return parse(urljoin(link.url, location))


def find(body: str, html: str | None = None) -> list[Link]:
    """Return the posts that a message links to, each once, in order: in its text, then in the links of its HTML."""
    words = [match.group().lstrip("*~_`").rstrip(".,;:!?…*~`") for match in _WORD.finditer(body)]
    candidates = [word for word in words if "instagr" in word.lower()] + (_hrefs(html) if html else [])
    return list(dict.fromkeys(link for word in candidates if (link := parse(word)) is not None))


class _Hrefs(HTMLParser):
    """The addresses of the links, but for those in a quotation of the message that is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._quoted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "mx-reply":
            self._quoted += 1
        if tag == "a" and not self._quoted:
            self.found += [value for name, value in attrs if name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        if tag == "mx-reply" and self._quoted:
            self._quoted -= 1


def _hrefs(html: str) -> list[str]:
    parser = _Hrefs()
    parser.feed(html)
    return parser.found
