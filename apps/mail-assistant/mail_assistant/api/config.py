"""The page Config: show the settings, save them, and try a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData, UploadFile

from foundation.database import UNREACHABLE, reason, session
from foundation.logs import get_logger
from mail_assistant.pages import TEMPLATES, PageState, page_state, render, wants_json
from mail_assistant.security import FIELD, HEADER, FormToken
from mail_assistant.services.config_service import ConfigService
from mail_assistant.services.health_service import NAMES, HealthService
from mail_assistant.services.known_settings import BY_KEY, KNOWN, WrongValues, check_all

router = APIRouter()
NOTICE = "mail_assistant_notice"
NOTICES = {"saved": "Saved.", "same": "Nothing was changed: these values were saved already."}
JSON_TYPE = "application/json"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
MOST_FIELDS = 50  # of one form


async def submitted(request: Request) -> dict[str, str]:
    """Return the fields of a form whose token is right.

    Raises 403, 415, 422, or WrongValues for a field that is no text.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in FORM_TYPES:
        raise HTTPException(415, "Send it as a form: application/x-www-form-urlencoded.")
    try:
        form: FormData = await request.form(max_files=MOST_FIELDS, max_fields=MOST_FIELDS)
    except UnicodeError:
        raise HTTPException(422, "What was sent can't be read as a form.") from None
    FormToken(request).require(request.headers.get(HEADER) or form.get(FIELD))
    errors: dict[str, str] = {}
    values: dict[str, str] = {}
    for key in form:
        if key == FIELD:
            continue
        entries = form.getlist(key)
        label = BY_KEY[key].label if key in BY_KEY else key[:80]
        if any(isinstance(entry, UploadFile) for entry in entries):
            errors[key] = f"{label} must be a text, not a file."
        elif len(entries) > 1:
            errors[key] = f"{label} was given {len(entries)} times; give it once."
        else:
            values[key] = str(entries[0])
    if errors:
        raise WrongValues(errors)
    return values


def is_program(request: Request) -> bool:
    """Return whether a program sends JSON.

    A page of another site can't: for that type a browser asks us first, by CORS.
    """
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON_TYPE


async def sent_by_program(request: Request) -> dict[str, str]:
    """Return the settings in a JSON object; null clears one. Raises 403, 422, or WrongValues for what is no text."""
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise HTTPException(403, "This was sent by a page of another site.")
    try:
        found: Any = await request.json()
    except (ValueError, RecursionError):
        raise HTTPException(422, "What was sent is no JSON.") from None
    if not isinstance(found, dict):
        raise HTTPException(422, "Send one JSON object: a value, or null, for each setting.")
    entries = cast(dict[str, Any], found)
    wrong = {
        key: f"{BY_KEY[key].label if key in BY_KEY else key[:80]} must be a text, or null to clear it."
        for key, value in entries.items()
        if not (value is None or isinstance(value, str))
    }
    if wrong:
        raise WrongValues(wrong)
    return {key: value or "" for key, value in entries.items()}


async def _save_for_program(request: Request, opened: AsyncSession) -> Response:
    """Save what a program sent, all or nothing; the whole of the settings as they are then."""
    log = get_logger()
    try:
        changed = await ConfigService().save(opened, await sent_by_program(request))
    except WrongValues as error:
        log.info("config_refused", fields=sorted(name[:80] for name in error.errors))
        return JSONResponse({"detail": "Nothing was saved.", "errors": error.errors}, 422)
    log.info("config_saved", changed=changed)
    request.app.state.health.forget()
    return JSONResponse(await ConfigService().get_all(opened))


def _page(
    request: Request,
    state: PageState,
    values: Mapping[str, str | None],
    *,
    errors: Mapping[str, str] | None = None,
    notice: str | None = None,
    status: int = 200,
) -> Response:
    """Return the page, with a message beside each field that is wrong, and others above the form."""
    found = dict(errors or {})
    context: dict[str, Any] = {
        "active": "config",
        "known": KNOWN,
        "values": values,
        "errors": found,
        "other_errors": [text for key, text in found.items() if key not in BY_KEY],
        "notice": notice,
        "default_endpoint": request.app.state.settings.ollama_base_url,
    }
    return render(request, state, "config.html", context, status)


@router.get("/config")
async def show(
    request: Request, state: PageState = Depends(page_state), opened: AsyncSession = Depends(session)
) -> Response:
    """Return the settings as they are saved; for a program as JSON, with null where there is none."""
    values = await ConfigService().get_all(opened)
    if wants_json(request):
        return JSONResponse(values)
    notice = NOTICES.get(request.cookies.get(NOTICE, ""))
    response = _page(request, state, values, notice=notice)
    if notice:
        response.delete_cookie(NOTICE)
    return response


@router.post("/config")
async def save(
    request: Request, state: PageState = Depends(page_state), opened: AsyncSession = Depends(session)
) -> Response:
    """Save all fields that were sent, or none of them: as a form from the page, or as JSON from a program."""
    if is_program(request):
        return await _save_for_program(request, opened)
    log = get_logger()
    values: dict[str, str] = {}
    try:
        values = await submitted(request)
        changed = await ConfigService().save(opened, values)
    except WrongValues as error:
        log.info("config_refused", fields=sorted(name[:80] for name in error.errors))
        shown = values or {key: str(entry) for key, entry in (await request.form()).items() if isinstance(entry, str)}
        return _page(request, state, shown, errors=error.errors, status=422)
    except UNREACHABLE as error:
        log.error("config_not_saved", reason=reason(error))
        problem = {"": "The database does not answer: nothing was saved. Your values are below; try again soon."}
        return _page(request, state, values, errors=problem, status=503)
    log.info("config_saved", changed=changed)
    request.app.state.health.forget()
    response = RedirectResponse("/config", 303)
    response.set_cookie(NOTICE, "saved" if changed else "same", max_age=30, httponly=True, samesite="strict")
    return response


@router.post("/config/test/{service}")
async def test_connection(request: Request, service: str) -> Response:
    """Try a connection, with the values that the form shows, saved or not. Answers within 5 seconds."""
    if service not in NAMES:
        raise HTTPException(404, f"There is no service “{service[:80]}”. The services are {', '.join(NAMES)}.")
    for_page = bool(request.headers.get("HX-Request"))
    try:
        values = await submitted(request)
        mine = {key: value for key, value in values.items() if key in BY_KEY and BY_KEY[key].service == service}
        unsaved = check_all(mine)
    except WrongValues as error:
        message = " ".join(error.errors.values())
        if for_page:
            return TEMPLATES.TemplateResponse(request, "result_fragment.html", {"error": message}, status_code=422)
        return JSONResponse({"service": service, "detail": message}, 422)
    log = get_logger()
    log.info("connection_test_started", service=service)
    health: HealthService = request.app.state.health
    result = await health.check(service, unsaved)
    log.info("connection_test_result", service=service, status=result.status.value, detail=result.for_log)
    if for_page:
        return TEMPLATES.TemplateResponse(request, "result_fragment.html", {"result": result})
    return JSONResponse({"service": service, "status": result.status.value, "detail": result.detail})
