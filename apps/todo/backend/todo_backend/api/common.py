"""What addresses share: who asks, and from where."""

from __future__ import annotations

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend import database
from todo_backend.accounts import COOKIE, Account, Accounts
from todo_backend.config import Settings
from todo_backend.security import client_address


def accounts(request: Request) -> Accounts:
    """Return everything about accounts, as a dependency."""
    found: Accounts = request.app.state.accounts
    return found


def settings(request: Request) -> Settings:
    """Return the settings, as a dependency."""
    found: Settings = request.app.state.settings
    return found


def address(request: Request) -> str:
    """Return where the visitor is, as a dependency."""
    peer = request.client.host if request.client else ""
    return client_address(request.headers, peer, settings(request).proxies)


async def account(
    request: Request, known: Accounts = Depends(accounts), session: AsyncSession = Depends(database.session)
) -> Account:
    """Return who asks, as a dependency. Raises HTTPException 401."""
    return await known.who(session, request.cookies.get(COOKIE, ""))
