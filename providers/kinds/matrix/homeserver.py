"""A Matrix homeserver's client API, as far as a bot's account needs it: register, log in, ask who a token is.

Source: the Matrix specification, client-server API v1.15, sections "User-Interactive Authentication API", "Account
registration and management", "Login", "Rate limiting". Imported only where it is used: httpx takes its time to load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from providers.errors import HearthError, NotAnswering
from providers.kinds.matrix.answers import as_mapping, retry_after, says_something
from providers.machine.session import Session

V3 = "/_matrix/client/v3"
VALIDITY = "/_matrix/client/v1/register/m.login.registration_token/validity"
TOKEN, DUMMY, TERMS = "m.login.registration_token", "m.login.dummy", "m.login.terms"
LIMIT_PATIENCE = 150.0
"""Seconds that one operation waits altogether where the homeserver asks to come back later."""
LOGIN_REMEDIES = {
    "M_USER_DEACTIVATED": "that account was closed for good, and its name can't be used again: give another name",
    "M_USER_LOCKED": "an admin has locked that account: have it unlocked, then run up again",
    "M_USER_SUSPENDED": "an admin has suspended that account: have that ended, then run up again",
}
"""By the homeserver's own error codes; to any other a login has the remedy of a wrong password."""
STEPS = 8
"""Requests after which a registration is given up: no homeserver's flow has as many stages."""


class MatrixError(HearthError):
    """A homeserver refused something. `code` is its own, as `M_FORBIDDEN`."""

    def __init__(self, summary: str, *, code: str = "", detail: str = "", remedy: str = "") -> None:
        super().__init__(summary, detail=detail, remedy=remedy)
        self.code = code


@dataclass(frozen=True)
class Login:
    """An account, and the token by which one of its devices speaks."""

    user_id: str
    device_id: str
    access_token: str


