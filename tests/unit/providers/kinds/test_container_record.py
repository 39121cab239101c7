"""The kind ContainerRecord, against a machine in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.errors import InvalidInput, Untouched
from providers.kinds.container_record import ContainerRecordInputs, apply, observe, ports_of, restore
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import FakeSession

PATH = "/var/lib/record.json"
WISH = ContainerRecordInputs(host="box", path=PATH, user="backstage440", container="secondbrain-backend")
IMAGE = "localhost/secondbrain/backend:latest"


def container(ports: dict[str, Any] | None, bindings: dict[str, Any] | None = None) -> str:
    entry = {"ImageName": IMAGE, "Config": {"ExposedPorts": ports}, "HostConfig": {"PortBindings": bindings}}
    return json.dumps([entry])


async def test_port_and_image_are_written_down_as_the_old_user_sees_them():
    session = FakeSession().on("podman container inspect", container({"8000/tcp": {}}))
    before = await observe(session, WISH)
    assert not before.present
    await apply(session, WISH, before)
    found = await observe(session, WISH)
    assert (found.present, found.port, found.image) == (True, 8000, IMAGE)
    assert session.calls[0].user == "backstage440"
    assert (session.files[PATH].mode, session.files[PATH].owner) == ("0644", "root")


async def test_the_record_outlives_the_container():
    session = FakeSession()
    session.put(PATH, json.dumps({"port": 8000, "image": IMAGE}))
    found = await observe(session, WISH)
    assert (found.present, found.port) == (True, 8000)
    assert session.lines() == []


async def test_a_port_that_is_only_published_counts_too():
    session = FakeSession().on("podman container inspect", container(None, {"9000/tcp": [{"HostPort": "9000"}]}))
    await apply(session, WISH, await observe(session, WISH))
    assert (await observe(session, WISH)).port == 9000


@pytest.mark.parametrize(
    ("ports", "words"), [(None, "exposes no port"), ({"1/tcp": {}, "2/tcp": {}}, r"several ports \(1, 2\)")]
)
async def test_an_unknown_port_stops_before_anything_is_written(ports: dict[str, Any] | None, words: str):
    session = FakeSession().on("podman container inspect", container(ports))
    with pytest.raises(InvalidInput, match=words):
        await apply(session, WISH, await observe(session, WISH))
    assert PATH not in session.files


async def test_an_unknown_port_is_fine_where_the_settings_give_one():
    session = FakeSession().on("podman container inspect", container(None))
    wish = WISH.model_copy(update={"port_needed": False})
    await apply(session, wish, await observe(session, wish))
    found = await observe(session, wish)
    assert (found.port, found.image) == (0, IMAGE)


async def test_a_missing_container_stops_with_what_podman_said():
    session = FakeSession().on("podman container inspect", Completed(125, "", "no such container"))
    with pytest.raises(Untouched, match="can't be read") as caught:
        await apply(session, WISH, await observe(session, WISH))
    assert "no such container" in str(caught.value)


async def test_a_damaged_record_counts_as_none():
    session = FakeSession()
    session.put(PATH, "{")
    assert not (await observe(session, WISH)).present


async def test_destroy_removes_the_record_it_wrote_and_no_other():
    session = FakeSession().on("podman container inspect", container({"8000/tcp": {}}))
    before = await observe(session, WISH)
    await apply(session, WISH, before)
    written = await observe(session, WISH)
    await restore(session, WISH, written)
    assert PATH in session.files
    await restore(session, WISH, before)
    assert PATH not in session.files


def test_udp_ports_are_not_taken_for_the_backends():
    assert ports_of({"Config": {"ExposedPorts": {"53/udp": {}, "8000/tcp": {}}}}) == [8000]


async def test_a_file_that_is_no_record_is_refused_and_kept():
    session = FakeSession().on("podman container inspect", container({"8000/tcp": {}}))
    session.put(PATH, "a letter")
    before = await observe(session, WISH)
    with pytest.raises(InvalidInput, match="is no record"):
        await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert session.files[PATH].content == b"a letter"


async def test_an_update_keeps_the_record_and_asks_nobody():
    session = FakeSession()
    session.put(PATH, json.dumps({"port": 8000, "image": IMAGE}))
    await apply(session, WISH, await observe(session, WISH))
    assert session.lines() == []
