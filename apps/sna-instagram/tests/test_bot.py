"""The plugin as maubot runs it, against the stand-in for Instagram; only the homeserver is a list."""

from __future__ import annotations

import time
from typing import Any

import pytest
from mautrix.types import MessageType, RelatesTo, RelationType

from sna_instagram.settings import WrongSetting

from .conftest import BOT, OTHER_ROOM, ROOM, Instances, Room
from .site import JPEG, MP4, WEBP, Site


def kinds(contents: list[dict[str, Any]]) -> list[str]:
    return [content["msgtype"] for content in contents]


async def test_a_picture_is_answered_with_the_picture_and_its_caption(site: Site, room: Room) -> None:
    site.add("PICTURE0001", "1.jpg", caption="A day at\nthe sea")
    began = time.monotonic()
    picture, caption = await room.says("look: https://www.instagram.com/p/PICTURE0001/?igsh=MzRlODBiNWFlZA==")
    assert time.monotonic() - began < 5
    assert picture["msgtype"] == "m.image"
    assert picture["url"] == "mxc://test/1"
    assert picture["info"] == {"mimetype": "image/jpeg", "size": len(JPEG), "w": 1080, "h": 1350}
    assert room.uploads == [(JPEG, "image/jpeg", "PICTURE0001-1.jpg")]
    assert caption["msgtype"] == "m.notice"
    assert caption["body"] == "@some.one: A day at\nthe sea\nhttps://www.instagram.com/p/PICTURE0001/"
    for content in (picture, caption):
        assert content["m.relates_to"]["m.in_reply_to"]["event_id"] == room.last
        assert content["m.mentions"] == {}


async def test_a_reel_is_answered_with_the_video(site: Site, room: Room) -> None:
    site.add("REEL0000001", "1.mp4")
    video, caption = await room.says("https://www.instagram.com/reel/REEL0000001/")
    assert video["msgtype"] == "m.video"
    assert video["info"] == {"mimetype": "video/mp4", "size": len(MP4), "w": 720, "h": 1280, "duration": 5500}
    assert room.uploads[0][0] == MP4
    assert caption["body"].startswith("@some.one: A caption")


async def test_a_carousel_is_answered_in_its_order(site: Site, room: Room) -> None:
    site.add("CAROUSEL001", "1.jpg", "2.mp4", "3.webp", "4.jpg")
    answer = await room.says("https://www.instagram.com/p/CAROUSEL001/?img_index=2")
    assert kinds(answer) == ["m.image", "m.video", "m.image", "m.image", "m.notice"]
    by_uri = {f"mxc://test/{number}": data for number, (data, _, _) in enumerate(room.uploads, start=1)}
    assert [by_uri[content["url"]] for content in answer[:4]] == [JPEG, MP4, WEBP, JPEG]
    assert [content["body"] for content in answer[:4]] == [
        "CAROUSEL001-1.jpg", "CAROUSEL001-2.mp4", "CAROUSEL001-3.webp", "CAROUSEL001-4.jpg",
    ]  # fmt: skip


async def test_a_share_link_is_resolved_and_answered(site: Site, room: Room) -> None:
    site.add("SHARED00001")
    site.shares["BAxYz_12345"] = "https://www.instagram.com/reel/SHARED00001/?share_id=x"
    site.shares["BAevil00001"] = "https://evil.test/p/SHARED00001/"
    site.shares["BAlogin0001"] = "https://www.instagram.com/accounts/login/?next=x"
    assert kinds(await room.says("https://www.instagram.com/share/reel/BAxYz_12345/")) == ["m.image", "m.notice"]
    (gone,) = await room.says("https://www.instagram.com/share/BAnothing01")
    assert "is gone" in gone["body"]
    (evil,) = await room.says("https://www.instagram.com/share/BAevil00001")
    assert "is gone" in evil["body"]
    (login,) = await room.says("https://www.instagram.com/share/BAlogin0001")
    assert "logged in" in login["body"]
    assert "evil.test" not in {host for host, _, _ in site.asked}


async def test_other_rooms_own_messages_notices_and_edits_are_ignored(site: Site, room: Room) -> None:
    site.add("IGNORED0001")
    link = "https://www.instagram.com/p/IGNORED0001/"
    before = len(site.asked)
    assert await room.says(link, room=OTHER_ROOM) == []
    assert await room.says(link, sender=BOT) == []
    assert await room.says(link, msgtype=MessageType.NOTICE) == []
    assert await room.says(link, msgtype=MessageType.EMOTE) == []
    edit = room.message(link)
    edit.content.relates_to = RelatesTo(rel_type=RelationType.REPLACE, event_id="$before")
    assert await room.happens(edit) == []
    assert await room.says("no link") == []
    assert await room.says("https://www.instagram.com/some.one/") == []
    assert site.asked[before:] == []
    # The same link, where it is to be answered.
    assert len(await room.says(link)) == 2


async def test_a_link_in_a_thread_is_answered_in_the_thread(site: Site, room: Room) -> None:
    site.add("THREAD00001")
    message = room.message("https://www.instagram.com/p/THREAD00001/")
    message.content.set_thread_parent("$root")
    for content in await room.happens(message):
        relation = content["m.relates_to"]
        assert (relation["rel_type"], relation["event_id"]) == ("m.thread", "$root")
        assert relation["m.in_reply_to"]["event_id"] == message.event_id


async def test_an_instance_that_is_not_enabled_answers_nothing(
    site: Site, instances: Instances, own_room: Room
) -> None:
    site.add("DISABLED001")
    plugin = await instances.start(own_room, enabled=False)
    assert await own_room.says("https://www.instagram.com/p/DISABLED001/") == []
    # Edited in the web page: it holds at once.
    instances.text["enabled"] = True
    await plugin.on_external_config_update()
    assert len(await own_room.says("https://www.instagram.com/p/DISABLED001/")) == 2


async def test_a_room_is_subscribed_and_left_by_an_edit_of_the_config(
    site: Site, instances: Instances, own_room: Room
) -> None:
    site.add("SUBSCRIBED1")
    plugin = await instances.start(own_room)
    instances.text["room_subscriptions"] = [OTHER_ROOM]
    await plugin.on_external_config_update()
    link = "https://www.instagram.com/p/SUBSCRIBED1/"
    assert len(await own_room.says(link, room=OTHER_ROOM)) == 2
    assert await own_room.says(link, room=ROOM) == []


async def test_a_wrong_edit_leaves_the_former_settings(
    site: Site, instances: Instances, own_room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    site.add("WRONGEDIT01")
    plugin = await instances.start(own_room)
    instances.text["room_subscriptions"] = ["#alias:test"]
    await plugin.on_external_config_update()
    assert "'#alias:test' is no room ID" in caplog.text
    assert len(await own_room.says("https://www.instagram.com/p/WRONGEDIT01/")) == 2


async def test_an_instance_with_wrong_settings_does_not_start(instances: Instances, own_room: Room) -> None:
    with pytest.raises(WrongSetting, match="max_file_size: '50MB'"):
        await instances.start(own_room, max_file_size="50MB")


async def test_several_links_in_a_message_are_answered_but_not_a_whole_list(site: Site, room: Room) -> None:
    codes = [f"MANY000000{number}" for number in range(8)]
    for code in codes:
        site.add(code)
    answer = await room.says(" ".join(f"https://www.instagram.com/p/{code}/" for code in codes))
    assert sorted(content["body"][:11] for content in answer if content["msgtype"] == "m.image") == codes[:5]
