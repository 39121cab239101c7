"""The page Config: saving, refusing, and trying a connection."""

from __future__ import annotations

import asyncio
import time

import pytest

from foundation_testing.postgres import free_port
from mail_assistant.config import Settings
from mail_assistant.services.config_service import ConfigService
from mail_assistant.services.known_settings import KNOWN
from tests.conftest import Visitor, serving
from tests.servers import Answers

VALUES = {"llm_endpoint": "http://ollama.example:11434", "event_date": "2026-12-24"}


async def saved(visitor: Visitor) -> dict[str, str | None]:
    async with visitor.app.state.sessions() as session:
        return await ConfigService().get_all(session)


async def test_the_page_has_a_labelled_input_for_every_known_setting(visitor: Visitor) -> None:
    text = (await visitor.get("/config")).text
    for known in KNOWN:
        assert f'<label for="{known.key}">{known.label}</label>' in text
        assert f'name="{known.key}"' in text
    for service in ("llm", "mail", "db"):
        assert f'hx-post="/config/test/{service}"' in text


async def test_what_is_saved_is_on_the_page_and_there_after_a_restart(chosen: Settings) -> None:
    async with serving(chosen) as visitor:
        answer = await visitor.post("/config", VALUES)
        assert (answer.status_code, answer.headers["location"]) == (303, "/config")
        text = (await visitor.get("/config")).text
        assert "Saved." in text
        assert "Saved." not in (await visitor.get("/config")).text
    async with serving(chosen) as visitor:
        text = (await visitor.get("/config")).text
        assert 'value="http://ollama.example:11434"' in text
        assert 'value="2026-12-24"' in text


async def test_saving_again_changes_the_row_and_not_their_number(visitor: Visitor) -> None:
    await visitor.post("/config", {"event_name": "First"})
    await visitor.post("/config", {"event_name": "Second"})
    assert (await saved(visitor))["event_name"] == "Second"
    assert "Nothing was changed" not in (await visitor.get("/config")).text
    await visitor.post("/config", {"event_name": "Second"})
    assert "Nothing was changed" in (await visitor.get("/config")).text


async def test_an_empty_value_clears_a_setting_and_a_field_that_is_not_sent_stays(visitor: Visitor) -> None:
    await visitor.post("/config", {"event_name": "Fair", "event_date": "2026-12-24"})
    await visitor.post("/config", {"event_name": ""})
    found = await saved(visitor)
    assert (found["event_name"], found["event_date"]) == (None, "2026-12-24")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"llm_endpoint": "not an address"}, "LLM endpoint must be an address of http or https"),
        ({"event_date": "tomorrow"}, "Event date must be a date, written as 2026-12-24"),
        ({"event_name": "x" * 121}, "Event name is too long: 121 characters, and 120 are allowed."),
        ({"mail_address": "nobody"}, "Mail address must be one mail address"),
    ],
)
async def test_a_wrong_value_gets_422_with_a_message_beside_its_field_and_nothing_is_saved(
    visitor: Visitor, wrong: dict[str, str], message: str
) -> None:
    before = await saved(visitor)
    answer = await visitor.post("/config", {**VALUES, "llm_model": "phi3", **wrong})
    assert answer.status_code == 422
    (key, given), *_ = wrong.items()
    after_field = answer.text.split(f'name="{key}"')[1].split('class="help"')[0]
    assert message in after_field
    assert 'aria-invalid="true"' in after_field
    assert f'value="{given}"' in answer.text, "what was typed must not be lost"
    assert 'value="phi3"' in answer.text
    assert await saved(visitor) == before


async def test_an_unknown_key_is_refused_by_name_and_nothing_is_saved(visitor: Visitor) -> None:
    answer = await visitor.post("/config", {**VALUES, "admin<b>": "yes"})
    assert answer.status_code == 422
    assert "There is no setting “admin&lt;b&gt;”" in answer.text
    assert (await saved(visitor))["event_date"] is None


async def test_a_field_given_twice_or_as_a_file_is_refused(visitor: Visitor) -> None:
    twice = await visitor.post("/config", {"event_name": ["a", "b"]})
    assert (twice.status_code, "was given 2 times" in twice.text) == (422, True)
    file = await visitor.post("/config", {}, files={"event_name": ("name.txt", b"content")})
    assert (file.status_code, "must be a text, not a file" in file.text) == (422, True)
    assert (await saved(visitor))["event_name"] is None


