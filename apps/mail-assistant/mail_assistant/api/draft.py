"""What needs the language model: a draft of the event's announcement, from what is saved about the event."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Depends, Request, Response

from foundation.logs import get_logger
from mail_assistant.api.config import submitted
from mail_assistant.pages import TEMPLATES, PageState, page_state
from mail_assistant.services.config_service import ConfigService
from mail_assistant.services.health_service import HealthService
from mail_assistant.services.llm_service import ModelAway

router = APIRouter()
AWAY = "The language model gave no answer. See Health, then try again."
BUSY = "A draft is being written already. Try again in a minute."
NO_MODEL = "Choose a model on the page Config first."
INSTRUCTION = "Write a short, friendly announcement of this event. Invent nothing that is not said here."
_turn = asyncio.Semaphore(1)


def why_disabled(state: PageState, saved: Mapping[str, str | None]) -> str:
    """Return why no draft can be written at this moment, in a sentence; empty where one can."""
    if state.health is None:
        return "Asking whether the language model is there …"
    return state.health.without_model or ("" if saved.get("llm_model") else NO_MODEL)


def prompt(saved: Mapping[str, str | None]) -> str:
    """Return what the model is asked."""
    facts = {
        "Name": saved.get("event_name"),
        "Date": saved.get("event_date"),
        "Location": saved.get("event_location"),
        "Offerings": (saved.get("event_offerings") or "").replace(",", ", ") or None,
    }
    lines = [f"{name}: {value}" for name, value in facts.items() if value]
    return "\n".join([INSTRUCTION, *lines])


@router.get("/draft")
async def action(request: Request, state: PageState = Depends(page_state)) -> Response:
    """Return the button, as it is at this moment: for htmx."""
    async with request.app.state.sessions() as session:
        saved = await ConfigService().get_all(session)
    return TEMPLATES.TemplateResponse(request, "draft_action.html", {"disabled": why_disabled(state, saved)})


@router.post("/draft")
async def write(request: Request) -> Response:
    """Return a draft, or a sentence why there is none."""
    await submitted(request)
    health: HealthService = request.app.state.health
    async with request.app.state.sessions() as session:
        saved = await ConfigService().get_all(session)
    context: dict[str, str]
    if not saved["llm_model"]:
        context = {"error": NO_MODEL}
    elif _turn.locked():
        context = {"error": BUSY}
    else:
        async with _turn:
            try:
                context = {"draft": await (await health.adapter()).generate(prompt(saved))}
            except ModelAway as error:
                get_logger().warning("draft_failed", reason=str(error))
                context = {"error": AWAY}
    return TEMPLATES.TemplateResponse(request, "draft_result.html", context)
