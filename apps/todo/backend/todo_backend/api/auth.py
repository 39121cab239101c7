"""Registering, signing in and out, and who is signed in."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend import database
from todo_backend.accounts import COOKIE, DEVICE_COOKIE, DEVICE_SECONDS, SESSION_SECONDS, Account, Accounts
from todo_backend.api.common import account, accounts, address, settings
from todo_backend.inputs import Registration, SignIn
from todo_backend.security import is_https

router = APIRouter(prefix="/auth")


def _is_secure(request: Request) -> bool:
    chosen = settings(request).cookie_secure
    return chosen == "true" or (chosen == "auto" and is_https(request.headers, request.url.scheme))


def _welcome(request: Request, known: Accounts, who: Account, cookie: str, status: int) -> Response:
    response = JSONResponse({"id": str(who.id), "email": who.email}, status)
    secure = _is_secure(request)
    response.set_cookie(COOKIE, cookie, max_age=SESSION_SECONDS, httponly=True, samesite="lax", secure=secure)
    response.set_cookie(
        DEVICE_COOKIE,
        known.device_cookie(who.email),
        max_age=DEVICE_SECONDS,
        path=request.url.path.rpartition("/")[0],
        httponly=True,
        samesite="lax",
        secure=secure,
    )
    return response


@router.post("/register")
async def register(
    request: Request,
    given: Registration,
    known: Accounts = Depends(accounts),
    session: AsyncSession = Depends(database.session),
    where: str = Depends(address),
) -> Response:
    """Make an account, and sign in."""
    who, cookie = await known.register(session, given.email, given.password, where)
    return _welcome(request, known, who, cookie, 201)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    given: SignIn,
    known: Accounts = Depends(accounts),
    session: AsyncSession = Depends(database.session),
    where: str = Depends(address),
) -> Response:
    """Sign in."""
    device = request.cookies.get(DEVICE_COOKIE, "")
    who, cookie = await known.sign_in(session, given.email, given.password, where, device)
    return _welcome(request, known, who, cookie, 200)


@router.post("/sign-out")
async def sign_out(
    request: Request, known: Accounts = Depends(accounts), session: AsyncSession = Depends(database.session)
) -> Response:
    """Sign out; fine for one who is not signed in, too."""
    await known.sign_out(session, request.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=_is_secure(request))
    return response


@router.get("/me")
async def me(who: Account = Depends(account)) -> Response:
    """Return who is signed in."""
    return JSONResponse({"id": str(who.id), "email": who.email})
