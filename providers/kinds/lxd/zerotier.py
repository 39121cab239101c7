"""ZeroTier's two APIs: of the service on a machine, and of a network's controller, be it one's own or ZeroTier Central.

Sources: ZeroTierOne service/README.md and controller/README.md, the OpenAPI texts of the service (v1) and of Central
(v1). Values are as strictly typed as they say: a wrong type is ignored by the real service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from providers.errors import HearthError
from providers.machine.session import Session

SERVICE = "http://127.0.0.1:9993"
CENTRAL = "https://api.zerotier.com"
TOKEN_FILE = "/var/lib/zerotier-one/authtoken.secret"


class ZeroTierError(HearthError):
    """ZeroTier's service or a controller refused something, or does not answer."""


@dataclass(frozen=True)
class Endpoint:
    """An API: where it is, and the header that lets in."""

    name: str
    base: str
    header: Mapping[str, str]

    async def ask(self, session: Session, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer's object; None where there is no such thing. Raises ZeroTierError, without the token."""
        async with await session.http(self.base) as client:
            answer = await client.request(method, path, headers=dict(self.header), json=body)
        if answer.status_code == 404:
            return None
        if answer.status_code in (401, 403):
            raise ZeroTierError(
                f"{self.name} does not accept the token",
                remedy="give the right one as hearth:lxd-zerotier-token (a controller's own stands in its"
                f" {TOKEN_FILE})",
            )
        if answer.is_error:
            raise ZeroTierError(
                f"{self.name} refused `{method} {path}` with {answer.status_code}",
                detail=answer.text[:500],
                remedy="put right what the line above names, then run up again",
            )
        return answer.json() if answer.content else {}


async def service(session: Session) -> Endpoint | None:
    """Find the service on a session's machine; None where it has no token, as it was never started."""
    stat = await session.stat(TOKEN_FILE, content=True)
    if stat is None or stat.content is None:
        return None
    token = stat.content.decode().strip()
    return Endpoint(f"ZeroTier on {session.machine}", SERVICE, {"X-ZT1-Auth": token})


class Controller:
    """The controller of one network, asked from a session's machine."""

    def __init__(self, network: str, address: str | None, token: str) -> None:
        self.network = network
        self.own = address is not None
        if address is None:
            self.place = Endpoint("ZeroTier Central", CENTRAL, {"Authorization": f"token {token}"})
            self.root = f"/api/v1/network/{network}"
        else:
            where = address if ":" in address and not address.count(":") > 1 else f"{address}:9993"
            self.place = Endpoint(f"the controller at {address}", f"http://{where}", {"X-ZT1-Auth": token})
            self.root = f"/controller/network/{network}"

    async def routes(self, session: Session) -> list[str]:
        """Return the networks that the controller lets its members route. Raises ZeroTierError for an unknown one."""
        found = await self.place.ask(session, "GET", self.root)
        if found is None:
            raise ZeroTierError(
                f"{self.place.name} has no network {self.network}",
                remedy="correct lxd.overlay.network, or the controller: its address begins a network's id",
            )
        content: dict[str, Any] = found if self.own else found.get("config") or {}
        return [str(each["target"]) for each in cast(list[dict[str, Any]], content.get("routes") or [])]

    async def member(self, session: Session, node: str) -> dict[str, Any] | None:
        """Return what the controller holds of a member; None where it has not appeared yet."""
        found = await self.place.ask(session, "GET", f"{self.root}/member/{node}")
        if found is None:
            return None
        return cast(dict[str, Any], found if self.own else found.get("config") or {})

    async def let_in(self, session: Session, node: str, name: str, address: str | None) -> None:
        """Authorise a member, with its address where it is to have a certain one."""
        config: dict[str, Any] = {"authorized": True}
        if address is not None:
            config |= {"ipAssignments": [address], "noAutoAssignIps": True}
        body = config if self.own else {"name": name, "config": config}
        await self.place.ask(session, "POST", f"{self.root}/member/{node}", body)

    async def put_out(self, session: Session, node: str) -> None:
        """Take a member out: without its authorisation first, as a deleted one may come back with it."""
        if await self.member(session, node) is None:
            return
        config = {"authorized": False}
        await self.place.ask(session, "POST", f"{self.root}/member/{node}", config if self.own else {"config": config})
        await self.place.ask(session, "DELETE", f"{self.root}/member/{node}")


def assigned(network: Mapping[str, Any]) -> list[str]:
    """List the addresses that a network gave the machine, without their lengths."""
    given = cast(list[str], network.get("assignedAddresses") or [])
    return [each.partition("/")[0] for each in given]