async def test_a_body_that_is_no_form_is_refused(visitor: Visitor) -> None:
    xml = await visitor.client.post("/config", content="<x/>", headers={"content-type": "text/xml"})
    assert xml.status_code == 415
    broken = await visitor.client.post(
        "/config", content=b"--x\r\nnonsense", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert 400 <= broken.status_code < 500
    without_boundary = await visitor.client.post(
        "/config", content=b"x", headers={"content-type": "multipart/form-data"}
    )
    assert 400 <= without_boundary.status_code < 500


async def test_a_body_beyond_the_limit_is_refused(visitor: Visitor) -> None:
    assert (await visitor.post("/config", {"event_name": "x" * 70000})).status_code == 413
    assert (await visitor.post("/config", {f"k{number}": "x" for number in range(5000)})).status_code in {400, 413}


async def test_without_its_token_a_form_is_refused_and_nothing_is_saved(visitor: Visitor) -> None:
    token = await visitor.token()
    for given in ({}, {"csrf_token": ""}, {"csrf_token": "0" * 64}, {"csrf_token": token[:-1]}, {"csrf_token": "ü"}):
        answer = await visitor.client.post("/config", data={"event_name": "Stolen", **given})
        assert (answer.status_code, "Reload it and try again" in answer.text) == (403, True)
    visitor.client.cookies.clear()
    answer = await visitor.client.post("/config", data={"event_name": "Stolen", "csrf_token": token})
    assert answer.status_code == 403
    assert (await visitor.client.post("/config/test/llm")).status_code == 403
    assert (await saved(visitor))["event_name"] is None


async def test_the_token_may_come_in_a_header_as_htmx_sends_it(visitor: Visitor) -> None:
    token = await visitor.token()
    answer = await visitor.client.post("/config/test/llm", headers={"X-CSRF-Token": token})
    assert answer.status_code == 200


async def test_what_a_user_saves_is_shown_as_text_and_never_as_html(visitor: Visitor) -> None:
    await visitor.post("/config", {"event_name": "<script>alert(1)</script>\"'"})
    for page in ("/", "/config"):
        text = (await visitor.get(page)).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text


async def test_a_connection_test_answers_json_with_service_status_and_detail(visitor: Visitor) -> None:
    answer = await visitor.post("/config/test/llm", headers={"accept": "application/json"})
    assert answer.status_code == 200
    assert answer.json() == {"service": "llm", "status": "ok", "detail": "Ollama answers (2 models)"}
    assert (await visitor.post("/config/test/db")).json()["status"] == "ok"
    assert (await visitor.post("/config/test/mail")).json()["status"] == "unconfigured"


async def test_a_connection_test_uses_what_the_form_shows_before_it_is_saved(visitor: Visitor) -> None:
    elsewhere = f"http://127.0.0.1:{free_port()}"
    answer = await visitor.post("/config/test/llm", {"llm_endpoint": elsewhere, "event_date": "not looked at"})
    assert answer.json()["status"] == "unreachable"
    answer = await visitor.post("/config/test/llm", {"llm_model": "mistral"})
    assert answer.json()["status"] == "model_not_found"
    assert "ollama pull mistral" in answer.json()["detail"]
    assert (await saved(visitor))["llm_endpoint"] is None


async def test_a_connection_test_of_a_wrong_address_says_what_is_wrong_with_it(visitor: Visitor) -> None:
    answer = await visitor.post("/config/test/llm", {"llm_endpoint": "nonsense"})
    assert (answer.status_code, "must be an address" in answer.json()["detail"]) == (422, True)
    for_page = await visitor.post("/config/test/llm", {"llm_endpoint": "nonsense"}, headers={"HX-Request": "true"})
    assert (for_page.status_code, 'class="error"' in for_page.text) == (422, True)


async def test_for_htmx_a_connection_test_answers_a_line_with_a_badge(visitor: Visitor) -> None:
    text = (await visitor.post("/config/test/llm", headers={"HX-Request": "true"})).text
    assert '<span class="badge ok">ok</span>' in text
    assert "<html" not in text


async def test_a_connection_test_of_a_silent_service_answers_within_five_seconds(
    visitor: Visitor, ollama: Answers
) -> None:
    ollama.delay = 30
    started = time.monotonic()
    answer = await visitor.post("/config/test/llm")
    assert time.monotonic() - started < 15
    assert answer.json()["status"] == "unreachable"


async def test_a_connection_test_of_an_unknown_service_names_those_there_are(visitor: Visitor) -> None:
    answer = await visitor.post("/config/test/fax", headers={"accept": "application/json"})
    assert (answer.status_code, "db, llm, mail" in answer.json()["detail"]) == (404, True)


async def test_health_follows_a_saved_address_at_once(visitor: Visitor) -> None:
    assert (await visitor.get("/health")).json()["checks"]["llm"] == "ok"
    await visitor.post("/config", {"llm_endpoint": f"http://127.0.0.1:{free_port()}"})
    assert (await visitor.get("/health")).json()["checks"]["llm"] == "unreachable"
    await visitor.post("/config", {"llm_endpoint": ""})
    assert (await visitor.get("/health")).json()["checks"]["llm"] == "ok"


async def test_many_who_save_at_once_leave_values_of_one_of_them(visitor: Visitor) -> None:
    token = await visitor.token()

    async def save(number: int) -> int:
        values = {"event_name": f"Event {number}", "llm_model": f"model-{number}", "csrf_token": token}
        return (await visitor.client.post("/config", data=values)).status_code

    assert set(await asyncio.gather(*(save(number) for number in range(20)))) == {303}
    found = await saved(visitor)
    assert str(found["event_name"]).removeprefix("Event ") == str(found["llm_model"]).removeprefix("model-")


async def test_the_service_refuses_a_key_outside_the_allowlist(visitor: Visitor) -> None:
    async with visitor.app.state.sessions() as session:
        with pytest.raises(ValueError, match="no setting"):
            await ConfigService().upsert(session, "password", "x")


async def test_the_dashboard_tells_the_event_and_how_far_away_it_is(visitor: Visitor) -> None:
    await visitor.post("/config", {"event_name": "Summer fair", "event_date": "2000-01-01"})
    text = (await visitor.get("/")).text
    assert "Summer fair" in text
    assert "days ago" in text


async def test_the_five_settings_of_the_data_model_are_saved_and_read_back_by_a_program(visitor: Visitor) -> None:
    values = {
        "llm_endpoint": "http://ollama:11434",
        "llm_model": "llama3.2",
        "event_date": "2026-03-15",
        "event_location": "Wijkcentrum De Brug, Amsterdam",
        "event_offerings": "electronics,clothing,bikes",
    }
    assert (await visitor.get("/config", headers={"accept": "application/json"})).json()["event_location"] is None
    assert (await visitor.post("/config", values)).status_code == 303
    found = (await visitor.get("/config", headers={"accept": "application/json"})).json()
    assert {key: found[key] for key in values} == values
    text = (await visitor.get("/")).text
    assert "Wijkcentrum De Brug, Amsterdam" in text
    assert "<li>clothing</li>" in text


CONTRACT = ("llm_endpoint", "llm_model", "event_date", "event_location", "event_offerings")
"""The keys of the project's contract, specs/001-core-infrastructure/contracts/health-and-config.md."""


async def test_a_program_saves_json_and_gets_the_whole_of_the_settings_back(visitor: Visitor) -> None:
    sent = {"llm_endpoint": "http://ollama:11434", "event_date": "2026-03-15"}
    answer = await visitor.client.post("/config", json=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert set(CONTRACT) <= answer.json().keys()
    assert {key: answer.json()[key] for key in CONTRACT} == {**dict.fromkeys(CONTRACT), **sent}
    shown = await visitor.client.get("/config", headers={"accept": "application/json"})
    assert shown.json() == answer.json()
    cleared = await visitor.client.post("/config", json={"event_date": None})
    assert (cleared.json()["event_date"], cleared.json()["llm_endpoint"]) == (None, "http://ollama:11434")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"event_date": "2026-03-15", "unknown": "x"}, "unknown"),
        ({"event_date": "soon"}, "event_date"),
        ({"event_date": 5}, "event_date"),
        ({"event_date": ["2026-03-15"]}, "event_date"),
    ],
)
async def test_json_with_an_unknown_key_or_a_wrong_value_gets_422_and_nothing_is_saved(
    visitor: Visitor, sent: dict[str, object], told: str
) -> None:
    answer = await visitor.client.post("/config", json=sent)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [told]
    shown = await visitor.client.get("/config", headers={"accept": "application/json"})
    assert shown.json()["event_date"] is None


@pytest.mark.parametrize("content", ["[]", "null", "{", "[" * 30000, '"x"'])
async def test_what_is_no_json_object_gets_422(visitor: Visitor, content: str) -> None:
    answer = await visitor.client.post("/config", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422


async def test_json_from_a_page_of_another_site_is_refused(visitor: Visitor) -> None:
    headers = {"sec-fetch-site": "cross-site"}
    answer = await visitor.client.post("/config", json={"event_date": "2026-03-15"}, headers=headers)
    assert answer.status_code == 403
    # What a page of another site can send without asking: a text, whatever is in it.
    answer = await visitor.client.post("/config", content='{"event_date": "2026-03-15"}')
    assert answer.status_code in (403, 415)
