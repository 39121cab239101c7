"""The adapters of the language model and of the mailbox, against servers of the tests' own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from foundation_testing.postgres import free_port
from mail_assistant.services.llm_service import AWAY, LARGEST_ANSWER, LLMAdapter, ModelAway, NoLLM, OllamaAdapter
from mail_assistant.services.mail_service import GmailAdapter
from mail_assistant.services.status import Status
from tests.conftest import settings
from tests.servers import Answers, models

GMAIL: dict[str, Any] = {
    "postgres_password": "unused",
    "gmail_client_id": "an-id",
    "gmail_client_secret": "canary-client",
    "gmail_refresh_token": "canary-refresh",
}


def ollama(url: str, model: str | None = None) -> OllamaAdapter:
    """Return an adapter that may ask this machine."""
    return OllamaAdapter(url, model, httpx.AsyncClient(trust_env=False))


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers(models("llama3.2:1b", "phi3:latest"))
    yield made
    made.close()


def test_the_adapter_of_ollama_is_one_of_a_kind() -> None:
    assert issubclass(OllamaAdapter, LLMAdapter)
    with pytest.raises(TypeError):
        LLMAdapter()  # type: ignore[abstract]


async def test_ollama_is_asked_for_its_models(answers: Answers) -> None:
    result = await ollama(answers.url + "/").ping()
    assert (result.status, result.detail) == (Status.OK, "Ollama answers (2 models)")
    assert answers.asked == ["GET /api/tags"]


@pytest.mark.parametrize("model", ["llama3.2:1b", "phi3", "phi3:latest"])
async def test_a_model_that_is_there_is_found_with_and_without_its_tag(answers: Answers, model: str) -> None:
    assert "not pulled" not in (await ollama(answers.url, model).ping()).detail


@pytest.mark.parametrize(
    ("model", "command"),
    [
        ("mistral", "ollama pull mistral"),
        ("llama3.2:3b", "ollama pull llama3.2:3b"),
        ("hf.co/some/Model-GGUF:Q4_K_M", "ollama pull hf.co/some/Model-GGUF:Q4_K_M"),
    ],
)
async def test_a_model_that_ollama_lacks_is_told_with_the_command_that_gets_it(
    answers: Answers, model: str, command: str
) -> None:
    result = await ollama(answers.url, model).ping()
    assert result.status is Status.MODEL_NOT_FOUND
    assert result.status.value == "model_not_found"
    assert result.detail.endswith(command)


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "{}", '{"models": 1}', '{"models": [{}]}', "[" * 100000, "x" * (LARGEST_ANSWER + 1)]
)
async def test_something_else_at_that_address_is_not_taken_for_ollama(answers: Answers, body: str) -> None:
    answers.body = body
    result = await ollama(answers.url).ping()
    assert (result.status, result.detail) == (Status.UNREACHABLE, AWAY)


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_another_status_is_not_taken_for_ollama(answers: Answers, status: int) -> None:
    answers.status = status
    result = await ollama(answers.url).ping()
    assert result.status is Status.UNREACHABLE
    assert result.detail == AWAY
    assert str(status) in result.reason, "the log may say it"


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:{free_port()}", "http://no-such-host.invalid", "http://exa mple", "http://a\u2025b"]
)
async def test_an_address_without_ollama_is_unreachable(url: str) -> None:
    result = await ollama(url).ping()
    assert result.status is Status.UNREACHABLE
    assert result.detail == AWAY
    assert result.reason


async def test_a_silent_ollama_is_given_up_after_three_seconds(answers: Answers) -> None:
    answers.delay = 30
    started = time.monotonic()
    result = await ollama(answers.url).ping()
    assert result.status is Status.UNREACHABLE
    assert 2.5 < time.monotonic() - started < 20


async def test_the_model_is_asked_for_a_text_and_what_it_says_comes_back(answers: Answers) -> None:
    answers.body = '{"response": " A text. ", "done": true}'
    assert await ollama(answers.url, "phi3").generate("Write.") == "A text."
    (asked,) = answers.asked
    assert asked.startswith("POST /api/generate ")
    assert json.loads(asked.partition("generate ")[2]) == {"model": "phi3", "prompt": "Write.", "stream": False}


@pytest.mark.parametrize(("status", "body"), [(404, "{}"), (200, "[]"), (200, "x"), (302, "")])
async def test_a_model_that_gives_no_text_is_away(answers: Answers, status: int, body: str) -> None:
    answers.status, answers.body = status, body
    with pytest.raises(ModelAway):
        await ollama(answers.url, "phi3").generate("Write.")
    with pytest.raises(ModelAway, match="no model"):
        await ollama(answers.url).generate("Write.")


async def test_without_an_address_there_is_no_language_model() -> None:
    assert (await NoLLM().ping()).status is Status.UNCONFIGURED


async def test_without_credentials_mail_is_unconfigured_and_says_what_is_missing() -> None:
    result = await GmailAdapter(settings(postgres_password="x", gmail_client_id="an-id")).ping()
    assert result.status is Status.UNCONFIGURED
    assert "GMAIL_CLIENT_SECRET, GMAIL_REFRESH_TOKEN" in result.detail
    assert "GMAIL_CLIENT_ID" not in result.detail


async def test_google_is_asked_for_a_token_that_is_not_kept(answers: Answers) -> None:
    answers.body = '{"access_token": "canary-access"}'
    gmail = GmailAdapter(settings(**GMAIL, gmail_token_url=answers.url))
    result = await gmail.ping()
    assert (result.status, result.detail) == (Status.OK, "Google lets the assistant in")
    assert "grant_type=refresh_token" in answers.asked[0]
    assert "canary" not in result.detail + repr(vars(gmail))


async def test_a_refused_token_says_what_to_do(answers: Answers) -> None:
    answers.status, answers.body = 400, '{"error": "invalid_grant"}'
    result = await GmailAdapter(settings(**GMAIL, gmail_token_url=answers.url)).ping()
    assert result.status is Status.UNREACHABLE
    assert "renew GMAIL_REFRESH_TOKEN" in result.detail


async def test_google_is_not_asked_every_few_seconds_unless_someone_wants_to_know(answers: Answers) -> None:
    gmail = GmailAdapter(settings(**GMAIL, gmail_token_url=answers.url))
    for _ in range(3):
        await gmail.ping()
    assert len(answers.asked) == 1
    await gmail.ping(fresh=True)
    assert len(answers.asked) == 2


async def test_google_out_of_reach_is_no_error_of_ours() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert (await GmailAdapter(settings(**GMAIL, gmail_token_url=url)).ping()).status is Status.UNREACHABLE
