"""maubot's management API, reached and entered by what its own configuration file on the machine says.

Source: maubot 0.6.0, maubot/management/api. Imported only where it is used: httpx takes its time to load.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx
import yaml

from providers.errors import HearthError, NotAnswering
from providers.machine.session import Session
from toolchain.lines import lines_in

V1 = "/_matrix/maubot/v1"
REMEDIES = {
    "plugin_type_not_found": "upload the plugin of that type first: let the instance depend on its MaubotPlugin",
    "primary_user_not_found": "make the client first: let the instance depend on its MaubotClient",
    "plugin_in_use": "remove its instances first, those that are made in the web page too",
    "client_in_use": "remove its instances first, those that are made in the web page too",
    "bad_client_access_token": "its account's token has been revoked: `up --refresh` logs it in again",
    "bad_client_access_details": "see whether the homeserver's address is right, as maubot's machine sees it",
    "bad_client_connection_details": "see whether the homeserver runs, and whether its address is right",
    "mxid_mismatch": "the token is another account's: give the one of this client's account",
    "device_id_mismatch": "the token is another device's: give the device that it was made for",
    "plugin_invalid": "put the plugin right; what was there before still runs",
    "plugin_reload_fail": "put the plugin right; what was there before still runs",
    "unsupported_plugin_database": "install the Python packages that the plugin needs into maubot's environment",
    "internal_server_error": "see maubot's log (journalctl -u maubot -n 50) and whether its disk is full (df -h)",
}
"""By maubot's own error codes."""


def _cause(stack_trace: str) -> str:
    """Return Python's own words on what went wrong first, in brackets; nothing where there is no stack trace."""
    words = [line for line in lines_in(stack_trace) if re.match(r"[\w.]+(Error|Exception|Warning)\b", line)]
    return f" ({words[0]})" if words else ""


class MaubotError(HearthError):
    """maubot refused something. `code` is its own, as `plugin_in_use`."""

    def __init__(self, summary: str, *, code: str, detail: str = "", remedy: str = "") -> None:
        super().__init__(summary, detail=detail, remedy=remedy)
        self.code = code


class MaubotApi:
    """maubot on a session's machine: `async with MaubotApi(session, config_file) as maubot`.

    Raises NotAnswering where it is not there, or does not run.
    """

    def __init__(self, session: Session, config_file: str) -> None:
        self._session = session
        self._config_file = config_file
        self._client: httpx.AsyncClient
        self.settings: Mapping[str, Any] = {}
        """What its configuration file says."""

    async def __aenter__(self) -> Self:
        self.settings = await self._settings()
        found: Any = self.settings.get("server")
        server = cast(dict[str, Any], found) if isinstance(found, dict) else {}
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(server.get("hostname")), str(server.get("hostname")))
        address = f"http://[{host}]" if ":" in host else f"http://{host}"
        address = f"{address}:{server.get('port', 29316)}"
        self._client = await self._session.http(address)
        try:
            status, found = await self.ask("POST", "/auth/login", {"secret": str(server.get("unshared_secret", ""))})
            if ("token" if status == 200 else "errcode") not in found:
                raise NotAnswering(
                    f"what answers at {address} on {self._session.machine} is not maubot",
                    detail=f"HTTP {status}: {found.get('error', '')}",
                    remedy="see what has taken its port (ss -ltnp), and whether maubot runs (systemctl status maubot)",
                )
            if status != 200:
                raise MaubotError(
                    f"maubot on {self._session.machine} does not take the key in {self._config_file}",
                    code=str(found.get("errcode", status)),
                    remedy="it still runs with an older configuration: restart it (systemctl restart maubot)",
                )
        except BaseException:
            await self._client.aclose()
            raise
        self._client.headers["Authorization"] = f"Bearer {found['token']}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def _settings(self) -> Mapping[str, Any]:
        found = await self._session.stat(self._config_file, content=True)
        try:
            settings: Any = None if found is None else yaml.safe_load(found.content or b"")
        except (yaml.YAMLError, ValueError, RecursionError):
            settings = None
        if not isinstance(settings, dict):
            raise NotAnswering(
                f"{self._config_file} on {self._session.machine} is "
                + ("not there" if found is None else "no configuration of maubot"),
                remedy="install maubot first, or give the path of its configuration file",
            )
        return cast(dict[str, Any], settings)

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and answer of one request; `content` is sent as it is."""
        try:
            answer = await self._client.request(method, f"{V1}{path}", json=body, content=content)
        except httpx.RequestError as error:
            raise NotAnswering(
                f"maubot on {self._session.machine} took the connection and did not answer",
                detail=f"{type(error).__name__}: {error}",
                remedy="see what its log says (journalctl -u maubot -n 50); then run up again",
            ) from None
        try:
            found: Any = answer.json() if answer.content else {}
        except ValueError:
            found = {"error": f"HTTP {answer.status_code}: {answer.text[:200]}"}
        return answer.status_code, cast(dict[str, Any], found) if isinstance(found, dict) else {"list": found}

    async def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return a `client`, `plugin` or `instance`; None where there is none of that name."""
        status, found = await self.ask("GET", f"/{kind}/{quote(name, safe='')}")
        if status == 404:
            return None
        self._must(status, found, f"say what the {kind} {name} is")
        return found

    async def put(
        self, kind: str, name: str, body: Mapping[str, Any] | None = None, content: bytes | None = None
    ) -> dict[str, Any]:
        """Make or change one. Raises MaubotError."""
        status, found = await self.ask("PUT", f"/{kind}/{quote(name, safe='')}", body, content)
        self._must(status, found, f"take the {kind} {name}")
        return found

    async def delete(self, kind: str, name: str) -> None:
        """Remove one; nothing happens where there is none. Raises MaubotError."""
        status, found = await self.ask("DELETE", f"/{kind}/{quote(name, safe='')}")
        if status != 404:
            self._must(status, found, f"remove the {kind} {name}")

    def _must(self, status: int, found: Mapping[str, Any], what: str) -> None:
        if status in (200, 201, 204):
            return
        code = str(found.get("errcode", f"HTTP {status}"))
        raise MaubotError(
            f"maubot on {self._session.machine} refused to {what}",
            code=code,
            detail=f"{code}: {found.get('error', '')}{_cause(str(found.get('stacktrace', '')))}",
            remedy=REMEDIES.get(code, "see maubot's log (journalctl -u maubot -n 50)"),
        )
