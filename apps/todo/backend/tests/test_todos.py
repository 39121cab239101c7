"""Todos: adding, changing, listing, ordering, deleting; and that nobody sees another's."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import date, timedelta
from typing import Any

import pytest

from tests.conftest import Visitor
from todo_backend import todos
from todo_backend.todos import STEP, placed

TODAY = date(2026, 12, 28)


def day(offset: int) -> str:
    return (TODAY + timedelta(days=offset)).isoformat()


async def test_a_todo_is_added_and_listed_with_everything_it_has(ada: Visitor) -> None:
    made = await ada.add("  Water the plants ", notes="All of them\r\nand the tree", due="2026-12-24")
    assert made.keys() == {"id", "title", "notes", "due", "done", "position", "created", "updated"}
    assert (made["title"], made["notes"]) == ("Water the plants", "All of them\nand the tree")
    assert (made["due"], made["done"]) == ("2026-12-24", False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["created"])
    listed = (await ada.get("/todos")).json()
    assert listed == {"items": [made], "total": 1}


async def test_what_is_left_out_is_nothing(ada: Visitor) -> None:
    made = await ada.add("Only a title", notes=None, due=None)
    assert (made["notes"], made["due"]) == ("", None)


async def test_a_change_touches_what_it_names_and_nothing_else(ada: Visitor) -> None:
    made = await ada.add("Before", notes="Kept", due="2026-12-24")
    changed = (await ada.patch(f"/todos/{made['id']}", json={"title": "After", "done": True})).json()
    assert changed == {**made, "title": "After", "done": True, "updated": changed["updated"]}
    assert changed["updated"] > made["updated"]
    without_day = (await ada.patch(f"/todos/{made['id']}", json={"due": None})).json()
    assert (without_day["due"], without_day["notes"], without_day["done"]) == (None, "Kept", True)
    assert (await ada.patch(f"/todos/{made['id']}", json={})).json() == without_day


async def test_a_deleted_todo_is_gone_and_deleting_it_again_says_so(ada: Visitor) -> None:
    made = await ada.add("Short-lived")
    assert (await ada.delete(f"/todos/{made['id']}")).status_code == 204
    assert await ada.titles() == []
    again = await ada.delete(f"/todos/{made['id']}")
    assert (again.status_code, again.json()["detail"]) == (404, "There is no such todo.")


async def test_nobody_sees_changes_moves_or_deletes_anothers_todos(ada: Visitor, grace: Visitor) -> None:
    hers = await ada.add("Ada's own")
    mine = await grace.add("Grace's own")
    address = f"/todos/{hers['id']}"
    assert await grace.titles() == ["Grace's own"]
    answers = [
        await grace.patch(address, json={"title": "Taken"}),
        await grace.patch(address, json={}),
        await grace.delete(address),
        await grace.post(f"{address}/move", json={"after": None}),
        await grace.post(f"/todos/{mine['id']}/move", json={"after": hers["id"]}),
    ]
    never = await grace.patch(f"/todos/{uuid.uuid4()}", json={"title": "Taken"})
    # Another's todo looks exactly like one that never was.
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, never.text)}
    assert (await ada.get("/todos")).json()["items"] == [hers]


async def test_one_who_is_not_signed_in_gets_401_everywhere(application: Any) -> None:
    stranger = application.visitor()
    for method, path, body in (
        ("GET", "/auth/me", None),
        ("GET", "/todos", None),
        ("POST", "/todos", {"title": "x"}),
        ("PATCH", f"/todos/{uuid.uuid4()}", {"title": "x"}),
        ("DELETE", f"/todos/{uuid.uuid4()}", None),
        ("POST", f"/todos/{uuid.uuid4()}/move", {"after": None}),
        ("POST", "/assistant/todos", {"text": "x"}),
    ):
        answer = await stranger.request(method, path, json=body)
        assert answer.status_code == 401, (method, path, answer.text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["late", "late but done", "now", "in six days", "in seven days", "someday"]),
        ({"status": "open"}, ["late", "now", "in six days", "in seven days", "someday"]),
        ({"status": "done"}, ["late but done"]),
        ({"due": "overdue"}, ["late"]),
        ({"due": "today"}, ["now"]),
        ({"due": "week"}, ["now", "in six days"]),
        ({"due": "none"}, ["someday"]),
        ({"due": "today", "today": day(6)}, ["in six days"]),
        ({"due": "none", "status": "done"}, []),
        ({"q": "IN S"}, ["in six days", "in seven days"]),
        ({"q": "hidden"}, ["someday"]),
        ({"q": "100%"}, []),
        ({"q": "_"}, []),
        ({"limit": 2, "offset": 1}, ["late but done", "now"]),
        ({"offset": 100}, []),
    ],
)
async def test_the_list_is_filtered(
    ada: Visitor, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any], expected: list[str]
) -> None:
    monkeypatch.setattr("todo_backend.api.todos.server_day", lambda: TODAY)  # midnight may pass meanwhile
    for title, due in (("late", -1), ("late but done", -1), ("now", 0), ("in six days", 6), ("in seven days", 7)):
        made = await ada.add(title, due=day(due))
        if "done" in title:
            await ada.patch(f"/todos/{made['id']}", json={"done": True})
    await ada.add("someday", notes="a HIDDEN word")
    assert await ada.titles(**query) == expected
    total = (await ada.get("/todos", params=query)).json()["total"]
    assert total == (6 if {"limit", "offset"} & query.keys() else len(expected))


async def test_a_search_finds_the_characters_that_mean_something_to_a_database(ada: Visitor) -> None:
    for title in ("100% sure", "snake_case", "back\\slash", "it's; DROP TABLE todos --", "ÄÖÜ straße 日本 🎉"):
        await ada.add(title)
    for query, expected in (
        ("0%", "100% sure"),
        ("_case", "snake_case"),
        ("k\\s", "back\\slash"),
        ("'s; drop", "it's; DROP TABLE todos --"),
        ("äöü", "ÄÖÜ straße 日本 🎉"),
        ("本 🎉", "ÄÖÜ straße 日本 🎉"),
    ):
        assert await ada.titles(q=query) == [expected]


async def test_moving_puts_a_todo_behind_another_or_first(ada: Visitor) -> None:
    made = {title: (await ada.add(title))["id"] for title in "abcd"}

    async def move(title: str, after: str | None) -> str:
        place = {"after": made[after] if after else None}
        answer = await ada.post(f"/todos/{made[title]}/move", json=place)
        assert (answer.status_code, answer.json()["title"]) == (200, title)
        return "".join(await ada.titles())

    assert await move("d", None) == "dabc"
    assert await move("d", "b") == "abdc"
    assert await move("a", "c") == "bdca"
    assert await move("a", "c") == "bdca"
    assert await move("c", "c") == "bdca"
    assert await move("b", None) == "bdca"
    await ada.add("e")
    assert "".join(await ada.titles()) == "bdcae"


async def test_an_order_survives_more_moves_into_one_gap_than_it_has_numbers(ada: Visitor) -> None:
    for title in "abc":
        await ada.add(title)
    first = (await ada.get("/todos")).json()["items"][0]["id"]
    for _ in range(50):
        last = (await ada.get("/todos")).json()["items"][-1]["id"]
        assert (await ada.post(f"/todos/{last}/move", json={"after": first})).status_code == 200
    # Fifty times the last of three behind the first: b and c have changed places fifty times.
    assert await ada.titles() == ["a", "b", "c"]


async def test_moves_at_the_same_moment_lose_no_todo_and_leave_one_order(ada: Visitor) -> None:
    made = [(await ada.add(f"todo {number:02}"))["id"] for number in range(12)]

    async def move(number: int) -> int:
        after = made[(number * 7 + 3) % 12] if number % 5 else None
        return (await ada.post(f"/todos/{made[number % 12]}/move", json={"after": after})).status_code

    async def add(number: int) -> int:
        return (await ada.post("/todos", json={"title": f"added {number}"})).status_code

    answers = await asyncio.gather(*(move(number) for number in range(48)), *(add(number) for number in range(6)))
    assert answers == [200] * 48 + [201] * 6
    items = (await ada.get("/todos")).json()["items"]
    assert {item["id"] for item in items} >= set(made)
    assert len(items) == 18
    positions = [item["position"] for item in items]
    assert positions == sorted(set(positions))


async def test_every_move_of_many_at_once_is_done_as_if_one_came_after_the_other(ada: Visitor) -> None:
    made = {title: (await ada.add(title))["id"] for title in "abcdef"}
    # All of them behind `a`: whatever their order, each comes right behind it when its turn comes.
    moves = [ada.post(f"/todos/{made[title]}/move", json={"after": made["a"]}) for title in "fedcb"]
    assert {answer.status_code for answer in await asyncio.gather(*moves)} == {200}
    titles = await ada.titles()
    assert titles[0] == "a"
    assert sorted(titles) == list("abcdef")


async def test_a_todo_deleted_while_others_move_takes_nothing_with_it(ada: Visitor) -> None:
    made = [(await ada.add(f"todo {number}"))["id"] for number in range(8)]
    moves = [ada.post(f"/todos/{one}/move", json={"after": None}) for one in made[1:]]
    answers = await asyncio.gather(*moves, ada.delete(f"/todos/{made[0]}"))
    assert {answer.status_code for answer in answers} == {200, 204}
    assert len(await ada.titles()) == 7


async def test_there_is_an_end_to_how_many_todos_one_may_have(ada: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todos, "MOST", 3)
    answers = await asyncio.gather(*(ada.post("/todos", json={"title": "x"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5


A, B, C = (uuid.UUID(int=number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("positions", "index", "expected"),
    [
        ([], 0, {}),
        ([5, 9], 0, {C: 5 - STEP}),
        ([5, 9], 2, {C: 9 + STEP}),
        ([5, 9], 1, {C: 7}),
        ([5, 7], 1, {C: 6}),
        ([5, 6], 1, {A: STEP, C: 2 * STEP, B: 3 * STEP}),
        ([-4, -1], 1, {C: -3}),
    ],
)
def test_a_place_is_one_number_or_all_anew(positions: list[int], index: int, expected: dict[uuid.UUID, int]) -> None:
    others = [A, B][: len(positions)]
    assert placed(others, dict(zip(others, positions, strict=True)), C, index) == expected
