"""The first page."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, Depends, Request, Response

from foundation.database import UNREACHABLE
from mail_assistant.api.draft import why_disabled
from mail_assistant.pages import PageState, page_state, render
from mail_assistant.services.config_service import ConfigService

router = APIRouter()


def days_left(text: str | None, today: date) -> str | None:
    """Return how far away a day is, in words; None without a day."""
    if not text:
        return None
    days = (date.fromisoformat(text) - today).days
    if days == 0:
        return "today"
    count = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    return f"in {count}" if days > 0 else f"{count} ago"


@router.get("/")
async def dashboard(request: Request, state: PageState = Depends(page_state)) -> Response:
    """Return what the assistant prepares for, and how it is. Without its database it still shows the latter."""
    saved: dict[str, str | None] = {}
    try:
        async with request.app.state.sessions() as session:
            saved = await ConfigService().get_all(session)
    except UNREACHABLE:
        pass  # the banner and the rows say it
    event = {
        "name": saved.get("event_name"),
        "date": saved.get("event_date"),
        "left": days_left(saved.get("event_date"), date.today()),
        "location": saved.get("event_location"),
        "offerings": (saved.get("event_offerings") or "").split(",") if saved.get("event_offerings") else [],
    }
    context = {"active": "dashboard", "event": event, "disabled": why_disabled(state, saved)}
    return render(request, state, "dashboard.html", context)
