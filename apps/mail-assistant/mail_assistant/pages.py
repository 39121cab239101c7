"""Pages: the templates, what every one of them needs, and the pages for errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.templating import Jinja2Templates
from jinja2 import TemplateError
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError
from starlette.exceptions import HTTPException

from foundation.database import reason
from foundation.logs import get_logger
from mail_assistant.about import PACKAGE, version
from mail_assistant.security import COOKIE, FIELD, FormToken
from mail_assistant.services.health_service import NAMES, Health

TEMPLATES = Jinja2Templates(PACKAGE / "templates")
TEMPLATES.env.trim_blocks = TEMPLATES.env.lstrip_blocks = True
TEMPLATES.env.globals.update(version=version(), csrf_field=FIELD, service_names=NAMES)


@dataclass(frozen=True)
class PageState:
    """What every page shows, whatever it is about."""

    health: Health | None
    """None where nothing is known yet."""

    @property
    def degraded(self) -> bool:
        return self.health is not None and self.health.degraded

    @property
    def problems(self) -> list[str]:
        return self.health.problems if self.health else []


async def page_state(request: Request) -> PageState:
    """Return the state of every page, as a dependency."""
    return PageState(await request.app.state.health.soon())


def render(
    request: Request, state: PageState, template: str, context: Mapping[str, Any] | None = None, status: int = 200
) -> Response:
    """Return a page, with the banner where something is away, and the token that its forms need."""
    token = FormToken(request)
    everything = {
        "degraded": state.degraded,
        "problems": state.problems,
        "health": state.health,
        "csrf_token": token.value,
        **(context or {}),
    }
    response = TEMPLATES.TemplateResponse(request, template, everything, status_code=status)
    if token.is_new:
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token.nonce, httponly=True, samesite="strict", secure=secure)
    return response


def wants_json(request: Request) -> bool:
    """Return whether a program asks rather than a browser."""
    accept = request.headers.get("accept", "")
    return "text/html" not in accept and ("application/json" in accept or request.url.path.startswith("/health"))


async def error_page(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a page (or JSON, or a line for htmx) that says what is wrong. Never more than `message`."""
    if wants_json(request):
        response: Response = JSONResponse({"detail": message}, status)
    elif request.headers.get("HX-Request"):
        response = TEMPLATES.TemplateResponse(request, "result_fragment.html", {"error": message}, status_code=status)
    else:
        template = {404: "404.html", 500: "500.html"}.get(status, "error.html")
        context = {"status": status, "title": HTTPStatus(status).phrase, "message": message}
        # After a mistake of ours nothing is asked any more: asking may be what went wrong.
        state = await page_state(request) if status != 500 else PageState(request.app.state.health.latest)
        response = render(request, state, template, context, status)
    response.headers.update(headers or {})
    return response


async def on_http_error(request: Request, error: Exception) -> Response:
    """404, 405, 403, 413 and their like."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND and error.detail == HTTPStatus.NOT_FOUND.phrase:
        message = "There is nothing at this address."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"This address does not take {request.method}."
    else:
        message = str(error.detail)
    return await error_page(request, error.status_code, message, error.headers)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """Return what FastAPI itself could not read."""
    assert isinstance(error, RequestValidationError)
    return await error_page(request, 422, "What was sent can't be read as this form.")


async def on_database_error(request: Request, error: Exception) -> Response:
    """Answer where the database went away in the middle of a request, or a mistake of ours looks like it."""
    if isinstance(error, ProgrammingError | IntegrityError | DataError | TemplateError):
        return await on_error(request, error)
    get_logger().error("database_error", path=request.url.path, reason=reason(error), exc_info=error)
    message = "The database does not answer, so this can't be shown or saved. Nothing was changed. Try again soon."
    return await error_page(request, 503, message, {"Retry-After": "5"})


async def on_error(request: Request, error: Exception) -> Response:
    """Return a mistake of ours: the log has the details, the visitor a number to find them by."""
    identity = getattr(request.state, "request_id", "")
    get_logger().error("unhandled_error", path=request.url.path, request=identity, exc_info=error)
    return await error_page(request, 500, f"Something went wrong here. In the logs it has the number {identity}.")
