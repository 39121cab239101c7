"""The assistant: what it asks a language model, and what it makes of every kind of answer."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any

import pytest

from foundation_testing.postgres import free_port
from tests.conftest import Visitor, serving, settings
from tests.servers import API_KEY, LanguageModel, completion
from todo_backend.api import assistant as address
from todo_backend.assistant import MOST_TODOS, read
from todo_backend.config import Settings

SENTENCE = {"text": "buy milk tomorrow and call Mum", "today": "2026-12-23"}


async def ask(visitor: Visitor, expected: int, body: Any = None) -> dict[str, Any]:
    answer = await visitor.post("/assistant/todos", json=body or SENTENCE)
    assert answer.status_code == expected, answer.text
    return answer.json()


async def test_a_sentence_becomes_todos_at_the_end_of_the_list(ada: Visitor, model: LanguageModel) -> None:
    await ada.add("Here before")
    model.says({"title": "Buy milk", "due": "2026-12-24"}, {"title": "Call Mum", "notes": "About the holidays"})
    made = await ask(ada, 201)
    assert [(todo["title"], todo["notes"], todo["due"]) for todo in made["items"]] == [
        ("Buy milk", "", "2026-12-24"),
        ("Call Mum", "About the holidays", None),
    ]
    assert await ada.titles() == ["Here before", "Buy milk", "Call Mum"]


async def test_the_model_is_asked_as_openai_documents_it(ada: Visitor, model: LanguageModel) -> None:
    model.says({"title": "Buy milk"})
    await ask(ada, 201)
    ((path, headers, question),) = model.asked
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {API_KEY}"
    assert question["model"] == "gpt-4o-mini"
    assert question["response_format"] == {"type": "json_object"}
    system, user = question["messages"]
    assert (system["role"], user) == ("system", {"role": "user", "content": SENTENCE["text"]})
    assert "Wednesday, 2026-12-23" in system["content"]
    # Nothing but the sentence leaves the house: neither who asks, nor their other todos.
    assert "ada@example.test" not in json.dumps(question)


async def test_without_a_key_it_says_so_and_the_rest_works(chosen: Settings, ada: Visitor) -> None:
    async with serving(chosen.model_copy(update={"openai_api_key": None})) as application:
        visitor = application.visitor(cookie="; ".join(f"{k}={v}" for k, v in ada.client.cookies.items()))
        assert "OPENAI_API_KEY" in (await ask(visitor, 503))["detail"]
        assert (await visitor.add("By hand"))["title"] == "By hand"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[]",
        "{}",
        '{"choices": []}',
        '{"choices": [{"message": {"content": null}}]}',
        '{"choices": {"0": 1}}',
        "[" * 50_000,
        completion("I'm sorry, I can't help with that."),
        completion({"answer": 42}),
        completion({"todos": "milk"}),
        completion({"todos": [1, None, [], {"name": "no title"}, {"title": ""}, {"title": "nul\x00"}]}),
        completion("{" * 2000),
        "x" * 300_000,
    ],
)
async def test_an_answer_that_makes_no_sense_adds_nothing(ada: Visitor, model: LanguageModel, body: str) -> None:
    model.body = body
    assert "made no sense" in (await ask(ada, 503))["detail"]
    assert await ada.titles() == []


async def test_a_sentence_with_nothing_to_do_is_told_beside_its_field(ada: Visitor, model: LanguageModel) -> None:
    model.says()
    assert (await ask(ada, 422))["fields"].keys() == {"text"}


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "key"), (403, "key"), (404, "model"), (429, "busy"), (400, "does not work"), (500, "does not work")],
)
async def test_a_refusal_is_told_in_our_own_words(ada: Visitor, model: LanguageModel, status: int, words: str) -> None:
    model.status, model.body = status, json.dumps({"error": {"message": f"canary: wrong key {API_KEY}"}})
    detail = (await ask(ada, 503))["detail"]
    assert words in detail
    assert "canary" not in detail
    assert await ada.titles() == []


async def test_a_redirect_is_not_followed_with_the_key(ada: Visitor, model: LanguageModel) -> None:
    model.status = 307
    await ask(ada, 503)
    assert len(model.asked) == 1


async def test_a_model_that_takes_too_long_is_given_up(chosen: Settings, ada: Visitor, model: LanguageModel) -> None:
    model.may_answer.clear()
    async with serving(chosen.model_copy(update={"openai_timeout": 0.3})) as application:
        visitor = application.visitor(cookie="; ".join(f"{k}={v}" for k, v in ada.client.cookies.items()))
        assert "too long" in (await ask(visitor, 503))["detail"]
    model.may_answer.set()
    assert await ada.titles() == []


@pytest.mark.parametrize("base", ["http://127.0.0.1:{port}/v1", "http://no-such-host.invalid/v1"])
async def test_a_service_that_is_not_there_is_told_apart_from_one_that_refuses(
    chosen: Settings, ada: Visitor, base: str
) -> None:
    async with serving(chosen.model_copy(update={"openai_base_url": base.format(port=free_port())})) as application:
        visitor = application.visitor(cookie="; ".join(f"{k}={v}" for k, v in ada.client.cookies.items()))
        assert "can't be reached" in (await ask(visitor, 503))["detail"]


async def test_while_models_think_no_connection_to_the_database_is_held(ada: Visitor, model: LanguageModel) -> None:
    model.may_answer.clear()
    model.says({"title": "Late"})
    # More than the pool has.
    asking = [asyncio.create_task(ada.post("/assistant/todos", json=SENTENCE)) for _ in range(15)]
    while len(model.asked) < 15:
        await asyncio.sleep(0.02)
    assert ada.app.state.engine.pool.checkedout() == 0
    assert await ada.titles() == []
    model.may_answer.set()
    assert {answer.status_code for answer in await asyncio.gather(*asking)} == {201}


async def test_an_account_can_not_run_up_the_operators_bill(
    ada: Visitor, grace: Visitor, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "SENTENCES_PER_HOUR", 2)
    model.says({"title": "x"})
    for expected in (201, 201, 429):
        await ask(ada, expected)
    await ask(grace, 201)
    assert len(model.asked) == 3


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 2001, "nul\x00", None, 7, ["x"]])
async def test_a_sentence_that_is_none_is_not_sent_to_the_model(ada: Visitor, model: LanguageModel, text: Any) -> None:
    assert (await ask(ada, 422, {"text": text}))["fields"].keys() == {"text"}
    assert model.asked == []


def test_what_a_model_says_is_read_with_patience_and_kept_within_bounds() -> None:
    def titles(said: object) -> list[str] | None:
        found = read(said if isinstance(said, str) else json.dumps(said))
        return None if found is None else [todo.title for todo in found]

    assert titles('```json\n{"todos": [{"title": "Fenced"}]}\n```') == ["Fenced"]
    assert titles([{"title": "A bare list"}]) == ["A bare list"]
    assert titles({"todos": ["Only words"]}) == ["Only words"]
    assert titles({"todos": [{"title": "  Two\n lines  "}, {"title": ""}]}) == ["Two lines"]
    assert titles({"todos": [{"title": "x"}] * 1000}) == ["x"] * MOST_TODOS
    assert titles({"todos": [{"title": "x" * 1000}]}) == ["x" * 200]
    assert titles({"todos": []}) == []
    assert titles("") is None
    (todo,) = read(json.dumps({"todos": [{"title": "x", "due": "soon", "notes": 7, "id": 1, "done": True}]})) or []
    assert (todo.due, todo.notes) == (None, "")
    (todo,) = read(json.dumps([{"title": "x", "due": "2026-12-24", "notes": "y" * 9000}])) or []
    assert (todo.due, len(todo.notes)) == (date(2026, 12, 24), 5000)


def test_the_address_of_the_api_may_end_with_a_slash(database: str) -> None:
    made = settings(database_url=database, openai_base_url="http://model.example:11434/v1/")
    assert made.openai_base_url == "http://model.example:11434/v1"
