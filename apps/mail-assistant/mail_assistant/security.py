"""What protects a user's browser: forms' tokens, and what a page may load."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from fastapi import HTTPException, Request

COOKIE = "mail_assistant_csrf"
FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The answers' Content-Security-Policy: nothing is loaded from elsewhere, and no script or style stands in a page."""


def _signature(secret: str, nonce: str) -> str:
    return hmac.new(secret.encode(), f"csrf:{nonce}".encode(), hashlib.sha256).hexdigest()


class FormToken:
    """The token of one visitor's forms: a random number in a cookie, and its signature in the form."""

    def __init__(self, request: Request) -> None:
        self._secret = request.app.state.settings.secret_key.get_secret_value()
        known = request.cookies.get(COOKIE, "")
        self.is_new = not (len(known) == 32 and known.isascii() and known.isalnum())
        self.nonce = secrets.token_hex(16) if self.is_new else known

    @property
    def value(self) -> str:
        """What the form sends back."""
        return _signature(self._secret, self.nonce)

    def require(self, given: object) -> None:
        """Raise 403 unless `given` belongs to the visitor's cookie."""
        given = given if isinstance(given, str) else ""
        if self.is_new or not hmac.compare_digest(self.value.encode(), given.encode(errors="replace")):
            raise HTTPException(403, "This page was open too long, or was not ours. Reload it and try again.")
