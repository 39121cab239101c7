"""Accounts and who is signed in: registering, signing in and out, and the cookie that says who asks."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta

from fastapi import HTTPException
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend.errors import Refusal
from todo_backend.models import Session, User
from todo_backend.passwords import Passwords
from todo_backend.rate_limit import Limit, RateLimiter
from todo_backend.security import is_internal

COOKIE = "todo_session"
SESSION_SECONDS = 14 * 24 * 3600
DEVICE_COOKIE = "todo_device"
DEVICE_SECONDS = 365 * 24 * 3600
QUARTER_OF_AN_HOUR = 15 * 60  # seconds

REFUSED = "The email address or the password is wrong."
"""The same for an unknown address as for a wrong password."""
TAKEN = "There is an account with this address already. Sign in, if it is yours."


@dataclass(frozen=True)
class Account:
    """Who asks."""

    id: uuid.UUID
    email: str


def sign_in_limits(email: str, address: str, device: str | None) -> list[Limit]:
    """Few tries for one account from one place; more for one account, and from one place, in all.

    A browser that has signed in to the account before has tries of its own (OWASP, "device cookies"): nobody who
    guesses elsewhere, or behind the same balancer, shuts its owner out. An internal address may be a balancer's, and
    then everybody's: it limits nobody but for the account that is tried.
    """
    if device is not None:
        return [Limit("sign-in-device", f"{email} {device}", 10, QUARTER_OF_AN_HOUR)]
    limits = [
        Limit("sign-in", f"{email} {address}", 10, QUARTER_OF_AN_HOUR),
        Limit("sign-in-account", email, 100, QUARTER_OF_AN_HOUR),
    ]
    if not is_internal(address):
        limits.append(Limit("sign-in-address", address, 100, QUARTER_OF_AN_HOUR))
    return limits


class Accounts:
    """Everything about accounts. `secret` signs the cookies: a new one signs everybody out."""

    def __init__(self, secret: str, registrations_per_hour: int) -> None:
        self._key = hmac.new(secret.encode(), b"session cookies", hashlib.sha256).digest()
        self._device_key = hmac.new(secret.encode(), b"device cookies", hashlib.sha256).digest()
        self._registrations = registrations_per_hour
        self._passwords = Passwords()
        self.limiter = RateLimiter(secret)

    async def register(self, session: AsyncSession, email: str, password: str, address: str) -> tuple[Account, str]:
        """Return a new account and its first cookie.

        Raises HTTPException 409 where there is one, 429 after too many.
        """
        await self.limiter.count(session, [Limit("register", address, self._registrations, 3600)])
        # Before the address is looked up: a known one is refused no sooner than a new one is taken.
        hashed = await self._passwords.hash(password)
        adding = insert(User).values(id=uuid.uuid4(), email=email, password_hash=hashed)
        made = await session.scalar(adding.on_conflict_do_nothing(index_elements=[User.email]).returning(User.id))
        if made is None:
            raise Refusal(409, TAKEN, {"email": TAKEN})
        cookie = await self._open(session, made)
        await session.commit()
        return Account(made, email), cookie

    async def sign_in(
        self, session: AsyncSession, email: str, password: str, address: str, device: str = ""
    ) -> tuple[Account, str]:
        """Return the account and a new cookie; `device`: the browser's DEVICE_COOKIE.

        Raises HTTPException 401 or 429.
        """
        limits = sign_in_limits(email, address, self._device(device, email))
        await self.limiter.count(session, limits)
        known = (await session.execute(select(User).where(User.email == email))).scalar_one_or_none()
        await session.commit()  # no connection is held while the password is checked
        if not await self._passwords.verify(known.password_hash if known else None, password) or known is None:
            raise HTTPException(401, REFUSED)
        if self._passwords.is_outdated(known.password_hash):
            renewed = await self._passwords.hash(password)
            await session.execute(update(User).where(User.id == known.id).values(password_hash=renewed))
        await self.limiter.give_back(session, limits)
        await self.limiter.forget_old(session)
        await session.execute(delete(Session).where(Session.user_id == known.id, Session.expires < func.now()))
        cookie = await self._open(session, known.id)
        await session.commit()
        return Account(known.id, known.email), cookie

    async def sign_out(self, session: AsyncSession, cookie: str) -> None:
        """End the session of that cookie, if there is one: a copy of the cookie is of no use then."""
        token = self._token(cookie)
        if token:
            await session.execute(delete(Session).where(Session.id == _hashed(token)))
            await session.commit()

    async def who(self, session: AsyncSession, cookie: str) -> Account:
        """Return whose cookie it is. Raises HTTPException 401 where it is nobody's, or no longer."""
        token = self._token(cookie)
        if token:
            asking = select(User.id, User.email).join(Session, Session.user_id == User.id)
            asking = asking.where(Session.id == _hashed(token), Session.expires > func.now())
            found = (await session.execute(asking)).one_or_none()
            if found is not None:
                return Account(found.id, found.email)
        raise HTTPException(401, "You are not signed in, or no longer." if cookie else "You are not signed in.")

    def device_cookie(self, email: str) -> str:
        """Return what tells later that this browser has signed in to the account: it opens nothing by itself."""
        token = secrets.token_hex(16)
        return f"{token}.{self._device_signature(token, email)}"

    def _device_signature(self, token: str, email: str) -> str:
        return hmac.new(self._device_key, f"{token} {email}".encode(), hashlib.sha256).hexdigest()

    def _device(self, cookie: str, email: str) -> str | None:
        """Return the device's token, if we signed it for this account."""
        token, _, signature = cookie.partition(".")
        good = hmac.compare_digest(self._device_signature(token, email).encode(), signature.encode(errors="replace"))
        return token if good else None

    async def _open(self, session: AsyncSession, user: uuid.UUID) -> str:
        token = secrets.token_hex(32)
        lasting = func.now() + timedelta(seconds=SESSION_SECONDS)
        await session.execute(insert(Session).values(id=_hashed(token), user_id=user, expires=lasting))
        return f"{token}.{self._signature(token)}"

    def _signature(self, token: str) -> str:
        return hmac.new(self._key, token.encode(), hashlib.sha256).hexdigest()

    def _token(self, cookie: str) -> str | None:
        """Return the cookie's token, if we signed it: a forged one costs no question to the database."""
        token, _, signature = cookie.partition(".")
        good = hmac.compare_digest(self._signature(token).encode(), signature.encode(errors="replace"))
        return token if good else None


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
