"""How long a machine whose connection has dropped is sought again: by all that is to be done there together."""

from __future__ import annotations

import time

from providers.errors import ConnectionLost

RECONNECT = 90.0
"""Seconds, counted from when the connection dropped, after which the machine is given up."""
GIVEN_UP_STANDS = 60.0
"""Seconds for which a machine that did not come back is left alone then."""


class Outage:
    """Of one machine: since when it is away, if it is."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._since: float | None = None
        self._patience = RECONNECT
        self._given_up: tuple[float, ConnectionLost] | None = None

    @property
    def under_way(self) -> bool:
        return self._since is not None

    @property
    def seconds_left(self) -> float:
        """For how long the machine is still sought; as long as ever where it is not away."""
        return self._patience if self._since is None else self._since + self._patience - time.monotonic()

    def begun(self) -> float:
        """Note that the connection is away; return until when (time.monotonic) it is sought again."""
        if self._since is None:
            self._since = time.monotonic()
        return self._since + self._patience

    def ended(self) -> None:
        """Note that the machine answers."""
        if self._since is not None:
            self._patience = RECONNECT
        self._since = self._given_up = None

    def announced(self, seconds: float) -> None:
        """Note that the machine is about to be away for longer than a dropped connection is: it is restarted."""
        self._patience = seconds

    def refuse(self) -> None:
        """Raise where the machine was given up a short while ago."""
        if self._given_up is not None and time.monotonic() - self._given_up[0] < GIVEN_UP_STANDS:
            raise self._given_up[1]

    def given_up(self, last: ConnectionLost | Exception) -> ConnectionLost:
        """Return the error for everybody: the machine did not come back in time; `last` is what was met last."""
        if self._given_up is None:
            failure = ConnectionLost(
                f"{self._label} dropped the connection, and did not come back within {self._patience:.0f} s",
                detail=str(getattr(last, "summary", last)),
                remedy="see what became of the machine, then run up again: it goes on from there; if it is gone for"
                " good, add its address to hearth:lost",
            )
            failure.machine = self._label
            self._given_up = (time.monotonic(), failure)
        return self._given_up[1]
