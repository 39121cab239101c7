"""Sends an answer: the files in their order, then the caption; or one line."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import time

from maubot import MessageEvent
from maubot.matrix import MaubotMatrixClient
from mautrix.errors import MatrixError, MatrixRequestError, MTooLarge
from mautrix.types import (
    EventType,
    ImageInfo,
    MediaMessageEventContent,
    MessageEventContent,
    MessageType,
    TextMessageEventContent,
    VideoInfo,
)

from sna_instagram_fetch.failures import Failure, FetchFailed, telling
from sna_instagram_fetch.post import Item

from .links import Link
from .media import Downloads, File, TooLarge
from .sources import Source
from .words import caption

# For the files: what is left when the page took all of its own time, in seconds.
FOR_FILES = 1.2
# Files in memory at a time, each up to the limit.
FILES_AT_ONCE = 3


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is sent: the files, which the homeserver has already, and the caption."""

    files: list[MediaMessageEventContent]
    text: str


def transaction(event_id: str, code: str, part: str) -> str:
    """Return the transaction's ID: one for each part of an answer, so that the homeserver drops a repetition."""
    return "sna" + hashlib.sha256(f"{event_id} {code} {part}".encode()).hexdigest()[:40]


class Answering:
    """Makes answers of links, and sends them."""

    def __init__(self, client: MaubotMatrixClient, source: Source, downloads: Downloads) -> None:
        self._client = client
        self._source = source
        self._downloads = downloads
        self._files = asyncio.Semaphore(FILES_AT_ONCE)

    async def prepare(self, link: Link, limit: int, end: float) -> Answer:
        """Get the post, and upload its files. `limit` is in bytes, `end` of the monotonic clock. Raises FetchFailed."""
        found = await self._downloads.resolve(link)
        post = await self._source.post(found.code, max(0.5, end - time.monotonic() - FOR_FILES))
        results = await asyncio.gather(
            *(self._file(item, limit, f"{found.code}-{number}") for number, item in enumerate(post.items, start=1)),
            return_exceptions=True,
        )
        failures: list[FetchFailed] = []
        files: list[MediaMessageEventContent] = []
        for result in results:
            if isinstance(result, FetchFailed):
                failures.append(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                files.append(result)
        if not files:
            raise telling(failures)
        over = sum(isinstance(failed, TooLarge) for failed in failures)
        return Answer(files, caption(post, found.url, over=over, lost=len(failures) - over, limit=limit))

    async def send(self, evt: MessageEvent, link: Link, answer: Answer) -> None:
        """Send the files in their order, and then the caption."""
        for number, content in enumerate(answer.files, start=1):
            await self._send(evt, link, content, f"file {number}")
        await self._send(evt, link, TextMessageEventContent(msgtype=MessageType.NOTICE, body=answer.text), "caption")

    async def say(self, evt: MessageEvent, link: Link, line: str) -> None:
        """Send one line, as a notice."""
        await self._send(evt, link, TextMessageEventContent(msgtype=MessageType.NOTICE, body=line), "line")

    async def _file(self, item: Item, limit: int, name: str) -> MediaMessageEventContent:
        async with self._files:
            file = await self._downloads.item(item, limit)
            try:
                uri = await self._client.upload_media(file.data, file.mimetype, f"{name}.{file.extension}")
            except MatrixRequestError as error:
                # A proxy before the homeserver answers 413 in words of its own.
                if isinstance(error, MTooLarge) or error.http_status == 413:
                    raise TooLarge(len(file.data), limit) from error
                raise FetchFailed(Failure.UPLOAD, f"{type(error).__name__}: {error}") from error
            except (MatrixError, OSError) as error:
                raise FetchFailed(Failure.UPLOAD, f"{type(error).__name__}: {error}") from error
        return _content(file, uri, name)

    async def _send(self, evt: MessageEvent, link: Link, content: MessageEventContent, part: str) -> None:
        if evt.content.get_thread_parent():
            content.set_thread_parent(evt)
        content.set_reply(evt)
        # Nobody is meant, whatever names the caption holds: no "@room" of a stranger rings here.
        content["m.mentions"] = {}
        await self._client.send_message_event(
            evt.room_id, EventType.ROOM_MESSAGE, content, txn_id=transaction(evt.event_id, link.code, part)
        )


def _content(file: File, uri: str, name: str) -> MediaMessageEventContent:
    body = f"{name}.{file.extension}"
    common = {"mimetype": file.mimetype, "size": len(file.data), "width": file.width, "height": file.height}
    if file.kind == "video":
        info = VideoInfo(**common, duration=round(file.duration * 1000) if file.duration else None)
        return MediaMessageEventContent(msgtype=MessageType.VIDEO, body=body, filename=body, url=uri, info=info)
    return MediaMessageEventContent(
        msgtype=MessageType.IMAGE, body=body, filename=body, url=uri, info=ImageInfo(**common)
    )
