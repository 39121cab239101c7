"""Gets the files of a post, through the gate, and never more than the limit."""

from __future__ import annotations

import dataclasses
import ssl

import aiohttp
from yarl import URL

from sna_instagram_fetch.failures import Failure, FetchFailed, classify
from sna_instagram_fetch.post import Item, Kind, Rendition
from sna_instagram_fetch.site import NotTheSites, check_url

from .links import Link, redirected

_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
_HOPS = 4  # redirects


@dataclasses.dataclass(frozen=True)
class File:
    """A file as it came: its bytes, and the type that its first bytes tell."""

    kind: Kind
    mimetype: str
    data: bytes
    width: int | None
    height: int | None
    duration: float | None

    @property
    def extension(self) -> str:
        return {"image/jpeg": "jpg", "video/mp4": "mp4"}.get(self.mimetype, self.mimetype.partition("/")[2])


class TooLarge(FetchFailed):
    """Over the limit. `size` is in bytes, None where the server did not say and it was cut off."""

    def __init__(self, size: int | None, limit: int) -> None:
        super().__init__(Failure.TOO_LARGE, f"{'more' if size is None else size} than the limit of {limit} bytes")
        self.size = size


def type_of(data: bytes) -> tuple[Kind, str] | None:
    """Return what a file is by its first bytes; None for what is neither a picture nor a video (an error page, say)."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image", "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image", "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image", "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image", "image/webp"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in (b"heic", b"heix", b"mif1", b"heim"):
            return "image", "image/heic"
        if brand == b"avif":
            return "image", "image/avif"
        return "video", "video/mp4"
    return None


class Downloads:
    """`proxy` is the gate's address."""

    def __init__(self, proxy: str) -> None:
        self._proxy = URL(proxy)
        # A session of its own: maubot's would send what others put into it, and its cookies stay apart.
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": _AGENT, "Referer": "https://www.instagram.com/"},
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context()),
        )

    async def close(self) -> None:
        await self._session.close()

    async def item(self, item: Item, limit: int) -> File:
        """Return the best rendition that is within the limit, in bytes.

        Raises TooLarge if none is, FetchFailed otherwise.
        """
        over: TooLarge | None = None
        for rendition in item.renditions:
            try:
                return await self._file(item, rendition, limit)
            except TooLarge as error:
                # The smallest is the last: it says how much the limit lacks.
                over = error
        raise over or FetchFailed(Failure.WITHHELD, "the post names no file")

    async def resolve(self, link: Link) -> Link:
        """Return the post behind a share link: where the site redirects to, each step looked at. Raises FetchFailed."""
        for _ in range(_HOPS):
            if not link.share:
                return link
            try:
                async with self._session.get(link.url, proxy=self._proxy, allow_redirects=False) as response:
                    status, location = response.status, response.headers.get("Location")
            except (aiohttp.ClientError, OSError) as error:
                raise _unreachable(error) from error
            if location is None:
                failure = Failure.GONE if status == 200 else classify("", status)
                raise FetchFailed(failure, f"share link: HTTP {status} without a redirect")
            if "/accounts/login" in location:
                raise FetchFailed(Failure.LOGIN, "share link: redirected to the login page")
            onward = redirected(link, location)
            if onward is None:
                raise FetchFailed(Failure.GONE, f"share link: redirected to {location[:200]!r}, which is no post")
            link = onward
        if link.share:
            raise FetchFailed(Failure.SITE, f"share link: still no post after {_HOPS} redirects")
        return link

    async def _file(self, item: Item, rendition: Rendition, limit: int) -> File:
        data = await self._bytes(rendition.url, limit)
        found = type_of(data)
        if found is None:
            raise FetchFailed(Failure.SITE, f"neither a picture nor a video: {data[:16]!r}")
        kind, mimetype = found
        return File(kind, mimetype, data, rendition.width, rendition.height, item.duration if kind == "video" else None)

    async def _bytes(self, url: str, limit: int) -> bytes:
        for _ in range(_HOPS):
            try:
                check_url(url)
            except NotTheSites as error:
                raise FetchFailed(Failure.REFUSED, str(error)) from error
            try:
                # Encoded as it is: a changed character would break the signature in it.
                address = URL(url, encoded=True)
                async with self._session.get(address, proxy=self._proxy, allow_redirects=False) as response:
                    if 300 <= response.status < 400 and (location := response.headers.get("Location")):
                        url = str(address.join(URL(location, encoded=True)))
                        continue
                    if response.status != 200:
                        raise FetchFailed(classify("", response.status), f"a file: HTTP {response.status}")
                    return await _limited(response, limit)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise _unreachable(error) from error
        raise FetchFailed(Failure.SITE, f"a file: more than {_HOPS} redirects")


async def _limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if response.content_length is not None and response.content_length > limit:
        raise TooLarge(response.content_length, limit)
    data = bytearray()
    async for chunk in response.content.iter_chunked(256 * 1024):
        data += chunk
        if len(data) > limit:
            raise TooLarge(None, limit)
    return bytes(data)


def _unreachable(error: Exception) -> FetchFailed:
    refused = isinstance(error, aiohttp.ClientHttpProxyError) and error.status == 403
    return FetchFailed(Failure.REFUSED if refused else Failure.NETWORK, f"{type(error).__name__}: {error}")
