"""Health: for programs, for probes and for pages."""

from __future__ import annotations

import asyncio
import time

import pytest

from foundation.database import create_sessions
from foundation_testing.postgres import free_port
from mail_assistant.config import Settings
from mail_assistant.services.llm_service import LLMAdapter
from mail_assistant.services.status import ServiceStatus, Status
from tests.conftest import Visitor, serving
from tests.servers import Answers


async def test_health_says_ok_with_the_state_of_each_service(visitor: Visitor) -> None:
    answer = await visitor.get("/health", headers={"accept": "*/*"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ok"
    assert body["checks"] == {"db": "ok", "llm": "ok", "mail": "unconfigured"}
    assert body["details"]["llm"] == "Ollama answers (2 models)"


async def test_health_is_json_for_a_browser_too(visitor: Visitor) -> None:
    assert (await visitor.get("/health")).headers["content-type"] == "application/json"


async def test_without_ollama_health_is_degraded_with_200_and_every_page_says_so(
    chosen: Settings, ollama: Answers
) -> None:
    ollama.status = 500
    async with serving(chosen) as visitor:
        answer = await visitor.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        for page in ("/", "/status", "/config", "/nothing-here"):
            assert "AI features unavailable — LLM unreachable" in (await visitor.get(page)).text
        assert (await visitor.get("/health/ready")).status_code == 200


async def test_where_no_language_model_is_set_up_nothing_is_degraded(chosen: Settings) -> None:
    async with serving(chosen.model_copy(update={"ollama_base_url": None})) as visitor:
        body = (await visitor.get("/health")).json()
        assert (body["status"], body["checks"]["llm"]) == ("ok", "unconfigured")
        assert 'class="banner"' not in (await visitor.get("/")).text


async def test_ready_is_200_while_the_database_answers(visitor: Visitor) -> None:
    answer = await visitor.get("/health/ready")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


async def test_the_fragment_is_rows_and_banner_without_a_page_around_them(visitor: Visitor) -> None:
    text = (await visitor.get("/health/fragment")).text
    assert "<html" not in text
    assert text.count('class="row"') == 3
    assert 'id="banner"' in text
    assert "hx-swap-oob" in text


async def test_the_dashboard_loads_the_fragment_and_leads_to_config(visitor: Visitor) -> None:
    text = (await visitor.get("/")).text
    assert 'hx-get="/health/fragment"' in text
    assert 'hx-target="#health-status"' in text
    assert "Go to Config →" in text


async def test_the_health_page_shows_each_service_with_a_badge(visitor: Visitor) -> None:
    text = (await visitor.get("/status")).text
    assert text.count('<span class="badge ok">ok</span>') == 2
    assert '<span class="badge unconfigured">unconfigured</span>' in text


class Slow(LLMAdapter):
    waiting = 0
    most_waiting = 0

    async def ping(self) -> ServiceStatus:
        Slow.waiting += 1
        Slow.most_waiting = max(Slow.waiting, Slow.most_waiting)
        try:
            await asyncio.sleep(60)
        finally:
            Slow.waiting -= 1
        return ServiceStatus.ok("late")

    async def generate(self, prompt: str) -> str:
        raise NotImplementedError


async def test_checks_run_side_by_side_and_none_takes_more_than_three_seconds(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = visitor.app.state.health

    async def slow_adapter(_unsaved: object = None) -> LLMAdapter:
        return Slow()

    async def slow_mail(*_: object) -> ServiceStatus:
        return await Slow().ping()

    monkeypatch.setattr(health, "adapter", slow_adapter)
    monkeypatch.setattr(health, "check_mail", slow_mail)
    started = time.monotonic()
    found = await health.now()
    # That none takes more is said below; a busy computer has its own time beside.
    assert 2.9 < time.monotonic() - started < 30
    assert Slow.most_waiting == 2
    assert [check.status for check in found.checks.values()] == [Status.OK, Status.UNREACHABLE, Status.UNREACHABLE]
    assert found.checks["llm"].detail == "Language model: no answer within 3 s"


async def test_health_is_told_within_two_seconds_whatever_a_service_does(visitor: Visitor, ollama: Answers) -> None:
    ollama.delay = 30
    for path in ("/health", "/health/ready", "/health/fragment"):
        visitor.app.state.health.forget()
        started = time.monotonic()
        answer = await visitor.get(path)
        # The time itself is told below; a busy computer has its own beside.
        assert time.monotonic() - started < 10
        assert answer.status_code == 200
    visitor.app.state.health.forget()
    body = (await visitor.get("/health")).json()
    assert (body["checks"]["db"], body["checks"]["llm"]) == ("ok", "unreachable")
    assert body["details"]["llm"] == "Language model: no answer within 2 s"


async def test_a_model_that_is_missing_is_told_by_health_and_by_every_page(visitor: Visitor) -> None:
    await visitor.post("/config", {"llm_model": "mistral"})
    body = (await visitor.get("/health")).json()
    assert (body["status"], body["checks"]["llm"]) == ("degraded", "model_not_found")
    assert "ollama pull mistral" in body["details"]["llm"]
    assert "the model is not installed" in (await visitor.get("/config")).text
    assert '<span class="badge model_not_found">' in (await visitor.get("/status")).text


async def test_a_page_does_not_wait_for_a_silent_service(chosen: Settings, ollama: Answers) -> None:
    ollama.delay = 30
    async with serving(chosen) as visitor:
        started = time.monotonic()
        assert (await visitor.get("/")).status_code == 200
        assert time.monotonic() - started < 10


async def test_many_who_ask_at_once_share_one_round_of_checks(visitor: Visitor, ollama: Answers) -> None:
    before = len(ollama.asked)
    answers = await asyncio.gather(*(visitor.get("/health") for _ in range(50)))
    assert {answer.json()["status"] for answer in answers} == {"ok"}
    assert len(ollama.asked) - before == 1


async def test_one_who_gives_up_does_not_spoil_the_answer_for_others(visitor: Visitor, ollama: Answers) -> None:
    ollama.delay = 0.5
    impatient = asyncio.create_task(visitor.app.state.health.now(0))
    patient = asyncio.create_task(visitor.app.state.health.now(0))
    await asyncio.sleep(0.1)
    impatient.cancel()
    assert (await patient).status == "ok"


async def test_an_unusable_database_leaves_no_check_unanswered(chosen: Settings) -> None:
    async with serving(chosen) as visitor:
        health = visitor.app.state.health
        await visitor.app.state.engine.dispose()
        visitor.app.state.engine.sync_engine.url  # noqa: B018
        from mail_assistant import database

        elsewhere = database.create_engine(chosen.database.set(port=free_port()))
        health._sessions = create_sessions(elsewhere)
        found = await health.now(0)
        assert found.checks["db"].status is Status.UNREACHABLE
        assert found.checks["llm"].status is Status.OK
        await elsewhere.dispose()
