"""The kinds MaubotClient and MaubotInstance against a maubot in memory."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from providers.errors import NotAnswering, NotConverged
from providers.kinds.matrix import client, instance, plugin
from providers.kinds.matrix.client import MaubotClientFacts, MaubotClientInputs
from providers.kinds.matrix.instance import MaubotInstanceFacts, MaubotInstanceInputs
from providers.kinds.matrix.maubot_api import MaubotApi, MaubotError
from providers.kinds.matrix.plugin import MaubotPluginFacts
from tests.unit.providers.kinds.matrix.memory_servers import CONFIG_FILE, HOMESERVER, MAUBOT, Servers
from tests.unit.providers.kinds.matrix.test_plugin import plugin_wish

CLIENT = MaubotClientInputs(
    host="box",
    user_id="@echo:lab.test",
    homeserver=HOMESERVER,
    access_token="token-1",
    device_id="MAUBOT",
    enabled=True,
    started=True,
    autojoin=True,
)
INSTANCE = MaubotInstanceInputs(
    host="box",
    name="echo-1",
    type="known",
    primary_user="@echo:lab.test",
    config={"prefix": "hi ", "limits": {"size": 5}},
    enabled=True,
    started=True,
)
DATABASE = "/var/lib/maubot/dbs/echo-1.db"


def servers_with_token() -> Servers:
    servers = Servers()
    servers.homeserver.tokens["token-1"] = ("echo", "MAUBOT")
    return servers


async def brought_up(servers: Servers, wish: MaubotInstanceInputs = INSTANCE) -> MaubotInstanceFacts:
    before = await instance.observe(servers.session, wish)
    await instance.apply(servers.session, wish, before)
    assert instance.KIND.differences(wish, await instance.observe(servers.session, wish)) == {}
    return before


async def client_up(servers: Servers, wish: MaubotClientInputs = CLIENT) -> MaubotClientFacts:
    before = await client.observe(servers.session, wish)
    await client.apply(servers.session, wish, before)
    assert client.KIND.differences(wish, await client.observe(servers.session, wish)) == {}
    return before


# --- clients ---


async def test_a_client_is_made_and_removed_again():
    servers = servers_with_token()
    before = await client_up(servers)
    assert servers.maubot.clients["@echo:lab.test"]["started"]
    await client.restore(servers.session, CLIENT, before)
    assert servers.maubot.clients == {}


async def test_a_client_that_was_disabled_in_the_web_page_is_enabled_and_started_again():
    servers = servers_with_token()
    await client_up(servers)
    servers.maubot.clients["@echo:lab.test"] |= {"enabled": False, "started": False}
    facts = await client.observe(servers.session, CLIENT)
    assert client.KIND.differences(CLIENT, facts).keys() == {"enabled", "started"}
    await client_up(servers)


async def test_a_revoked_token_shows_although_maubot_calls_its_client_started():
    servers = servers_with_token()
    await client_up(servers)
    servers.homeserver.tokens = {"token-2": ("echo", "MAUBOT")}
    assert client.KIND.differences(CLIENT, await client.observe(servers.session, CLIENT)) == {
        "logged_in": (True, False)
    }
    renewed = CLIENT.model_copy(update={"access_token": "token-2"})
    await client_up(servers, renewed)


async def test_a_token_that_the_homeserver_does_not_know_is_said_in_words():
    servers = Servers()
    with pytest.raises(MaubotError, match="refused to take the client @echo:lab") as error:
        await client.apply(servers.session, CLIENT, MaubotClientFacts(present=False))
    assert "up --refresh" in str(error.value)
    assert "token-1" not in str(error.value)


async def test_a_client_is_put_back_as_it_was():
    servers = servers_with_token()
    await client_up(servers, CLIENT.model_copy(update={"autojoin": False, "displayname": "Ann's"}))
    before = await client_up(servers, CLIENT.model_copy(update={"displayname": "Ours"}))
    await client.restore(servers.session, CLIENT, before)
    found = servers.maubot.clients["@echo:lab.test"]
    assert (found["autojoin"], found["displayname"]) == (False, "Ann's")


# --- instances ---


async def test_an_instance_is_made_runs_and_goes_with_its_database_kept():
    servers = Servers()
    before = await brought_up(servers)
    await instance.restore(servers.session, INSTANCE, before)
    assert servers.maubot.instances == {}
    kept = {path: found.content for path, found in servers.session.files.items() if "/dbs/" in path}
    assert kept == {DATABASE: b"data", f"{DATABASE}-wal": b"more data"}


async def test_a_database_is_removed_whole_where_the_settings_say_so():
    servers = Servers()
    wish = INSTANCE.model_copy(update={"database": "remove"})
    await instance.restore(servers.session, wish, await brought_up(servers, wish))
    assert [path for path in servers.session.files if "/dbs/" in path] == []


async def test_a_removal_that_was_cut_short_loses_no_database():
    servers = Servers()
    before = await brought_up(servers)
    for suffix in ("", "-wal"):
        servers.session.files[f"{DATABASE}.kept{suffix}"] = servers.session.files.pop(f"{DATABASE}{suffix}")
    await instance.restore(servers.session, INSTANCE, before)
    assert {path for path in servers.session.files if "/dbs/" in path} == {DATABASE, f"{DATABASE}-wal"}


async def test_the_plugins_own_keys_are_left_alone():
    servers = Servers()
    await brought_up(servers)
    servers.maubot.instances["echo-1"]["config"] += "broken: false\n"
    assert instance.KIND.differences(INSTANCE, await instance.observe(servers.session, INSTANCE)) == {}
    await brought_up(servers, INSTANCE.model_copy(update={"config": {"prefix": "ho "}}))
    assert "broken: false" in servers.maubot.instances["echo-1"]["config"]


async def test_an_edited_config_and_a_stopped_instance_are_drift_and_repaired():
    servers = Servers()
    await brought_up(servers)
    servers.maubot.instances["echo-1"] |= {"config": "prefix: edited\nlimits: {size: 5}\n", "started": False}
    found = instance.KIND.differences(INSTANCE, await instance.observe(servers.session, INSTANCE))
    assert found.keys() == {"config", "started"}
    assert found["config"] == (INSTANCE.config, {"prefix": "edited", "limits": {"size": 5}})
    await brought_up(servers)


async def test_an_adopted_instance_that_ran_runs_on_after_its_config_was_changed():
    servers = Servers()
    await brought_up(servers)
    wish = INSTANCE.model_copy(update={"config": {"prefix": "x"}, "started": None, "enabled": None})
    await brought_up(servers, wish)
    assert servers.maubot.instances["echo-1"]["started"]


async def test_a_key_that_the_plugin_drops_is_an_error_that_names_it():
    servers = Servers()
    wish = INSTANCE.model_copy(update={"config": {"prefix": "x", "prefixx": "y"}})
    with pytest.raises(NotConverged, match=r"does not know config\.prefixx"):
        await instance.apply(servers.session, wish, await instance.observe(servers.session, wish))


async def test_a_start_that_failed_behind_a_200_is_an_error():
    servers = Servers()
    wish = INSTANCE.model_copy(update={"config": {"broken": True}})
    with pytest.raises(NotConverged, match="did not start; maubot has disabled it"):
        await instance.apply(servers.session, wish, await instance.observe(servers.session, wish))


async def test_an_instance_that_maubot_disabled_as_it_did_not_start_with_a_new_plugin_runs_again_once_that_is_right():
    servers = Servers()
    await brought_up(servers)
    servers.maubot.instances["echo-1"] |= {"enabled": False, "started": False}
    with_another = INSTANCE.model_copy(update={"recheck_on": ["another digest"]})
    await brought_up(servers, with_another)
    assert servers.maubot.instances["echo-1"]["started"]


async def test_a_plugin_that_is_not_there_is_said_in_words():
    servers = Servers()
    wish = INSTANCE.model_copy(update={"type": "nowhere"})
    with pytest.raises(MaubotError, match="refused to take the instance echo-1") as error:
        await instance.apply(servers.session, wish, await instance.observe(servers.session, wish))
    assert "upload the plugin of that type first" in str(error.value)


async def test_a_disabled_instance_is_wished_for_stopped():
    servers = Servers()
    await brought_up(servers, INSTANCE.model_copy(update={"enabled": False, "started": False}))
    assert not servers.maubot.instances["echo-1"]["started"]


# --- maubot away ---


async def test_what_a_maubot_that_does_not_run_keeps_is_not_taken_for_gone(tmp_path: Path):
    """Whoever creates something then is told so: taken for "not there", it would be removed by the next destroy."""
    servers = servers_with_token()
    await client_up(servers)
    await brought_up(servers)
    del servers.session.web[MAUBOT]
    for kind, wish in ((client, CLIENT), (instance, INSTANCE), (plugin, plugin_wish(tmp_path))):
        with pytest.raises(NotAnswering, match="nothing answers"):
            await kind.observe(servers.session, wish)


async def test_destroy_without_maubot_says_what_stays_and_goes_on(tmp_path: Path):
    servers = Servers()
    del servers.session.web[MAUBOT]
    await client.restore(servers.session, CLIENT, MaubotClientFacts(present=False))
    await instance.restore(servers.session, INSTANCE, MaubotInstanceFacts(present=False))
    await plugin.restore(servers.session, plugin_wish(tmp_path), MaubotPluginFacts(present=False))
    assert sum("stays in maubot" in line for line in servers.session.messages) == 3


@pytest.mark.parametrize("content", [None, "", "a: [", "- list"])
async def test_a_machine_without_maubots_configuration_is_told_so(content: str | None):
    servers = Servers()
    servers.session.files.pop(CONFIG_FILE)
    if content is not None:
        servers.session.put(CONFIG_FILE, content)
    with pytest.raises(NotAnswering, match=r"config\.yaml on box is"):
        await MaubotApi(servers.session, CONFIG_FILE).__aenter__()


async def test_a_key_that_maubot_does_not_run_with_is_told_with_the_remedy_and_not_shown():
    servers = Servers()
    content = servers.session.files[CONFIG_FILE].content or b""
    servers.session.put(CONFIG_FILE, content.replace(b"the-key", b"rotated-key"))
    with pytest.raises(MaubotError, match="does not take the key") as error:
        await MaubotApi(servers.session, CONFIG_FILE).__aenter__()
    assert "systemctl restart maubot" in str(error.value)
    assert "rotated-key" not in str(error.value)


def test_what_maubot_keeps_is_known_by_its_configuration_file_and_name():
    assert client.KIND.identify(CLIENT) == "var/lib/maubot/config/config.yaml#@echo:lab.test"
    assert instance.KIND.identify(INSTANCE) == "var/lib/maubot/config/config.yaml#echo-1"


def test_an_instance_is_imported_by_that():
    assert instance.KIND.parse is not None
    found = instance.KIND.parse("var/lib/maubot/config/config.yaml#echo-1")
    assert (found["config_file"], found["name"]) == (CONFIG_FILE, "echo-1")
    with pytest.raises(ValueError, match="CONFIG#NAME"):
        instance.KIND.parse("echo-1")


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (CLIENT, "user_id", "echo"),
        (CLIENT, "user_id", "@Echo:lab.test"),
        (CLIENT, "homeserver", "http://localhost:8008"),
        (INSTANCE, "name", "Echo"),
        (INSTANCE, "name", "../x"),
        (INSTANCE, "database", "delete"),
    ],
)
def test_what_can_not_be_is_refused(model, field: str, value: str):
    with pytest.raises(ValidationError):
        type(model).model_validate({**model.model_dump(), field: value})
