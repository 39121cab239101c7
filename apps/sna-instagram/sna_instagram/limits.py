"""The largest file that may be posted: the setting's, and never more than the homeserver takes."""

from __future__ import annotations

import logging
import time

from mautrix.client import Client
from mautrix.errors import MatrixError

# How long the homeserver's word is good, in seconds: it changes with the homeserver's config, which is rare.
_GOOD_FOR = 600.0
# Where it could not be had.
_AGAIN_AFTER = 60.0


class Limits:
    """Asks the homeserver, and remembers what it said (`m.upload.size` of its media config)."""

    def __init__(self, client: Client, log: logging.Logger) -> None:
        self._client = client
        self._log = log
        self._size: int | None = None
        self._until = 0.0

    async def bytes_for(self, setting: int) -> int:
        """Return the smaller of the two, in bytes; the setting, where the homeserver does not say how much it takes."""
        if time.monotonic() >= self._until:
            try:
                self._size = (await self._client.get_media_repo_config()).upload_size
                self._until = time.monotonic() + _GOOD_FOR
            except (MatrixError, OSError) as error:
                self._log.warning("the homeserver does not say how large a file may be: %s", error)
                self._until = time.monotonic() + _AGAIN_AFTER
        return setting if self._size is None else min(setting, self._size)

    def ask_again(self) -> None:
        """Forget the limit: a file was too large, perhaps the homeserver's word is not what it was."""
        self._until = 0.0
