"""The kind MatrixUser against a homeserver in memory."""

import json

import pytest
from pydantic import ValidationError

from providers.errors import HearthError, NotAnswering
from providers.kinds.matrix.homeserver import MatrixError
from providers.kinds.matrix.user import KIND, MatrixUserFacts, MatrixUserInputs, apply, observe, restore
from tests.unit.providers.kinds.matrix.memory_servers import (
    DUMMY_STAGE,
    HOMESERVER,
    TOKEN_STAGE,
    Servers,
)

FILE = "/var/lib/hearth-maubot/echo.json"
WISH = MatrixUserInputs(
    host="box", homeserver=HOMESERVER, user="echo", password="s3cret", token_file=FILE, registration_token="good"
)


async def brought_up(servers: Servers, wish: MatrixUserInputs = WISH) -> MatrixUserFacts:
    before = await observe(servers.session, wish)
    await apply(servers.session, wish, before)
    facts = await observe(servers.session, wish)
    assert KIND.differences(wish, facts) == {}
    return before


@pytest.mark.parametrize(
    "flow",
    [
        [TOKEN_STAGE, DUMMY_STAGE],  # Synapse
        [TOKEN_STAGE],  # continuwuity
        [DUMMY_STAGE],  # Dendrite
        ["m.login.terms", TOKEN_STAGE],
    ],
    ids=" then ".join,
)
async def test_whatever_the_homeserver_asks_for_is_walked_to_its_end(flow: list[str]):
    servers = Servers()
    servers.homeserver.flows = [["m.login.email.identity"], flow]
    before = await brought_up(servers)
    assert not before.present
    assert servers.homeserver.sent == flow
    assert servers.homeserver.tokens.popitem()[1] == ("echo", "MAUBOT")


async def test_the_token_is_kept_where_root_alone_may_read_it():
    servers = Servers()
    await brought_up(servers)
    kept = servers.session.files[FILE]
    assert (kept.mode, kept.owner) == ("0600", "root")
    assert json.loads(kept.content or b"")["access_token"] in servers.homeserver.tokens


async def test_an_account_that_is_there_is_logged_in_and_not_registered():
    servers = Servers()
    servers.homeserver.passwords["echo"] = "s3cret"
    before = await brought_up(servers)
    assert before.present
    assert ("POST", "/_matrix/client/v3/register") not in servers.homeserver.requests


async def test_a_revoked_token_is_drift_and_the_same_device_gets_a_new_one():
    servers = Servers()
    await brought_up(servers)
    servers.homeserver.tokens.clear()
    facts = await observe(servers.session, WISH)
    assert facts.present
    assert facts.access_token  # a client that depends on it is looked at with what it has
    assert KIND.differences(WISH, facts) == {"logged_in": (True, False)}
    await brought_up(servers)
    assert list(servers.homeserver.tokens.values()) == [("echo", "MAUBOT")]


async def test_a_homeserver_that_names_no_device_is_believed():
    servers = Servers()
    servers.homeserver.names_device = False
    await brought_up(servers)


async def test_an_account_of_a_homeserver_that_is_away_is_not_taken_for_gone():
    servers = Servers()
    await brought_up(servers)
    del servers.session.web[HOMESERVER]
    with pytest.raises(NotAnswering, match="nothing answers"):
        await observe(servers.session, WISH)


@pytest.mark.parametrize("asks", [True, False], ids=["it can be asked first", "it can't"])
async def test_a_wrong_registration_token_is_said_so_and_no_account_is_made(asks: bool):
    servers = Servers()
    servers.homeserver.asks_validity = asks
    wish = WISH.model_copy(update={"registration_token": "expired"})
    with pytest.raises(MatrixError, match="no account was made") as error:
        await apply(servers.session, wish, await observe(servers.session, wish))
    assert "expired or is used up" in str(error.value)
    assert servers.homeserver.passwords == {}
    assert FILE not in servers.session.files


@pytest.mark.parametrize(
    ("flows", "remedy"),
    [
        ([[TOKEN_STAGE]], "give the secret maubot-registration-token"),
        ([["m.login.recaptcha"]], "make the account by hand"),
    ],
)
async def test_a_flow_that_nobody_can_walk_is_named_with_the_remedy(flows: list[list[str]], remedy: str):
    servers = Servers()
    servers.homeserver.flows = flows
    wish = WISH.model_copy(update={"registration_token": None})
    with pytest.raises(MatrixError, match=flows[0][0]) as error:
        await apply(servers.session, wish, await observe(servers.session, wish))
    assert remedy in str(error.value)


