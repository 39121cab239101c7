"""A real PostgreSQL, the application inside the tests' own process, and as a process of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from foundation import logs
from foundation_testing.postgres import Cluster, new_cluster, temporary_database
from tests.servers import API_KEY, AUTH_SECRET, LanguageModel, Process
from todo_backend import schema
from todo_backend.about import SERVICE
from todo_backend.accounts import COOKIE
from todo_backend.config import MigrationSettings, Settings
from todo_backend.main import create_app, wrapped
from todo_backend.models import User

HOST = "todo.example"
GOOD_PASSWORD = "correct horse battery"
# The model of the tests is on this machine, whatever proxy the machine uses.
os.environ["NO_PROXY"] = "127.0.0.1"


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    """Yield a running PostgreSQL, with a database `migrated` that others are copied from."""
    made = new_cluster()
    try:
        await _make_template(made)
        yield made
    finally:
        made.remove()


async def _make_template(cluster: Cluster) -> None:
    admin = await cluster.connect()
    await admin.execute("CREATE DATABASE migrated")
    await admin.close()
    await schema.migrate(MigrationSettings(database_url=cluster.url("migrated")))  # pyright: ignore[reportArgumentType]


@pytest.fixture
async def empty_database(cluster: Cluster) -> AsyncIterator[str]:
    """Yield a database without tables; its address."""
    async with temporary_database(cluster) as name:
        yield cluster.url(name)


@pytest.fixture
async def new_database(cluster: Cluster) -> AsyncIterator[str]:
    """Yield a database with empty tables, for what has to be alone in it; its address."""
    async with temporary_database(cluster, "migrated") as name:
        yield cluster.url(name)


@pytest.fixture(scope="session")
async def _shared_database(cluster: Cluster) -> AsyncIterator[tuple[str, asyncpg.Connection[Any]]]:
    async with temporary_database(cluster, "migrated") as name:
        connection = await cluster.connect(name)
        yield cluster.url(name), connection
        await connection.close()


@pytest.fixture
async def database(_shared_database: tuple[str, asyncpg.Connection[Any]]) -> str:
    """Return a database with empty tables; its address. Emptying one takes a hundredth of making one."""
    url, connection = _shared_database
    await connection.execute("TRUNCATE users, sessions, todos, attempts")
    return url


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """Yield a PostgreSQL that the test may stop."""
    made = new_cluster()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def _shared_model() -> Iterator[LanguageModel]:
    made = LanguageModel()
    yield made
    made.close()


@pytest.fixture
def model(_shared_model: LanguageModel) -> LanguageModel:
    """Return a server that answers as OpenAI's API does."""
    _shared_model.reset()
    return _shared_model


def settings(**values: Any) -> Settings:
    """Return settings from these values alone, and an AUTH_SECRET: no environment."""

    class OnlyGiven(Settings):
        @classmethod
        def settings_customise_sources(cls, *_: Any, init_settings: Any, **__: Any) -> tuple[Any, ...]:
            return (init_settings,)

    return OnlyGiven(**{"auth_secret": AUTH_SECRET, **values})


class Visitor:
    """A browser's part of a conversation: keeps its cookies, and says where its page came from."""

    def __init__(self, app: FastAPI, **headers: str) -> None:
        self.app = app
        transport = httpx.ASGITransport(wrapped(app), raise_app_exceptions=False)
        self.client = httpx.AsyncClient(
            transport=transport, base_url=f"http://{HOST}/api/v1", headers={"origin": f"http://{HOST}", **headers}
        )
        self.get, self.post, self.patch = self.client.get, self.client.post, self.client.patch
        self.delete, self.request = self.client.delete, self.client.request

    async def register(self, email: str = "ada@example.test", password: str = GOOD_PASSWORD) -> Visitor:
        answer = await self.post("/auth/register", json={"email": email, "password": password})
        assert answer.status_code == 201, answer.text
        return self

    async def add(self, title: str, **more: Any) -> dict[str, Any]:
        answer = await self.post("/todos", json={"title": title, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def titles(self, **query: Any) -> list[str]:
        answer = await self.get("/todos", params=query)
        assert answer.status_code == 200, answer.text
        return [todo["title"] for todo in answer.json()["items"]]


class Application:
    """The application in this process, and its visitors."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def visitor(self, **headers: str) -> Visitor:
        """Somebody who is not signed in."""
        return Visitor(self.app, **headers)


@asynccontextmanager
async def serving(chosen: Settings) -> AsyncIterator[Application]:
    """Yield the application, started, in this process."""
    app = create_app(chosen)
    async with app.router.lifespan_context(app):
        yield Application(app)


@pytest.fixture(scope="session")
def _shared_settings(_shared_database: tuple[str, asyncpg.Connection[Any]], _shared_model: LanguageModel) -> Settings:
    return settings(
        database_url=_shared_database[0],
        openai_api_key=API_KEY,
        openai_base_url=_shared_model.url,
        environment="tests",
    )


@pytest.fixture
def chosen(_shared_settings: Settings, database: str, model: LanguageModel) -> Settings:
    """Return settings of an application with database and assistant."""
    return _shared_settings


@pytest.fixture(scope="session")
async def _shared_application(_shared_settings: Settings) -> AsyncIterator[Application]:
    async with serving(_shared_settings) as made:
        yield made


@pytest.fixture
def application(_shared_application: Application, chosen: Settings) -> Application:
    """Return a running application, without a visitor's trace."""
    return _shared_application


@pytest.fixture(scope="session")
async def _known_hash(_shared_application: Application) -> str:
    return await _shared_application.app.state.accounts._passwords.hash(GOOD_PASSWORD)


async def signed_in(application: Application, email: str, known_hash: str) -> Visitor:
    """Somebody who is signed in, without the time that hashing a password takes."""
    state, visitor = application.app.state, application.visitor()
    async with state.sessions() as session:
        user = User(email=email, password_hash=known_hash)
        session.add(user)
        await session.flush()
        visitor.client.cookies.set(COOKIE, await state.accounts._open(session, user.id), domain=HOST)
        await session.commit()
    return visitor


@pytest.fixture
async def ada(application: Application, _known_hash: str) -> Visitor:
    """Somebody who is signed in."""
    return await signed_in(application, "ada@example.test", _known_hash)


@pytest.fixture
async def grace(application: Application, _known_hash: str) -> Visitor:
    """Somebody else who is signed in."""
    return await signed_in(application, "grace@example.test", _known_hash)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    yield
    logs.configure(SERVICE, "WARNING")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start the application as a process; all are ended with the test."""
    started: list[Process] = []

    def start(environment: Mapping[str, str], *command: str) -> Process:
        started.append(Process(tmp_path, environment, *command))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
