"""Signing in and out, where there is a password."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from foundation.logs import get_logger
from mail_assistant.access import COOKIE, SIGNED_IN_SECONDS, Access, place
from mail_assistant.api.config import submitted
from mail_assistant.pages import PageState, page_state, render

router = APIRouter()
WRONG = "That is not the password."


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


@router.get("/sign-in")
async def show(request: Request, access: Access = Depends(_access)) -> Response:
    """Return the page that asks for the password; who has given it goes on."""
    following = place(request.query_params.get("next", "/"))
    if access.is_signed_in(request.cookies):
        return RedirectResponse(following, 303)
    return render(request, PageState(None), "sign_in.html", {"next": following})


@router.post("/sign-in")
async def sign_in(request: Request, access: Access = Depends(_access)) -> Response:
    """Go on with a cookie, or ask again."""
    values = await submitted(request)
    following = place(values.get("next", "/"))
    address = request.client.host if request.client else ""
    if not await access.is_right(values.get("password", "")):
        get_logger().warning("sign_in_refused", address=address)
        return render(request, PageState(None), "sign_in.html", {"next": following, "error": WRONG}, 403)
    get_logger().info("sign_in", address=address)
    response = RedirectResponse(following, 303)
    if not access.is_open:
        response.set_cookie(
            COOKIE,
            access.cookie(),
            max_age=SIGNED_IN_SECONDS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
    return response


@router.post("/sign-out")
async def sign_out(request: Request, _state: PageState = Depends(page_state)) -> Response:
    """Forget the visitor's cookie."""
    await submitted(request)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE)
    return response
