"""A database over TLS, as hosted ones are: whose certificate is believed, and a pooler before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import quote

import httpx
import pytest

from foundation_testing.postgres import PASSWORD, Cluster, new_cluster, skip_or_fail
from tests.certificates import Authority
from tests.conftest import GOOD_PASSWORD, serving, settings
from tests.pooler import Pooler
from tests.servers import Process

Start = Callable[..., Process]
HOST = "localhost"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that signed nothing here."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def secure(authority: Authority) -> Iterator[Cluster]:
    """Yield a PostgreSQL that refuses who comes without TLS; its certificate is for `localhost`."""
    made = new_cluster()
    try:
        made.stop()
        certificate, key = authority.issue(HOST)
        files = made.write("server.crt", certificate), made.write("server.key", key)
        made.only_by_tls()
        made.start("ssl=on", f"ssl_cert_file={files[0]}", f"ssl_key_file={files[1]}")
        yield made
    finally:
        made.remove()


def address(secure: Cluster, parameters: str, host: str = HOST) -> str:
    return f"{secure.url().replace('127.0.0.1', host)}{parameters}"


async def state(url: str, **more: str) -> str:
    """Return what /health says of a database."""
    async with serving(settings(database_url=url, **more)) as application:
        return (await application.visitor().get("/health")).json()["checks"]["database"]


@pytest.mark.parametrize(
    "parameters",
    [
        # As Neon's page shows it.
        "?sslmode=require&channel_binding=require",
        "?sslmode=require",
        "?sslmode=prefer",
        "",
    ],
)
async def test_an_address_as_hosted_databases_show_it_is_taken_as_it_is(secure: Cluster, parameters: str) -> None:
    assert await state(address(secure, parameters)) in ("ok", "unmigrated")


async def test_without_tls_such_a_database_can_not_be_reached(secure: Cluster) -> None:
    assert await state(address(secure, "?sslmode=disable")) == "unreachable"


@pytest.mark.parametrize("parameters", ["?sslmode=verify-full", "?sslmode=verify-ca", "?sslmode=require", ""])
async def test_with_its_authority_the_database_is_believed_and_with_another_it_is_not(
    secure: Cluster, authority: Authority, stranger: Authority, parameters: str
) -> None:
    url = address(secure, parameters)
    assert await state(url, database_ca=authority.public) in ("ok", "unmigrated")
    assert await state(url, database_ca=stranger.public) == "unreachable"


async def test_an_authority_may_be_a_file_too(secure: Cluster, authority: Authority, stranger: Authority) -> None:
    url = address(secure, "?sslmode=verify-full&sslrootcert=")
    assert await state(url + quote(str(authority.file), safe="")) in ("ok", "unmigrated")
    assert await state(url + quote(str(stranger.file), safe="")) == "unreachable"


@pytest.mark.parametrize("root", ["", "&sslrootcert=system"])
async def test_without_an_authority_those_of_the_system_count(
    secure: Cluster, authority: Authority, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    url = address(secure, f"?sslmode=verify-full{root}")
    assert await state(url) == "unreachable"
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert await state(url) in ("ok", "unmigrated")


async def test_verify_full_looks_at_the_hosts_name_and_verify_ca_does_not(
    secure: Cluster, authority: Authority
) -> None:
    own = {"database_ca": authority.public}
    assert await state(address(secure, "?sslmode=verify-full", "127.0.0.1"), **own) == "unreachable"
    assert await state(address(secure, "?sslmode=verify-ca", "127.0.0.1"), **own) in ("ok", "unmigrated")


def test_a_migration_says_why_a_certificate_is_refused(process: Start, secure: Cluster, stranger: Authority) -> None:
    environment = {"DATABASE_URL": address(secure, "?sslmode=verify-full"), "MIGRATE_WAIT": "0", "AUTH_SECRET": "-"}
    refused = process({**environment, "DATABASE_CA": stranger.public}, "migrate")
    assert refused.process.wait(60) == 1
    assert "its certificate is refused: " in refused.lines()[-1]["reason"]


def test_a_migration_says_that_a_database_offers_no_tls(process: Start, new_database: str) -> None:
    environment = {"DATABASE_URL": f"{new_database}?sslmode=require", "MIGRATE_WAIT": "0", "AUTH_SECRET": "-"}
    refused = process(environment, "migrate")
    assert refused.process.wait(60) == 1
    assert "offers no TLS" in refused.lines()[-1]["reason"]


@pytest.fixture(scope="module")
async def pooler(cluster: Cluster, authority: Authority) -> AsyncIterator[Pooler]:
    """Yield what Neon puts before a database.

    PgBouncer, by TLS alone, each transaction on whichever connection is free.
    """
    if Pooler.program() is None:
        skip_or_fail("PgBouncer is not installed: apt install pgbouncer")
    made = Pooler(cluster, *authority.issue(HOST))
    try:
        made.start()
        yield made
    finally:
        made.remove()


async def test_behind_a_pooler_it_migrates_and_serves_many_at_once(
    process: Start, cluster: Cluster, pooler: Pooler, new_database: str
) -> None:
    name = new_database.rpartition("/")[2]
    url = f"postgresql://tests:{quote(PASSWORD, safe='')}@{HOST}:{pooler.port}/{name}"
    hosted = f"{url}?sslmode=require&channel_binding=require&pgbouncer=true"
    migrated = process({"DATABASE_URL": hosted, "AUTH_SECRET": "-"}, "migrate")
    assert migrated.process.wait(60) == 0
    served = process({"DATABASE_URL": hosted}).wait_until_up()
    with served.client() as visitor:
        account = {"email": "pooled@example.test", "password": GOOD_PASSWORD}
        assert visitor.post("/auth/register", json=account).status_code == 201
        for number in range(30):
            assert visitor.post("/todos", json={"title": f"number {number}"}).status_code == 201
        found: httpx.Response = visitor.get("/todos")
        assert found.json()["total"] == 30
    assert not [line for line in served.lines() if line["level"] == "error"]
