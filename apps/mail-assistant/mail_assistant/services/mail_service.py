"""Gmail: whether the credentials in the environment let the application in."""

from __future__ import annotations

import time

import httpx

from mail_assistant.config import Settings
from mail_assistant.services.llm_service import why
from mail_assistant.services.status import ServiceStatus, Status

CREDENTIALS = ("gmail_client_id", "gmail_client_secret", "gmail_refresh_token")
ASK_SECONDS = 2.5
REMEMBER_SECONDS = {Status.OK: 300.0, Status.UNREACHABLE: 30.0}
"""How long an answer holds: Google counts requests for tokens, and health is asked every few seconds."""


class GmailAdapter:
    """Asks Google for an access token, and throws it away: nothing of it is kept or logged."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient | None = None) -> None:
        self._settings = settings
        self._client = client
        self._known: tuple[float, ServiceStatus] | None = None

    async def ping(self, fresh: bool = False) -> ServiceStatus:
        """Return whether Google lets us in. `fresh` asks anew, where a user wants to know it now."""
        missing = self._missing()
        if missing:
            what = "no GMAIL_ values in .env" if len(missing) == len(CREDENTIALS) else f"{', '.join(missing)} missing"
            return ServiceStatus.unconfigured(f"Not set up: {what}")
        now = time.monotonic()
        if not fresh and self._known and now - self._known[0] < REMEMBER_SECONDS[self._known[1].status]:
            return self._known[1]
        status = await self._ask()
        self._known = (time.monotonic(), status)
        return status

    def _missing(self) -> list[str]:
        return [name.upper() for name in CREDENTIALS if not getattr(self._settings, name)]

    async def _ask(self) -> ServiceStatus:
        settings = self._settings
        assert settings.gmail_client_secret is not None, "asked for above"
        assert settings.gmail_refresh_token is not None, "asked for above"
        form = {
            "grant_type": "refresh_token",
            "client_id": settings.gmail_client_id,
            "client_secret": settings.gmail_client_secret.get_secret_value(),
            "refresh_token": settings.gmail_refresh_token.get_secret_value(),
        }
        client = self._client or httpx.AsyncClient()
        try:
            answer = await client.post(settings.gmail_token_url, data=form, timeout=ASK_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = why(error) if isinstance(error, httpx.HTTPError) else "its address can't be used"
            return ServiceStatus.unreachable(f"Gmail is unreachable: {reason}")
        finally:
            if self._client is None:
                await client.aclose()
        if answer.status_code in {400, 401, 403}:
            return ServiceStatus.unreachable("Google refused the access: renew GMAIL_REFRESH_TOKEN")
        if answer.status_code != httpx.codes.OK:
            return ServiceStatus.unreachable("Gmail is unreachable: try again later", f"status {answer.status_code}")
        return ServiceStatus.ok("Google lets the assistant in")
