"""The todos of the one who asks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend import database, todos
from todo_backend.accounts import Account
from todo_backend.api.common import account
from todo_backend.inputs import Day, Due, Move, NewTodo, Search, Status, TodoChanges, todo_id

router = APIRouter(prefix="/todos")


def wanted(
    status: Status = "all",
    q: Search = "",
    due: Due = "any",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    today: Annotated[Day, Query()] = None,
) -> todos.Wanted:
    """Return what the address asks for. `today` is the visitor's day where it is not the server's (UTC)."""
    return todos.Wanted(today or server_day(), status, due, q, limit, offset)


def server_day() -> date:
    """Today, in UTC."""
    return datetime.now(UTC).date()


@router.get("")
async def listed(
    chosen: todos.Wanted = Depends(wanted),
    who: Account = Depends(account),
    session: AsyncSession = Depends(database.session),
) -> Response:
    """Return one page of them, in order."""
    items, total = await todos.listed(session, who.id, chosen)
    return JSONResponse({"items": [todos.as_json(item) for item in items], "total": total})


@router.post("")
async def add(
    new: NewTodo, who: Account = Depends(account), session: AsyncSession = Depends(database.session)
) -> Response:
    """Add one at the end."""
    (made,) = await todos.add(session, who.id, [new])
    return JSONResponse(todos.as_json(made), 201)


@router.patch("/{identity}")
async def change(
    identity: str,
    changes: TodoChanges,
    who: Account = Depends(account),
    session: AsyncSession = Depends(database.session),
) -> Response:
    """Change what is given."""
    values = changes.model_dump(exclude_unset=True)
    return JSONResponse(todos.as_json(await todos.change(session, who.id, todo_id(identity), values)))


@router.delete("/{identity}")
async def remove(
    identity: str, who: Account = Depends(account), session: AsyncSession = Depends(database.session)
) -> Response:
    """Delete it."""
    await todos.remove(session, who.id, todo_id(identity))
    return Response(status_code=204)


@router.post("/{identity}/move")
async def move(
    identity: str, place: Move, who: Account = Depends(account), session: AsyncSession = Depends(database.session)
) -> Response:
    """Put it behind another of them, or first."""
    return JSONResponse(todos.as_json(await todos.move(session, who.id, todo_id(identity), place.after)))
