"""A real PostgreSQL, the application inside the tests' own process, and as a process of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from foundation import logs
from foundation_testing.postgres import Cluster, new_cluster, temporary_database
from mail_assistant.about import SERVICE
from mail_assistant.config import Settings
from mail_assistant.main import create_app, wrapped
from tests.servers import SECRET_KEY, Answers, Process, models


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Yield a running PostgreSQL."""
    made = new_cluster()
    yield made
    made.remove()


@pytest.fixture
async def database(cluster: Cluster) -> AsyncIterator[str]:
    """Yield an empty database; its name."""
    async with temporary_database(cluster) as name:
        yield name


@pytest.fixture
def ollama() -> Iterator[Answers]:
    """Yield a server that answers as Ollama does."""
    made = Answers(models("llama3.2:1b", "phi3:latest"))
    yield made
    made.close()


class OnlyGiven(Settings):
    """Settings from the values that are given alone: no environment, no file."""

    @classmethod
    def settings_customise_sources(cls, *_: Any, init_settings: Any, **__: Any) -> tuple[Any, ...]:
        return (init_settings,)


def settings(**values: Any) -> Settings:
    """Return settings from these values, a SECRET_KEY, and this machine alone to come."""
    return OnlyGiven(**{"secret_key": SECRET_KEY, "host": "127.0.0.1", **values})


class Visitor:
    """A browser's part of a conversation: keeps the cookie and sends the form's token back."""

    def __init__(self, client: httpx.AsyncClient, app: FastAPI) -> None:
        self.client, self.app = client, app

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def token(self) -> str:
        """Return the token of the page Config."""
        found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', (await self.client.get("/config")).text)
        assert found, "the page Config has no token"
        return found[1]

    async def post(self, path: str, data: Mapping[str, Any] | None = None, **options: Any) -> httpx.Response:
        return await self.client.post(path, data={"csrf_token": await self.token(), **(data or {})}, **options)


@asynccontextmanager
async def serving(chosen: Settings, base_url: str = "http://localhost:8000") -> AsyncIterator[Visitor]:
    """Yield the application, started, in this process."""
    app = create_app(chosen)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(wrapped(app), raise_app_exceptions=False)
        headers = {"accept": "text/html"}
        async with httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers) as client:
            yield Visitor(client, app)


@pytest.fixture
def chosen(cluster: Cluster, database: str, ollama: Answers) -> Settings:
    """Return settings of an application with database and Ollama."""
    known = {name.lower(): value for name, value in cluster.environment(database).items()}
    return settings(**known, ollama_base_url=ollama.url)


@pytest.fixture
async def visitor(chosen: Settings) -> AsyncIterator[Visitor]:
    """Yield a visitor of a running application."""
    async with serving(chosen) as made:
        yield made


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    yield
    logs.configure(SERVICE, "WARNING")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start the application as a process; all are ended with the test."""
    started: list[Process] = []

    def start(environment: Mapping[str, str], port: int | None = None) -> Process:
        started.append(Process(tmp_path, environment, port))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
