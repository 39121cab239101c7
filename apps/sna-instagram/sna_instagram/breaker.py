"""The breaker: after a rate limit the site is left alone for a while, longer each time. The clock is an argument."""

from __future__ import annotations

import dataclasses
import json

from sna_instagram_fetch.failures import Failure

# Instagram lets an address that it has limited in again after minutes to hours; asking meanwhile makes it longer.
FIRST_SECONDS = 15 * 60
LONGEST_SECONDS = 4 * 3600
# The login page instead of a post may be the post's own matter. Three in a row are the site's answer to this address.
LOGIN_PAGES = 3


@dataclasses.dataclass(frozen=True)
class Breaker:
    """`open_until`: seconds since 1970; `times` counts openings, `logins` login pages in a row, since a success."""

    open_until: float = 0.0
    times: int = 0
    logins: int = 0

    def is_open(self, now: float) -> bool:
        return now < self.open_until

    def after_success(self) -> Breaker:
        """Forget all failures: a post was got."""
        return Breaker()

    def after_failure(self, failure: Failure, now: float) -> Breaker:
        """Count a failure. Only a rate limit and repeated login pages matter to it."""
        logins = self.logins + 1 if failure is Failure.LOGIN else 0
        if failure is Failure.RATE_LIMIT or logins >= LOGIN_PAGES:
            seconds = min(FIRST_SECONDS * 2**self.times, LONGEST_SECONDS)
            return Breaker(now + seconds, min(self.times + 1, 10), 0)
        if failure is Failure.LOGIN:
            return dataclasses.replace(self, logins=logins)
        return self

    def as_text(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_text(cls, text: str | None) -> Breaker:
        """Return what `as_text` wrote; a closed breaker for anything else."""
        try:
            data = json.loads(text or "")
            return cls(float(data["open_until"]), int(data["times"]), int(data["logins"]))
        except (ValueError, KeyError, TypeError):
            return cls()
