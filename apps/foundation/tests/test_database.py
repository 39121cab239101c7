"""PostgreSQL: waiting for it, and how its failures are told apart. Against a real one."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine
from tenacity import RetryCallState, stop_after_attempt, wait_none

from foundation.database import UNREACHABLE, NoAnswer, create_engine, reason, wait_for_answer
from foundation_testing.postgres import Cluster, free_port, new_cluster, temporary_database


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = new_cluster()
    yield made
    made.remove()


def engine_of(url: str, **options: float) -> AsyncEngine:
    where = make_url(url).set(drivername="postgresql+asyncpg")
    return create_engine(where, "tests", **{"connect_seconds": 3, "pool_seconds": 3, **options})  # pyright: ignore


async def reason_of(url: str) -> str:
    engine = engine_of(url)
    try:
        async with engine.connect():
            return "it answered"
    except UNREACHABLE as error:
        return reason(error)
    finally:
        await engine.dispose()


async def test_why_a_database_does_not_answer_is_told_without_its_address(cluster: Cluster) -> None:
    good = cluster.url()
    assert await reason_of(good) == "it answered"
    assert await reason_of(cluster.url("no_such")) == "the database does not exist"
    assert await reason_of(good.replace("tests:", "tests:x")) == "user or password refused"
    assert await reason_of(good.replace("tests:", "nobody:")) == "user or password refused"
    assert await reason_of(good.replace(str(cluster.port), str(free_port()))) == "connection refused"
    unknown = await reason_of(good.replace("127.0.0.1", "no-such-host.invalid"))
    assert unknown == "can't be reached (gaierror)"


def test_a_refused_certificate_and_a_server_without_tls_are_told_apart() -> None:
    refused = ssl.SSLCertVerificationError(1, "x")
    refused.verify_message = "self-signed certificate"
    assert reason(refused) == "its certificate is refused: self-signed certificate"
    assert "no TLS" in reason(ConnectionError("PostgreSQL server rejected SSL upgrade"))


async def test_the_server_lists_the_connection_under_the_services_name(cluster: Cluster) -> None:
    async with temporary_database(cluster) as name:
        engine = engine_of(cluster.url(name))
        async with engine.connect() as connection:
            assert await connection.scalar(text("SHOW application_name")) == "tests"
        await engine.dispose()


async def test_a_statement_that_takes_too_long_is_given_up(cluster: Cluster) -> None:
    engine = engine_of(cluster.url(), statement_seconds=0.5)
    started = time.monotonic()
    with pytest.raises(UNREACHABLE) as caught:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))
    assert time.monotonic() - started < 10
    assert reason(caught.value) == "no answer in time"
    await engine.dispose()


async def test_waiting_returns_what_the_first_try_that_succeeds_returned() -> None:
    failures: list[str] = []
    tries = iter([ConnectionRefusedError(), TimeoutError(), 42])

    async def ask() -> int:
        found = next(tries)
        if isinstance(found, BaseException):
            raise found
        return found

    def report(state: RetryCallState, error: BaseException) -> None:
        failures.append(f"{state.attempt_number} {reason(error)}")

    assert await wait_for_answer(lambda: ask(), stop=stop_after_attempt(3), wait=wait_none(), report=report) == 42
    assert failures == ["1 connection refused", "2 no answer in time"]


async def test_waiting_ends_with_the_last_tries_reason() -> None:
    async def ask() -> None:
        raise ConnectionRefusedError

    with pytest.raises(NoAnswer, match="connection refused") as caught:
        await wait_for_answer(ask, stop=stop_after_attempt(2), wait=wait_none(), report=lambda *_: None)
    assert isinstance(caught.value.cause, ConnectionRefusedError)


async def test_a_mistake_of_ours_is_not_waited_for() -> None:
    tries = 0

    async def ask() -> None:
        nonlocal tries
        tries += 1
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await wait_for_answer(ask, stop=stop_after_attempt(5), wait=wait_none(), report=lambda *_: None)
    assert tries == 1
