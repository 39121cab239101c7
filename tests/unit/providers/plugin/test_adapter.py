"""The provider as the engine meets it: over gRPC, in this process, with a toy kind on machines in memory."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import any_pb2
from pulumi.runtime.proto import (
    provider_pb2,
    status_pb2,
)

from providers.errors import CommandFailed
from providers.kinds.table import TABLE, all_kinds
from providers.plugin.adapter import Adapter, serve
from providers.plugin.schema import schema
from providers.plugin.values import Properties, decode, encode
from tests.unit.providers.plugin.adapter_client import CANARY, DIFF, URN, Start, start, wish
from tests.unit.providers.plugin.memory_machine import NOTE, World, world
from toolchain.waiting import as_it_is, wait_until_async

__all__ = ["start", "world"]


# --- about the provider ---


async def test_it_hands_out_the_schema_of_its_kinds(start: Start):
    client = await start(*all_kinds())
    answer = await client.stub.GetSchema(provider_pb2.GetSchemaRequest())
    assert json.loads(answer.schema) == schema(TABLE.values())


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_the_schema_describes_every_property_of_every_kind(kind: Any):
    found = schema(TABLE.values())["resources"][kind.token]
    assert found["description"]
    undescribed = [name for name, typed in found["properties"].items() if not typed.get("description")]
    assert undescribed == []
    assert set(found["requiredInputs"]) <= found["inputProperties"].keys()


async def test_it_takes_secrets_and_can_preview(start: Start):
    client = await start()
    answer = await client.stub.Configure(provider_pb2.ConfigureRequest(args=encode(Properties())))
    assert answer.acceptSecrets
    assert answer.supportsPreview


async def test_of_the_namespace_it_takes_its_own_keys_only(start: Start):
    client = await start()
    news = Properties({"hosts": "{}", "lost": "[]", "secondbrain": "{}", "password": CANARY}, frozenset({"password"}))
    answer = await client.stub.CheckConfig(provider_pb2.CheckRequest(news=encode(news)))
    assert decode(answer.inputs).values.keys() == {"hosts", "lost"}
    assert not answer.failures


async def test_wrong_settings_of_machines_are_all_named(start: Start):
    client = await start()
    hosts = json.dumps({"BOX_": {}, "attic": {"port": 99999, "adress": "x"}})
    answer = await client.stub.CheckConfig(provider_pb2.CheckRequest(news=encode(Properties({"hosts": hosts}))))
    places = sorted(failure.property for failure in answer.failures)
    assert len(places) == 3
    assert places[-2:] == ["hearth:hosts.attic.adress", "hearth:hosts.attic.port"]


async def test_other_settings_of_machines_are_a_change_of_the_provider(start: Start):
    client = await start()
    one, two = encode(Properties({"hosts": "{}"})), encode(Properties({"hosts": '{"box": {}}'}))
    response = provider_pb2.DiffResponse
    same = await client.stub.DiffConfig(provider_pb2.DiffRequest(olds=one, news=one))
    other = await client.stub.DiffConfig(provider_pb2.DiffRequest(olds=one, news=two))
    assert (same.changes, other.changes) == (response.DIFF_NONE, response.DIFF_SOME)
    assert not other.replaces


# --- check and diff ---


async def test_every_mistake_of_a_resource_is_a_failure_with_its_property(start: Start):
    client = await start()
    answer = await client.check(Properties({"host": "box", "text": "MILK", "nmae": "x"}))
    assert {failure.property for failure in answer.failures} == {"name", "text", "nmae"}


async def test_a_secret_is_in_no_failure_although_its_rule_quotes_it(start: Start):
    client = await start()
    answer = await client.check(wish(frozenset({"text"}), text=CANARY.upper()))
    (failure,) = answer.failures
    assert "must be in lowercase letters" in failure.reason
    assert CANARY.upper() not in failure.reason
    assert "text" in decode(answer.inputs).secret


async def test_a_type_that_does_not_exist_is_named_with_those_that_do(start: Start):
    client = await start()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.check(wish(), URN.replace("Note", "Noet"))
    assert "no resource 'hearth:test:Noet'" in str(caught.value.details())
    assert "hearth:test:Note" in str(caught.value.details())


async def test_nothing_unknown_is_taken_for_a_text(start: Start):
    client = await start()
    answer = await client.check(wish(unknown=frozenset({"text"}), text=None))
    assert not answer.failures
    assert decode(answer.inputs).unknown == {"text"}


async def test_a_diff_names_each_property_with_what_becomes_of_it(start: Start, world: World):
    client = await start()
    old = (await client.create(wish(colour="red"))).properties
    found = await client.diff(old, wish(text="beer", colour="blue"))
    assert found.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert sorted(found.diffs) == ["colour", "text"]
    assert found.hasDetailedDiff
    assert {name: each.kind for name, each in found.detailedDiff.items()} == {
        "text": DIFF.UPDATE,
        "colour": DIFF.UPDATE,
    }
    assert not found.replaces


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [({}, {"colour": "red"}, DIFF.ADD), ({"name": "shopping"}, {"name": "diary"}, DIFF.UPDATE_REPLACE)],
)
async def test_each_kind_of_change_has_its_own_mark(
    start: Start, world: World, before: dict[str, Any], after: dict[str, Any], kind: Any
):
    client = await start()
    old = (await client.create(wish(**before))).properties
    found = await client.diff(old, wish(**after))
    assert [each.kind for each in found.detailedDiff.values()] == [kind]


async def test_no_change_is_none(start: Start, world: World):
    client = await start()
    old = (await client.create(wish())).properties
    found = await client.diff(old, wish())
    assert found.changes == provider_pb2.DiffResponse.DIFF_NONE
    assert not found.diffs


async def test_another_identity_replaces_and_deletes_first(start: Start, world: World):
    client = await start()
    old = (await client.create(wish())).properties
    found = await client.diff(old, wish(name="diary"))
    assert list(found.replaces) == ["name"]
    assert found.deleteBeforeReplace


async def test_an_ignored_property_is_no_change(start: Start, world: World):
    client = await start()
    old = (await client.create(wish())).properties
    found = await client.diff(old, wish(text="beer", name="diary"), ("text", "name"))
    assert found.changes == provider_pb2.DiffResponse.DIFF_NONE
    assert not found.replaces


# --- create, update, read, delete ---


async def test_the_life_of_a_resource(start: Start, world: World):
    client = await start()
    made = await client.create(wish())
    assert made.id == "box/shopping"
    news = encode(wish(text="beer"))
    request = provider_pb2.UpdateRequest(urn=URN, id=made.id, olds=made.properties, news=news)
    changed = decode((await client.stub.Update(request)).properties)
    assert changed.values["text"] == "beer"
    read = provider_pb2.ReadRequest(urn=URN, id=made.id, properties=encode(changed), inputs=news)
    found = await client.stub.Read(read)
    assert found.id == made.id
    assert decode(found.properties) == changed
    delete = provider_pb2.DeleteRequest(urn=URN, id=made.id, properties=encode(changed), old_inputs=news)
    await client.stub.Delete(delete)
    assert world.machines["box"].files == {}
    assert (await client.stub.Read(read)).id == ""


async def test_a_preview_touches_nothing_and_promises_nothing_that_it_does_not_know(start: Start, world: World):
    client = await start()
    planned = decode((await client.create(wish(frozenset({"text"})), preview=True)).properties)
    assert planned.unknown == {"serial", "machine", "size"}
    assert planned.secret == {"text"}
    assert world.opened == []


async def test_a_preview_of_an_update_touches_nothing(start: Start, world: World):
    client = await start()
    made = await client.create(wish())
    world.opened.clear()
    request = provider_pb2.UpdateRequest(
        urn=URN, id=made.id, olds=made.properties, news=encode(wish(text="beer")), preview=True
    )
    planned = decode((await client.stub.Update(request)).properties)
    assert planned.values["serial"] == 1
    assert world.opened == []


async def test_what_a_wish_does_to_the_whole_machine_is_told_before_anything_is_touched(start: Start, world: World):
    def announce(found: Any, wish: Any) -> str:
        return f"{wish.host} is restarted{' again' if found else ''}"

    client = await start(replace(NOTE, announce=announce))
    await client.create(wish(), preview=True)
    assert world.opened == []
    made = await client.create(wish())
    await client.diff(made.properties, wish())
    await client.diff(made.properties, wish(text="beer"))

    async def shown() -> bool:
        return len([each for each in client.engine.shown if "restarted" in each]) == 2

    await wait_until_async(shown, 30, as_it_is, pause=0.02)
    told = [each for each in client.engine.shown if "restarted" in each]
    assert told == ["box is restarted", "box is restarted again"]


async def test_a_secret_stays_one_on_the_wire(start: Start, world: World):
    client = await start()
    made = await client.create(wish(frozenset({"text"}), text=CANARY))
    assert decode(made.properties).secret == {"text"}
    read = provider_pb2.ReadRequest(
        urn=URN, id=made.id, properties=made.properties, inputs=encode(wish(frozenset({"text"}), text=CANARY))
    )
    found = await client.stub.Read(read)
    assert decode(found.properties).secret == {"text"}
    assert decode(found.inputs).secret == {"text"}


def spoilt(message: str) -> Any:
    from dataclasses import replace

    async def apply(session: Any, inputs: Any, facts: Any) -> None:
        await NOTE.apply(session, inputs, facts)
        session.progress(f"trying {inputs.text}")
        session.warn(f"careful with {inputs.text}")
        raise CommandFailed(f"`tidy` ended with status 3{message}", status=3, detail=inputs.text)

    return replace(NOTE, apply=apply)


async def test_a_half_done_creation_tells_the_engine_what_to_keep(start: Start, world: World):
    client = await start(spoilt(""))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(wish(frozenset({"text"})))
    (packed,) = [value for key, value in caught.value.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    (detail,) = status.details
    kept = provider_pb2.ErrorResourceInitFailed()
    assert any_pb2.Any(type_url=detail.type_url, value=detail.value).Unpack(kept)
    assert kept.id == "box/shopping"
    assert decode(kept.inputs).values["text"] == "milk"
    assert decode(kept.inputs).secret == {"text"}
    assert decode(kept.properties).values["machine"]["id"] == "id-of-box"
    assert "ended with status 3" in kept.reasons[0]


async def test_a_secret_is_in_no_error_and_in_no_message(start: Start, world: World):
    client = await start(spoilt(f" at {CANARY}"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(wish(frozenset({"text"}), text=CANARY))
    details = str(caught.value.details())
    assert CANARY not in details
    assert "[secret]" in details

    async def shown() -> bool:
        return len(client.engine.shown) == 2

    await wait_until_async(shown, 30, as_it_is, pause=0.02)
    assert sorted(client.engine.shown) == ["careful with [secret]", "trying [secret]"]


async def test_a_mistake_of_ours_is_one_line_without_a_traceback(start: Start, world: World):
    from dataclasses import replace

    async def apply(_session: Any, inputs: Any, _facts: Any) -> None:
        raise KeyError(inputs.text)

    client = await start(replace(NOTE, apply=apply))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(wish(frozenset({"text"}), text=CANARY))
    details = str(caught.value.details())
    assert details.startswith("a bug in Hearth: KeyError")
    assert "Traceback" not in details
    assert CANARY not in details


async def test_a_machine_that_is_off_is_an_error_with_its_remedy(start: Start, world: World):
    world.machines["box"].off = True
    client = await start()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(wish())
    assert "box (box) can't be reached" in str(caught.value.details())
    assert "What to do: see whether it is on" in str(caught.value.details())


async def test_it_ends_when_it_is_over_and_frees_its_port(world: World):
    over, ports = asyncio.Event(), asyncio.Queue[int]()
    serving = asyncio.create_task(serve(Adapter({NOTE.token: NOTE}, "", Path("/")), ports.put_nowait, over.wait()))
    port = await ports.get()
    over.set()
    await asyncio.wait_for(serving, 20)
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)
