"""What a visitor is told when something is not done: one sentence, and a message for each field. Never more."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from foundation.logs import get_logger
from todo_backend import database

INVALID = "Some of what was sent can't be used."
UNREADABLE = "The body can't be read as JSON."
MESSAGES: Mapping[str, str] = {
    "missing": "This is needed.",
    "extra_forbidden": "There is no such field.",
    "string_type": "This has to be text.",
    "string_unicode": "This holds characters that can't be kept.",
    "string_too_long": "This is too long.",
    "bool_type": "This has to be true or false.",
    "int_parsing": "This has to be a whole number.",
    "int_parsing_size": "This number is too large.",
    "greater_than_equal": "This number is too small.",
    "less_than_equal": "This number is too large.",
    "literal_error": "This is none of the possible values.",
    "model_attributes_type": "The body has to be a JSON object.",
    "dict_type": "The body has to be a JSON object.",
}


class Refusal(HTTPException):
    """Not done, for a reason that belongs to a field."""

    def __init__(self, status: int, detail: str, fields: Mapping[str, str]) -> None:
        super().__init__(status, detail)
        self.fields = dict(fields)


def answer(
    status: int, detail: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error as every address gives it."""
    return JSONResponse({"detail": detail, "fields": dict(fields or {})}, status, dict(headers or {}))


def _message(kind: str, text: str) -> str:
    return text.removeprefix("Value error, ") if kind == "value_error" else MESSAGES.get(kind, "This can't be used.")


async def on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    """Return what FastAPI could not read, field by field. Nothing of what was sent is sent back."""
    assert isinstance(error, RequestValidationError)
    fields: dict[str, str] = {}
    for detail in error.errors():
        kind, place = str(detail["type"]), [str(part) for part in detail["loc"][1:]]
        if kind == "json_invalid":
            return answer(422, UNREADABLE)
        if not place:
            return answer(422, "The body has to be a JSON object." if kind != "missing" else "A body is needed.")
        # What a visitor names is cut: a field that there is not has a name of any length.
        fields.setdefault(place[0][:64], _message(kind, str(detail["msg"])))
    return answer(422, INVALID, fields)


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """401, 403, 404, 405, 409, 413, 429 and their like."""
    assert isinstance(error, AnyHTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 404 and error.detail == "Not Found":
        return answer(404, "There is nothing at this address.", headers=headers)
    if error.status_code == 405:
        return answer(405, f"This address does not take {request.method[:16]}.", headers=headers)
    if error.status_code == 400:  # FastAPI's own, for a body that is no text, or nested too deeply
        return answer(422, UNREADABLE, headers=headers)
    return answer(error.status_code, str(error.detail), error.fields if isinstance(error, Refusal) else None, headers)


async def on_database_error(request: Request, error: Exception) -> JSONResponse:
    """Answer where the database went away in the middle of a request, or a mistake of ours looks like it."""
    if isinstance(error, database.MISTAKES) and not database.is_unmigrated(error):
        return await on_error(request, error)
    get_logger().error("database_error", path=request.url.path, reason=database.reason(error))
    return answer(503, "The database does not answer at this moment. Try again soon.", headers={"Retry-After": "5"})


async def on_error(request: Request, error: Exception) -> JSONResponse:
    """Return a mistake of ours: the log has the details, the visitor a number to find them by."""
    identity = getattr(request.state, "request_id", "")
    get_logger().error("unhandled_error", path=request.url.path, request=identity, exc_info=error)
    return answer(500, f"Something went wrong here. In the logs it has the number {identity}.")


def register(app: FastAPI) -> None:
    """Let the application answer so."""
    app.add_exception_handler(AnyHTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    for kind in database.UNREACHABLE:
        app.add_exception_handler(kind, on_database_error)
    app.add_exception_handler(500, on_error)