class Homeserver:
    """One homeserver, asked through a client that the session gave. `name` is its address, for messages."""

    def __init__(self, session: Session, client: httpx.AsyncClient, name: str) -> None:
        self._session = session
        self._client = client
        self.name = name
        self._waited = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and answer of one request. Waits as long as a rate limit says, within LIMIT_PATIENCE."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        while True:
            try:
                answer = await self._client.request(method, path, json=body, headers=headers)
            except httpx.RequestError as error:
                raise NotAnswering(
                    f"the homeserver {self.name} took the connection and did not answer",
                    detail=f"{type(error).__name__}: {error}",
                    remedy="see whether it runs and what its log says; then run up again",
                ) from None
            found = as_mapping(answer)
            if answer.status_code != 429:
                self._must_be_a_homeservers(answer)
                return answer.status_code, found
            await self._wait(retry_after(found.get("retry_after_ms"), answer.headers.get("Retry-After")))

    def _must_be_a_homeservers(self, answer: httpx.Response) -> None:
        """Raise NotAnswering for what a proxy says in the homeserver's place, or a server of another kind.

        A homeserver says what it refuses as JSON, with an `errcode`. A 4xx without one is left to whoever asked: it is
        also what an older homeserver has for a path that it does not know.
        """
        status = answer.status_code
        if 400 <= status < 500 or says_something(answer):
            return
        target = answer.headers.get("Location", "")
        detail = f"HTTP {status} {target}".strip() + (f": {answer.text.strip()[:200]}" if answer.text.strip() else "")
        if status >= 500:
            raise NotAnswering(
                f"the homeserver {self.name} is away: what stands before it answers in its place",
                detail=detail,
                remedy="see whether it runs, and what the proxy's log says; then run up again",
            )
        raise NotAnswering(
            f"what answers at {self.name} is no homeserver",
            detail=detail,
            remedy="give the homeserver's own address, as maubot's machine sees it"
            + (f": this one sends its callers to {target}" if target else ""),
        )

    def _login(self, found: Mapping[str, Any], device_id: str, token: str | None = None) -> Login:
        """Return the login that an answer tells of. Raises NotAnswering where it tells of none."""
        try:
            user, token = str(found["user_id"]), token or str(found["access_token"])
        except KeyError as error:
            raise NotAnswering(
                f"what answers at {self.name} is no homeserver: it says nothing of {error}",
                remedy="give the homeserver's own address, as maubot's machine sees it",
            ) from None
        return Login(user, str(found.get("device_id") or device_id), token)

    async def _wait(self, seconds: float) -> None:
        if self._waited + seconds > LIMIT_PATIENCE:
            raise MatrixError(
                f"the homeserver {self.name} allows no more of this for {seconds:.0f} s (its rate limit)",
                code="M_LIMIT_EXCEEDED",
                remedy=f"run up again in {seconds:.0f} s: it goes on from there; or let this machine's requests through"
                " in the homeserver's rate limits (Synapse: rc_registration, rc_login)",
            )
        self._session.progress(f"{self.name} asks to come back in {seconds:.0f} s (its rate limit): waiting")
        self._waited += seconds + 0.1
        await asyncio.sleep(seconds + 0.1)

    def refused(self, what: str, found: Mapping[str, Any], remedy: str) -> MatrixError:
        """Return the error for an answer that is none: the homeserver's own words, and what to do."""
        code, text = str(found.get("errcode", "")), str(found.get("error", "")) or str(dict(found))[:300]
        return MatrixError(
            f"the homeserver {self.name} refused to {what}", code=code, detail=f"{code} {text}".strip(), remedy=remedy
        )

    async def whoami(self, token: str) -> Login | None:
        """Return whose token it is; None where the homeserver does not know it (any more)."""
        status, found = await self.ask("GET", f"{V3}/account/whoami", token=token)
        if status == 401 and "errcode" in found:  # not a proxy's own, which asks for another password
            return None
        if status != 200:
            remedy = "see the homeserver's log, and whether that is its own address"
            raise self.refused("say whose a token is", found, remedy)
        return self._login(found, "", token)

    async def taken(self, user: str) -> bool | None:
        """Return whether there is an account of that name; None where the homeserver does not say."""
        status, found = await self.ask("GET", f"{V3}/register/available?username={quote(user, safe='')}")
        if status == 200:
            return not found.get("available", True)
        return True if found.get("errcode") == "M_USER_IN_USE" else None

    async def login(self, user: str, password: str, device_id: str) -> Login:
        """Return a new token for the device; an older one of the same device ends. Raises MatrixError."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
            "device_id": device_id,
            "initial_device_display_name": "maubot",
        }
        status, found = await self.ask("POST", f"{V3}/login", body)
        if status != 200:
            remedy = LOGIN_REMEDIES.get(
                str(found.get("errcode")),
                f"either {user} has another password there: give that one as the bot's secret, or set it there; or"
                " there is no such account and none can be made: see what the homeserver allows",
            )
            raise self.refused(f"let {user} log in with the given password", found, remedy)
        return self._login(found, device_id)

    async def logout(self, token: str) -> None:
        """End a token and its device; nothing happens where it has ended already. Raises MatrixError."""
        status, found = await self.ask("POST", f"{V3}/logout", {}, token=token)
        if status != 200 and not (status == 401 and "errcode" in found):
            raise self.refused("log a device out", found, "log it out by hand, as the account or an admin there")

    async def register(self, user: str, password: str, device_id: str, token: str | None) -> Login | None:
        """Return a new account, by whatever stages the homeserver asks for; None where the name is taken.

        Raises MatrixError.
        """
        if token is not None:
            await self._token_must_be_valid(token)
        body: dict[str, Any] = {
            "username": user,
            "password": password,
            "device_id": device_id,
            "initial_device_display_name": "maubot",
        }
        sent: list[str] = []
        for _ in range(STEPS):
            status, found = await self.ask("POST", f"{V3}/register?kind=user", body)
            if status == 200:
                if "access_token" not in found:
                    return await self.login(user, password, device_id)
                return self._login(found, device_id)
            if found.get("errcode") == "M_USER_IN_USE":
                return None
            if status != 401 or not isinstance(found.get("flows"), list):
                raise self._registration_refused(user, found, TOKEN in sent)
            stage = self._next_stage(found, token)
            if stage in sent:  # it was done, and is asked for again
                raise self._registration_refused(user, found, stage == TOKEN)
            sent.append(stage)
            body["auth"] = {
                "type": stage,
                "session": found.get("session"),
                **({"token": token} if stage == TOKEN else {}),
            }
        raise self._registration_refused(user, {"error": f"after {', '.join(sent)} it still asks for more"}, False)

    def _next_stage(self, found: Mapping[str, Any], token: str | None) -> str:
        """Return the next stage of a flow that we can walk to its end."""
        flows = [
            [str(stage) for stage in cast(list[Any], cast(dict[str, Any], flow).get("stages") or [])]
            for flow in cast(list[Any], found["flows"])
            if isinstance(flow, dict)
        ]
        able = {DUMMY, TERMS, *((TOKEN,) if token is not None else ())}
        # With a token given, a flow that takes it comes first: it is what the token is for.
        possible = sorted((flow for flow in flows if set(flow) <= able), key=lambda flow: TOKEN not in flow)
        done = set(cast(list[str], found.get("completed") or []))
        for flow in possible:
            left = [stage for stage in flow if stage not in done]
            if left:
                return left[0]
        asked = " or ".join(" then ".join(flow) for flow in flows) or "nothing that it names"
        wants_token = any(set(flow) <= {*able, TOKEN} for flow in flows)
        raise MatrixError(
            f"the homeserver {self.name} registers accounts only by {asked}; no account was made",
            code="M_UNAUTHORIZED",
            remedy="give the secret maubot-registration-token: a token that is valid there"
            if wants_token
            else "make the account by hand and give its password: it is then logged in, and not registered",
        )

    def _registration_refused(self, user: str, found: Mapping[str, Any], token_was_sent: bool) -> MatrixError:
        remedies = {
            "M_WEAK_PASSWORD": "give the bot a longer password",
            "M_INVALID_USERNAME": "give the bot another name: lowercase letters, digits and . _ = - / +; not digits"
            " alone, and no _ at its beginning, which homeservers keep for guests and bridges",
            "M_EXCLUSIVE": "give the bot another name: that one is reserved for a bridge",
        }
        remedy = remedies.get(str(found.get("errcode")), "see whether the homeserver allows registration, and its log")
        if token_was_sent:
            remedy = "give another registration token: this one is wrong, has expired or is used up"
        return self.refused(f"register {user}; no account was made", found, remedy)

    async def _token_must_be_valid(self, token: str) -> None:
        """Ask first, where the homeserver can be asked: a wrong token in a registration tells less."""
        status, found = await self.ask("GET", f"{VALIDITY}?token={quote(token, safe='')}")
        if status == 200 and found.get("valid") is False:
            raise MatrixError(
                f"the registration token is not valid at the homeserver {self.name}: it is wrong, has expired or is"
                " used up; no account was made",
                code="M_UNAUTHORIZED",
                remedy="have the homeserver make a new one, and give it as the secret maubot-registration-token",
            )

    async def deactivate(self, token: str, user_id: str, password: str) -> None:
        """Close an account for good: its name can never be registered again. Raises MatrixError."""
        body: dict[str, Any] = {"erase": False}
        found: dict[str, Any] = {}
        for _ in range(2):
            status, found = await self.ask("POST", f"{V3}/account/deactivate", body, token=token)
            if status == 200:
                return
            if status != 401 or "session" not in found:
                break
            identifier = {"type": "m.id.user", "user": user_id}
            auth = {"type": "m.login.password", "identifier": identifier, "password": password}
            body["auth"] = {**auth, "session": found["session"]}
        raise self.refused(f"deactivate {user_id}", found, "deactivate it by hand, as an admin there")
