"""How the application is: for probes and programs, for a part of a page, and as a page."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from mail_assistant.about import version
from mail_assistant.pages import PageState, page_state, render
from mail_assistant.services.health_service import Health, HealthService
from mail_assistant.services.status import Status

router = APIRouter()


def _service(request: Request) -> HealthService:
    service: HealthService = request.app.state.health
    return service


def as_json(health: Health) -> dict[str, Any]:
    """Return health as programs read it.

    `checks.db` and the others are `ok`, `unreachable`, `unconfigured` or, of the language model, `model_not_found`.
    """
    return {
        "status": health.status,
        "checks": {name: check.status.value for name, check in health.checks.items()},
        "details": {name: check.detail for name, check in health.checks.items()},
        "version": version(),
    }


@router.get("/health")
async def health(service: HealthService = Depends(_service)) -> JSONResponse:
    """Answer always 200: who only looks at the status learns that the process runs. `checks.db` says the rest."""
    return JSONResponse(as_json(await service.in_time()))


@router.get("/health/ready")
async def ready(service: HealthService = Depends(_service)) -> JSONResponse:
    """Answer probes: 200 while requests can be served, 503 while the database is away."""
    check = await service.ready()
    is_ready = check.status is Status.OK
    body = {"ready": is_ready, "db": check.status.value, "detail": check.detail}
    return JSONResponse(body, 200 if is_ready else 503)


@router.get("/health/fragment")
async def fragment(request: Request, service: HealthService = Depends(_service)) -> Response:
    """Return the rows alone, for htmx; and the banner, which htmx puts into its own place."""
    return render(request, PageState(await service.in_time()), "health_fragment.html", {"is_fragment": True})


@router.get("/status")
async def page(request: Request, state: PageState = Depends(page_state)) -> Response:
    """Return the same as a whole page."""
    return render(request, state, "health.html", {"active": "health"})
