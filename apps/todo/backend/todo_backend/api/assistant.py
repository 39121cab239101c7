"""Todos out of a sentence."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend import database, todos
from todo_backend.accounts import Account, Accounts
from todo_backend.api.common import account, accounts
from todo_backend.api.todos import server_day
from todo_backend.assistant import Assistant
from todo_backend.inputs import Sentence
from todo_backend.rate_limit import Limit

router = APIRouter(prefix="/assistant")
SENTENCES_PER_HOUR = 60
"""Of one account: each may cost the operator money."""


@router.post("/todos")
async def todos_of(
    request: Request,
    given: Sentence,
    who: Account = Depends(account),
    known: Accounts = Depends(accounts),
    session: AsyncSession = Depends(database.session),
) -> Response:
    """Add the todos that the sentence names: all, or none."""
    assistant: Assistant = request.app.state.assistant
    assistant.require()
    # It commits: while the model thinks, no connection to the database is held.
    await known.limiter.count(session, [Limit("assistant", str(who.id), SENTENCES_PER_HOUR, 3600)])
    new = await assistant.todos_of(given.text, given.today or server_day())
    made = await todos.add(session, who.id, new)
    return JSONResponse({"items": [todos.as_json(todo) for todo in made]}, 201)
