"""A user's todos: listing, adding, changing, ordering and deleting them. Nobody's but the user's own are ever seen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fastapi import HTTPException
from sqlalchemy import ARRAY, BigInteger, Select, Uuid, bindparam, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from todo_backend.inputs import Due, NewTodo, Status
from todo_backend.models import Todo, User

STEP = 1 << 16
"""Between two neighbours at first: one may be put between them sixteen times before all are numbered anew."""
MOST = 5000
"""Todos of one user."""
_RENUMBER = text(
    "UPDATE todos SET position = new.position "
    "FROM unnest(:ids, :positions) AS new(id, position) WHERE todos.id = new.id"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("positions", type_=ARRAY(BigInteger)))
MISSING = "There is no such todo."


@dataclass(frozen=True)
class Wanted:
    """Which todos are listed. `today` is the visitor's day."""

    today: date
    status: Status = "all"
    due: Due = "any"
    search: str = ""
    limit: int = 100
    offset: int = 0


def as_json(todo: Todo) -> dict[str, Any]:
    """Return a todo as visitors read it."""
    return {
        "id": str(todo.id),
        "title": todo.title,
        "notes": todo.notes,
        "due": todo.due.isoformat() if todo.due else None,
        "done": todo.done,
        "position": todo.position,
        "created": _moment(todo.created),
        "updated": _moment(todo.updated),
    }


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _filtered(query: Select[Any], user: uuid.UUID, wanted: Wanted) -> Select[Any]:
    query = query.where(Todo.user_id == user)
    if wanted.status != "all":
        query = query.where(Todo.done.is_(wanted.status == "done"))
    if wanted.due == "overdue":
        query = query.where(Todo.due < wanted.today, Todo.done.is_(False))
    elif wanted.due == "today":
        query = query.where(Todo.due == wanted.today)
    elif wanted.due == "week":
        query = query.where(Todo.due >= wanted.today, Todo.due < wanted.today + timedelta(days=7))
    elif wanted.due == "none":
        query = query.where(Todo.due.is_(None))
    if wanted.search:
        within = (
            Todo.title.icontains(wanted.search, autoescape=True),
            Todo.notes.icontains(wanted.search, autoescape=True),
        )
        query = query.where(or_(*within))
    return query


async def listed(session: AsyncSession, user: uuid.UUID, wanted: Wanted) -> tuple[Sequence[Todo], int]:
    """Return one page of the todos that are wanted, in order; and how many there are on all pages."""
    page = _filtered(select(Todo), user, wanted).order_by(Todo.position).limit(wanted.limit).offset(wanted.offset)
    found = (await session.scalars(page)).all()
    if wanted.offset == 0 and len(found) < wanted.limit:
        return found, len(found)
    total = await session.scalar(_filtered(select(func.count(Todo.id)), user, wanted))
    return found, total or 0


async def add(session: AsyncSession, user: uuid.UUID, new: Sequence[NewTodo]) -> list[Todo]:
    """Add todos at the end: all, or none. Raises HTTPException 409 where there would be too many."""
    await _lock(session, user)
    last, count = (
        await session.execute(select(func.max(Todo.position), func.count(Todo.id)).where(Todo.user_id == user))
    ).one()
    if count + len(new) > MOST:
        raise HTTPException(409, f"There is room for {MOST} todos, and it is used up. Delete some first.")
    start = (last or 0) + STEP
    made = [
        Todo(user_id=user, title=one.title, notes=one.notes, due=one.due, done=False, position=start + number * STEP)
        for number, one in enumerate(new)
    ]
    session.add_all(made)
    await session.flush()
    for todo in made:
        await session.refresh(todo, ["created", "updated"])
    await session.commit()
    return made


async def change(session: AsyncSession, user: uuid.UUID, identity: uuid.UUID | None, values: Mapping[str, Any]) -> Todo:
    """Change what is given. Raises HTTPException 404 where it is not the user's."""
    asking = update(Todo).where(Todo.id == identity, Todo.user_id == user)
    asking = asking.values(**values, updated=func.clock_timestamp()) if values else asking.values(title=Todo.title)
    found = (await session.scalars(asking.returning(Todo))).one_or_none() if identity else None
    if found is None:
        raise HTTPException(404, MISSING)
    await session.commit()
    return found


async def remove(session: AsyncSession, user: uuid.UUID, identity: uuid.UUID | None) -> None:
    """Delete it. Raises HTTPException 404 where it is not the user's."""
    asking = delete(Todo).where(Todo.id == identity, Todo.user_id == user).returning(Todo.id)
    if identity is None or await session.scalar(asking) is None:
        raise HTTPException(404, MISSING)
    await session.commit()


async def move(session: AsyncSession, user: uuid.UUID, identity: uuid.UUID | None, after: uuid.UUID | None) -> Todo:
    """Put it behind another, or first. Raises HTTPException 404 where either is not the user's."""
    await _lock(session, user)
    # Under the lock the order stands still; only deleting doesn't take it, and leaves the order of the others.
    order = (
        await session.execute(select(Todo.id, Todo.position).where(Todo.user_id == user).order_by(Todo.position))
    ).all()
    places = {row.id: row.position for row in order}
    if identity is None or identity not in places or (after is not None and after not in places):
        raise HTTPException(404, MISSING)
    others = [row.id for row in order if row.id != identity]
    if after != identity:
        index = 0 if after is None else others.index(after) + 1
        moved = placed(others, places, identity, index)
        if moved:
            await session.execute(_RENUMBER, {"ids": list(moved), "positions": list(moved.values())})
    found = (await session.scalars(select(Todo).where(Todo.id == identity))).one_or_none()
    if found is None:
        raise HTTPException(404, MISSING)
    await session.commit()
    return found


def placed(
    others: Sequence[uuid.UUID], places: Mapping[uuid.UUID, int], identity: uuid.UUID, index: int
) -> dict[uuid.UUID, int]:
    """Return the positions to write so that `identity` comes at `index` among the others.

    That is its own alone, or all where none is free.
    """
    before = places[others[index - 1]] if index else None
    behind = places[others[index]] if index < len(others) else None
    if before is None and behind is None:
        return {}
    if before is None:
        assert behind is not None, "the case above"
        return {identity: behind - STEP}
    if behind is None:
        return {identity: before + STEP}
    if behind - before > 1:
        return {identity: (before + behind) // 2}
    order = [*others[:index], identity, *others[index:]]
    return {one: (number + 1) * STEP for number, one in enumerate(order)}


async def _lock(session: AsyncSession, user: uuid.UUID) -> None:
    """Until the end of the transaction nobody else changes the order of this user's todos."""
    await session.execute(select(User.id).where(User.id == user).with_for_update(key_share=True))
