"""A stand-in for Instagram, on loopback: its pages and API in the shapes that yt-dlp and instaloader read.

They are written by hand after those libraries' sources, with files of a few KB, and an HTTP proxy that leads every host
of the site here, by TLS. It is no recording: Instagram itself was not asked. What it can't show is whether Instagram
still answers in these shapes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import string
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from .certificates import server_context

YTDLP_DOC, INSTALOADER_DOC = "27130156389949648", "27128499623469141"
MEDIA = "https://scontent-fra3-1.cdninstagram.com"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"\x00" * 3000 + b"\xff\xd9"
WEBP = b"RIFF\x00\x0c\x00\x00WEBPVP8 " + b"\x00" * 3000
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00" * 9000
FILES = {"jpg": JPEG, "webp": WEBP, "mp4": MP4}
_CHARACTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def media_id(shortcode: str) -> str:
    """Return the number that a shortcode writes in base 64."""
    number = 0
    # A private account's posts have 28 characters more in their links.
    shortcode = shortcode[:-28] if len(shortcode) > 28 else shortcode
    for character in shortcode:
        number = number * 64 + _CHARACTERS.index(character)
    return str(number)


@dataclasses.dataclass
class Listing:
    """A post of the stand-in. `items` are names of files (their ending says what they are) or whole addresses.

    `how` says how the site answers: "api" (as it should), "page" (only the page has it), "second" (only instaloader's
    query has it), "gone", "withheld", "login", "limited" (429), "blocked" (401 "Please wait"), "error" (500), "slow",
    "garbage" (text where JSON should be), "astray" (a redirect to another host).
    """

    items: list[str]
    caption: str | None = "A caption"
    how: str = "api"
    author: str = "some.one"


@dataclasses.dataclass
class Site:
    """What is asked of the stand-in is in `asked`: (host, method, path)."""

    posts: dict[str, Listing] = dataclasses.field(default_factory=dict)
    shares: dict[str, str] = dataclasses.field(default_factory=dict)
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    redirects: dict[str, str] = dataclasses.field(default_factory=dict)
    asked: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)
    slow_seconds: float = 30.0
    proxy: str = ""
    authority: str = ""

    def add(self, shortcode: str, *items: str, **how: Any) -> Listing:
        self.posts[shortcode] = Listing(list(items or ("1.jpg",)), **how)
        return self.posts[shortcode]

    # The site's answers.

    def _polaris(self, shortcode: str, listing: Listing) -> dict[str, Any]:
        """Return a post as the site's own page gets it."""
        parts = [self._part(item) for item in listing.items]
        product: dict[str, Any] = {
            "pk": media_id(shortcode),
            "code": shortcode,
            "taken_at": 1760000000,
            "user": {"pk": "25025320", "username": listing.author, "full_name": "Some One"},
            "caption": None if listing.caption is None else {"text": listing.caption},
            "like_count": 3,
            "comment_count": 1,
            "media_type": 8,
        }
        if len(parts) == 1:
            return {**product, **parts[0]}
        parts = [{**part, "pk": media_id(shortcode) + str(number)} for number, part in enumerate(parts)]
        return {**product, "carousel_media": parts, "image_versions2": parts[0]["image_versions2"]}

    def _part(self, item: str) -> dict[str, Any]:
        address = item if "://" in item else f"{MEDIA}/v/t51/{item}?_nc_ht=scontent&oh=00_AfA%3D%3D&oe=68"
        picture = {"candidates": [{"url": address, "width": 1080, "height": 1350}]}
        if not item.partition("?")[0].endswith(".mp4"):
            return {"media_type": 1, "image_versions2": picture, "video_versions": None}
        still = {"candidates": [{"url": f"{MEDIA}/v/t51/still.jpg", "width": 720, "height": 1280}]}
        video = [{"url": address, "width": 720, "height": 1280, "type": 101, "id": "1"}]
        return {"media_type": 2, "image_versions2": still, "video_versions": video, "video_duration": 5.5}

    async def _home(self, request: web.Request) -> web.Response:
        self._note(request)
        cookie = {"Set-Cookie": "csrftoken=c5rf; Path=/; Secure"}
        text = '<html><script>requireLazy([["LSD",[],{"token":"AdTok3n"},323]]);{"IG_USER_EIMU":"0"}</script></html>'
        return web.Response(text=text, content_type="text/html", headers=cookie)

    async def _ruling(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        listing = self._by_id(request.query["target_id"])
        if listing is not None and (answer := await self._refusal(listing)) is not None:
            return answer
        if listing is None or listing.how == "gone":
            words = {"title": "Post isn't available", "description": "The link may be broken, or it has been removed."}
            return web.json_response({"status": "ok", **words})
        return web.json_response({"status": "ok"}, headers={"Set-Cookie": "csrftoken=c5rf; Path=/; Secure"})

    async def _graphql(self, request: web.Request) -> web.StreamResponse:
        form = parse_qs(await request.text())
        document, variables = form["doc_id"][0], json.loads(form["variables"][0])
        self._note(request, f"/api/graphql {document}")
        first = document == YTDLP_DOC
        shortcode = self._code(variables["media_id"]) if first else variables["shortcode"]
        listing = self.posts.get(shortcode)
        if listing is not None and (answer := await self._refusal(listing)) is not None:
            return answer
        shown = listing is not None and listing.how in (("api",) if first else ("api", "second"))
        product = self._polaris(shortcode, listing) if listing is not None and shown else None
        if first:
            return web.json_response({"data": {"xig_polaris_media": {"if_not_gated_logged_out": product}}})
        return web.json_response(
            {"data": {"xdt_api__v1__media__shortcode__web_info": {"items": [product] if product else []}}}
        )

    async def _page(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        shortcode = request.match_info["code"]
        listing = self.posts.get(shortcode)
        if listing is None:
            raise web.HTTPNotFound
        if (answer := await self._refusal(listing)) is not None:
            return answer
        media = {"if_not_gated_logged_out": self._polaris(shortcode, listing) if listing.how == "page" else None}
        result = {"__bbox": {"complete": True, "result": {"data": {"xig_polaris_media": media}}}}
        stream = ["RelayPrefetchedStreamCache", "next", [], ["adp_Polaris", result]]
        page = {"require": [["ScheduledServerJS", "handle", None, [{"__bbox": {"require": [stream]}}]]]}
        text = f'<html><script type="application/json" data-sjs>{json.dumps(page)}</script></html>'
        return web.Response(text=text, content_type="text/html")

    async def _refusal(self, listing: Listing) -> web.StreamResponse | None:
        match listing.how:
            case "login":
                return web.Response(
                    status=302, headers={"Location": "https://www.instagram.com/accounts/login/?next=/p/"}
                )
            case "limited":
                return web.json_response({"message": "Too many", "status": "fail"}, status=429)
            case "blocked":
                wait = "Please wait a few minutes before you try again."
                return web.json_response({"message": wait, "require_login": True, "status": "fail"}, status=401)
            case "astray":
                return web.Response(status=302, headers={"Location": "https://evil.test/p/"})
            case "error":
                return web.Response(status=500, text="Sorry, something went wrong")
            case "garbage":
                return web.Response(text="<html>not what you asked for</html>", content_type="text/html")
            case "slow":
                await asyncio.sleep(self.slow_seconds)
        return None

    async def _login(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.Response(text="<html>Log in</html>", content_type="text/html")

    async def _share(self, request: web.Request) -> web.Response:
        self._note(request)
        target = self.shares.get(request.match_info["code"])
        return (
            web.Response(text="<html>Sorry</html>")
            if target is None
            else web.Response(status=302, headers={"Location": target})
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        name = request.match_info["name"]
        if name in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[name]})
        data = self.files.get(name, FILES.get(name.rpartition(".")[2]))
        if data is None:
            raise web.HTTPForbidden(text="URL signature mismatch")
        if name.startswith("chunked"):
            answer = web.StreamResponse()
            answer.enable_chunked_encoding()
            await answer.prepare(request)
            with contextlib.suppress(ConnectionResetError):
                for start in range(0, len(data), 65536):
                    await answer.write(data[start : start + 65536])
            return answer
        return web.Response(body=data)

    def _note(self, request: web.Request, path: str | None = None) -> None:
        self.asked.append((request.host, request.method, path or request.path))

    def _code(self, number: str) -> str:
        return next((code for code in self.posts if media_id(code) == number), "")

    def _by_id(self, number: str) -> Listing | None:
        return self.posts.get(self._code(number))

    # Serving.

    @contextlib.asynccontextmanager
    async def served(self, folder: Path, port: int = 0) -> Any:
        """Serve the stand-in and its proxy, until the end of the block. `folder` gets the certificate authority."""
        context = server_context(folder)
        self.authority = str(folder / "authority.pem")
        application = web.Application()
        application.add_routes([
            web.get("/", self._home),
            web.get("/api/v1/web/get_ruling_for_content/", self._ruling),
            web.post("/api/graphql", self._graphql),
            web.get("/p/{code}", self._page),
            web.get("/p/{code}/", self._page),
            web.get("/accounts/login/", self._login),
            web.get("/share/{code}/", self._share),
            web.get("/v/t51/{name}", self._file),
        ])  # fmt: skip
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        secure = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await secure.start()
        target = runner.addresses[0][1]
        proxy = await asyncio.start_server(
            lambda reader, writer: self._tunnel(reader, writer, target), "127.0.0.1", port
        )
        self.proxy = f"http://reader:se%3Acret@127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            proxy.close()
            await runner.cleanup()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        # "reader:se:cret": the password of the settings came through as it was meant.
        assert head.startswith("CONNECT ")
        assert "Proxy-Authorization: Basic cmVhZGVyOnNlOmNyZXQ=" in head
        out_reader, out_writer = await asyncio.open_connection("127.0.0.1", target)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        pumps = [asyncio.create_task(_pump(reader, out_writer)), asyncio.create_task(_pump(out_reader, writer))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        writer.close()
        out_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