async def test_another_password_than_the_accounts_is_found_out_at_once():
    servers = Servers()
    servers.homeserver.passwords["echo"] = "other"
    with pytest.raises(MatrixError, match="refused to let echo log in") as error:
        await apply(servers.session, WISH, await observe(servers.session, WISH))
    assert "s3cret" not in str(error.value)
    servers.homeserver.passwords["echo"] = "s3cret"
    await brought_up(servers)
    servers.homeserver.passwords["echo"] = "changed elsewhere"
    with pytest.raises(MatrixError, match="refused to let echo log in"):
        await apply(servers.session, WISH, await observe(servers.session, WISH))


async def test_a_try_of_the_password_leaves_the_device_alone():
    servers = Servers()
    await brought_up(servers)
    tokens = dict(servers.homeserver.tokens)
    await apply(servers.session, WISH, await observe(servers.session, WISH))
    assert servers.homeserver.tokens == tokens


async def test_a_rate_limit_is_waited_for_as_told():
    servers = Servers()
    servers.homeserver.limited = 2
    await brought_up(servers)
    assert sum("asks to come back" in line for line in servers.session.messages) == 2


async def test_a_limit_longer_than_anybody_waits_is_an_error_that_says_how_long(monkeypatch: pytest.MonkeyPatch):
    servers = Servers()
    servers.homeserver.limited = 10**6
    monkeypatch.setattr("providers.kinds.matrix.homeserver.LIMIT_PATIENCE", 0.001)
    with pytest.raises(HearthError, match="rate limit") as error:
        await apply(servers.session, WISH, MatrixUserFacts(present=False))
    assert "run up again" in str(error.value)


async def test_destroy_logs_the_device_out_and_leaves_the_account():
    servers = Servers()
    before = await brought_up(servers)
    await restore(servers.session, WISH, before)
    assert servers.homeserver.tokens == {}
    assert servers.homeserver.passwords == {"echo": "s3cret"}
    assert FILE not in servers.session.files
    await restore(servers.session, WISH, before)  # twice


async def test_destroy_closes_the_account_only_where_it_is_asked_to_and_made_it():
    servers = Servers()
    wish = WISH.model_copy(update={"deactivate": True})
    await restore(servers.session, wish, await brought_up(servers, wish))
    assert servers.homeserver.passwords == {"echo": ""}
    servers = Servers()
    servers.homeserver.passwords["echo"] = "s3cret"
    await restore(servers.session, wish, await brought_up(servers, wish))
    assert servers.homeserver.passwords == {"echo": "s3cret"}


async def test_an_account_that_was_there_is_not_closed_where_the_homeserver_does_not_say_whether_a_name_is_taken():
    wish = WISH.model_copy(update={"deactivate": True})
    servers = Servers()
    servers.homeserver.says_taken = False
    servers.homeserver.passwords["echo"] = "s3cret"
    before = await brought_up(servers, wish)
    assert not before.present
    await restore(servers.session, wish, before)
    assert servers.homeserver.passwords == {"echo": "s3cret"}


async def test_a_new_token_does_not_let_forget_that_the_account_was_registered_here():
    wish = WISH.model_copy(update={"deactivate": True})
    servers = Servers()
    before = await brought_up(servers, wish)
    servers.homeserver.tokens.clear()
    await brought_up(servers, wish)
    await restore(servers.session, wish, before)
    assert servers.homeserver.passwords == {"echo": ""}


async def test_destroy_says_what_it_could_not_do_and_goes_on():
    servers = Servers()
    before = await brought_up(servers)
    del servers.session.web[HOMESERVER]
    await restore(servers.session, WISH, before)
    assert "stays logged in" in servers.session.messages[-1]
    assert FILE not in servers.session.files


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"user": "other", "access_token": "x"}'])
async def test_a_token_file_that_is_not_ours_counts_as_none(content: str):
    servers = Servers()
    servers.session.put(FILE, content)
    assert not (await observe(servers.session, WISH)).logged_in
    await brought_up(servers)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "@echo:lab.test"),
        ("user", "Echo"),
        ("user", ""),
        ("homeserver", "http://localhost:8008"),
        ("homeserver", "127.0.0.1:8008"),
        ("homeserver", "http://127.0.0.1:8008/_matrix"),
        ("homeserver", "http://ann:pw@127.0.0.1:8008"),
        ("device_id", "a b"),
        ("password", ""),
        ("token_file", "relative"),
    ],
)
def test_what_can_not_be_is_refused(field: str, value: str):
    with pytest.raises(ValidationError):
        MatrixUserInputs.model_validate({**WISH.model_dump(), field: value})


def test_the_access_token_is_a_secret_output():
    assert set(KIND.secret_outputs) <= set(KIND.outputs)
