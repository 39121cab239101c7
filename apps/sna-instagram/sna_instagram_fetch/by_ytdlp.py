"""The first fetcher: yt-dlp, which asks as the site's own page does, with a browser's fingerprint by curl_cffi."""

from __future__ import annotations

from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.networking.exceptions import HTTPError
from yt_dlp.utils import YoutubeDLError

from .failures import Failure, FetchFailed, classify
from .post import Item, Post, Rendition, best_first


class _Silent:
    """yt-dlp's log. Nothing of it is kept but the exception."""

    def debug(self, _message: str) -> None: ...
    def info(self, _message: str) -> None: ...
    def warning(self, _message: str) -> None: ...
    def error(self, _message: str) -> None: ...


def prepare() -> None:
    """Import what the first request would import, while there is time."""
    import curl_cffi.requests  # noqa: F401

    with YoutubeDL({"quiet": True, "logger": _Silent()}) as downloader:
        downloader.get_info_extractor("Instagram")


def fetch(shortcode: str, proxy: str, seconds: float) -> Post:
    """Return the post, by way of the proxy. Raises FetchFailed."""
    options = {
        "quiet": True,
        "logger": _Silent(),
        "proxy": proxy,
        "socket_timeout": max(1.0, seconds),
        "cachedir": False,
        "extractor_retries": 0,
        # A picture has no "formats": it is no error here.
        "ignore_no_formats_error": True,
        "allowed_extractors": ["^Instagram$"],
    }
    try:
        with YoutubeDL(options) as downloader:
            info = downloader.extract_info(f"https://www.instagram.com/p/{shortcode}/", download=False, process=False)
    except YoutubeDLError as error:
        raise FetchFailed(classify(str(error), _status(error)), f"yt-dlp: {error}") from error
    return post_of(info or {}, shortcode)


def _status(error: BaseException) -> int | None:
    """Return the HTTP status behind an error, wherever in its causes."""
    seen: BaseException | None = error
    for _ in range(6):
        if seen is None:
            return None
        if isinstance(seen, HTTPError):
            return seen.status
        inner = getattr(seen, "cause", None) or seen.__cause__
        if inner is None and (info := getattr(seen, "exc_info", None)):
            inner = info[1]
        seen = inner if inner is not seen else None
    return None


def post_of(info: dict[str, Any], shortcode: str) -> Post:
    """Return the post in yt-dlp's own words (a dictionary of one entry, or a playlist of a carousel's)."""
    entries = list(info["entries"]) if info.get("_type") == "playlist" else [info]
    items = [item for entry in entries if (item := _item_of(entry)) is not None]
    if not items:
        raise FetchFailed(Failure.WITHHELD, "yt-dlp: the post names neither a picture nor a video")
    return Post(
        shortcode=shortcode,
        author=info.get("channel") or "",
        caption=info.get("description") or "",
        items=tuple(items),
    )


def _item_of(entry: dict[str, Any]) -> Item | None:
    # Those of the DASH manifest have the sound in a file of its own: only whole files are posted.
    whole = [
        Rendition(found["url"], found.get("width"), found.get("height"))
        for found in entry.get("formats") or []
        if not found.get("manifest_url") and not str(found.get("container", "")).endswith("_dash")
    ]
    if whole:
        return Item("video", best_first(whole), entry.get("duration"))
    # yt-dlp names the best picture last.
    pictures = [
        Rendition(found["url"], found.get("width"), found.get("height"))
        for found in reversed(entry.get("thumbnails") or [])
    ]
    # A video that has only separate streams is shown by its picture.
    return Item("image", best_first(pictures)) if pictures else None
