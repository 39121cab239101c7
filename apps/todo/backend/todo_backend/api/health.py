"""How the application is, for probes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from todo_backend.about import version
from todo_backend.health import OK

router = APIRouter(prefix="/health")


@router.get("")
async def ready(request: Request) -> JSONResponse:
    """Answer for readiness: 503 while the database is away. Such a pod gets no visitors, and needs no restart."""
    database = await request.app.state.health.database()
    body = {
        "status": "ok" if database == OK else "degraded",
        "checks": {"database": database},
        "version": version(),
        "environment": request.app.state.settings.environment,
    }
    return JSONResponse(body, 200 if database == OK else 503)


@router.get("/live")
async def live() -> JSONResponse:
    """Answer for liveness, without asking the database: a restart of ours would not bring it back."""
    return JSONResponse({"status": "ok"})
