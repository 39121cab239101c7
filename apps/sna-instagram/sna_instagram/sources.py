"""Where posts come from: the interface, the fetchers in child processes, and the order in which they are asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from sna_instagram_fetch.failures import WORTH_ANOTHER_TRY, Failure, FetchFailed, telling
from sna_instagram_fetch.post import Post

from .workers import Workers


class Source(Protocol):
    """Anything that can get a post. A further fetcher is one more class with these two."""

    name: str

    async def post(self, shortcode: str, seconds: float) -> Post:
        """Return the post, within so many seconds. Raises FetchFailed, also when the time is up."""
        ...


class ChildSource:
    """A fetcher of `sna_instagram_fetch.child`, run in a process of its own. `proxy` is the gate's address."""

    def __init__(self, name: str, workers: Workers, proxy: str) -> None:
        self.name = name
        self._workers = workers
        self._proxy = proxy

    async def post(self, shortcode: str, seconds: float) -> Post:
        job = {"fetcher": self.name, "shortcode": shortcode, "proxy": self._proxy, "seconds": seconds}
        answer = await self._workers.run(job, seconds)
        if "failure" in answer:
            raise FetchFailed(Failure(answer["failure"]), answer["detail"])
        return Post.from_json(answer["post"])


class InTurn:
    """One source after the other, as long as another may know more and there is time; the last has all that is left."""

    name = "in turn"

    def __init__(self, sources: Sequence[Source], log: logging.Logger) -> None:
        self._sources = sources
        self._log = log

    async def post(self, shortcode: str, seconds: float) -> Post:
        end = time.monotonic() + seconds
        failures: list[FetchFailed] = []
        for number, source in enumerate(self._sources, start=1):
            left = end - time.monotonic()
            if left <= 0.3 and failures:
                break
            # Another one gets its chance: this one has three fifths.
            share = left if number == len(self._sources) else left * 0.6
            try:
                return await source.post(shortcode, share)
            except FetchFailed as failed:
                self._log.info("%s: %s: %s", shortcode, failed.failure, failed.detail)
                failures.append(failed)
                if failed.failure not in WORTH_ANOTHER_TRY:
                    break
        raise telling(failures)
