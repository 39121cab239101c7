"""How the application is: its database, the language model's server, and the mailbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from foundation.database import UNREACHABLE, reason
from foundation.logs import get_logger
from mail_assistant.config import Settings
from mail_assistant.services.config_service import ConfigService
from mail_assistant.services.llm_service import LLMAdapter, NoLLM, OllamaAdapter
from mail_assistant.services.mail_service import GmailAdapter
from mail_assistant.services.status import ServiceStatus, Status

CHECK_SECONDS = 3.0
ANSWER_SECONDS = 1.8
"""Who asks for the health has an answer within two seconds, whatever the services do."""
SETTINGS_SECONDS = 1.0
"""How long a check of another service waits for the database to tell its settings; then the last known ones hold."""

NAMES: Mapping[str, str] = {"db": "Database", "llm": "Language model", "mail": "Mail"}
PROBLEMS: Mapping[str, str] = {
    "db": "Settings unavailable — database unreachable",
    "llm": "AI features unavailable — LLM unreachable",
    "mail": "Mail unavailable — Gmail unreachable",
}
NO_MODEL = "AI features unavailable — the model is not installed"


@dataclass(frozen=True)
class Health:
    """The checks of one moment."""

    checks: Mapping[str, ServiceStatus]
    at: float = field(default_factory=time.monotonic)

    @property
    def degraded(self) -> bool:
        """Whether something that is configured does not answer."""
        return bool(self.problems)

    @property
    def status(self) -> str:
        return "degraded" if self.degraded else "ok"

    @property
    def problems(self) -> list[str]:
        """A line for each service that is away, for the banner."""
        found = [PROBLEMS[name] for name, check in self.checks.items() if check.status is Status.UNREACHABLE]
        return found + [NO_MODEL for check in self.checks.values() if check.status is Status.MODEL_NOT_FOUND]

    @property
    def without_model(self) -> str:
        """Why what needs the language model can't be done, in a sentence; empty where it can."""
        check = self.checks["llm"]
        if check.status is Status.OK:
            return ""
        if check.status is Status.UNREACHABLE:
            return "The language model is unreachable."
        return check.detail


class HealthService:
    """Checks what the application depends on. Many who ask at once share one round of checks."""

    def __init__(
        self, settings: Settings, sessions: async_sessionmaker[AsyncSession], client: httpx.AsyncClient
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._client = client
        self._config = ConfigService()
        self._gmail = GmailAdapter(settings)
        self._saved: dict[str, str | None] = {}
        self.latest: Health | None = None
        """What was seen last, however long ago."""
        self._round: asyncio.Task[Health] | None = None
        self._parts: dict[str, asyncio.Task[ServiceStatus]] = {}

    # The three checks, each by itself.

    async def check_db(self, session: AsyncSession) -> ServiceStatus:
        """Return whether the database answers."""
        try:
            await session.execute(text("SELECT 1"))
        except UNREACHABLE as error:
            return ServiceStatus.unreachable(f"PostgreSQL: {reason(error)}")
        return ServiceStatus.ok("PostgreSQL answers")

    async def check_llm(self, adapter: LLMAdapter) -> ServiceStatus:
        """Return whether the language model's server answers."""
        return await adapter.ping()

    async def check_mail(self, settings: Settings, fresh: bool = False) -> ServiceStatus:
        """Return whether the mailbox lets us in."""
        gmail = self._gmail if settings is self._settings else GmailAdapter(settings)
        return await gmail.ping(fresh)

    # What asks them.

    def forget(self) -> None:
        """Forget what is known, as settings have changed: the next who asks gets new checks."""
        self.latest = None
        self._round = None

    async def adapter(self, unsaved: Mapping[str, str | None] | None = None) -> LLMAdapter:
        """Return the language model's server as the settings have it; `unsaved` values of a form go first."""
        saved = {**await self._settings_now(), **(unsaved or {})}
        endpoint = saved.get("llm_endpoint") or self._settings.ollama_base_url
        if not endpoint:
            return NoLLM()
        return OllamaAdapter(endpoint, saved.get("llm_model"), self._client)

    async def check(self, name: str, unsaved: Mapping[str, str | None] | None = None) -> ServiceStatus:
        """Return one check now, with nothing remembered, within CHECK_SECONDS. Raises KeyError for an unknown name."""
        if name not in NAMES:
            raise KeyError(name)
        return await self._timed(name, self._check(name, unsaved, fresh=True))

    async def now(self, oldest: float = 1.0) -> Health:
        """Return all checks, not older than `oldest` seconds. Takes CHECK_SECONDS at most."""
        if self.latest and time.monotonic() - self.latest.at <= oldest:
            return self.latest
        # Shielded: one who asks and goes away must not cancel it for the others.
        return await asyncio.shield(self._begun())

    async def in_time(self) -> Health:
        """Check as `now` does, but after ANSWER_SECONDS a service that has not answered yet is unreachable."""
        if self.latest and time.monotonic() - self.latest.at <= 1.0:
            return self.latest
        begun = self._begun()
        done, _ = await asyncio.wait([begun], timeout=ANSWER_SECONDS)
        return begun.result() if done else Health({name: self._so_far(name) for name in NAMES})

    def _begun(self) -> asyncio.Task[Health]:
        """Return the round of checks that is under way, or a new one."""
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._run())
        return self._round

    def _so_far(self, name: str) -> ServiceStatus:
        part = self._parts.get(name)
        if part is not None and part.done() and not part.cancelled():
            return part.result()
        return ServiceStatus.unreachable(f"{NAMES[name]}: no answer within 2 s")

    async def soon(self, oldest: float = 5.0, patience: float = 0.5) -> Health | None:
        """Check as `now` does, but keep no page waiting: after `patience` seconds, return what is known."""
        try:
            async with asyncio.timeout(patience):
                return await self.now(oldest)
        except TimeoutError:
            return self.latest

    async def ready(self) -> ServiceStatus:
        """Return whether requests can be served: whether the database answers."""
        return (await self.in_time()).checks["db"]

    async def close(self) -> None:
        """End a round that is under way."""
        under_way = [task for task in (self._round, *self._parts.values()) if task and not task.done()]
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)

    async def _run(self) -> Health:
        self._parts = {name: asyncio.create_task(self._timed(name, self._check(name))) for name in NAMES}
        results = await asyncio.gather(*self._parts.values())
        health = Health(dict(zip(NAMES, results, strict=True)))
        if self._round is asyncio.current_task():
            self.latest = health
        return health

    async def _check(
        self, name: str, unsaved: Mapping[str, str | None] | None = None, fresh: bool = False
    ) -> ServiceStatus:
        if name == "db":
            async with self._sessions() as session:
                return await self.check_db(session)
        if name == "llm":
            return await self.check_llm(await self.adapter(unsaved))
        return await self.check_mail(self._settings, fresh)

    async def _timed(self, name: str, check: Awaitable[ServiceStatus]) -> ServiceStatus:
        started = time.monotonic()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                result = await check
        except TimeoutError:
            result = ServiceStatus.unreachable(f"{NAMES[name]}: no answer within {CHECK_SECONDS:.0f} s")
        except UNREACHABLE as error:
            result = ServiceStatus.unreachable(f"{NAMES[name]}: {reason(error)}")
        seconds = round(time.monotonic() - started, 3)
        get_logger().info("health_check", service=name, status=result.status, detail=result.for_log, seconds=seconds)
        return result

    async def _settings_now(self) -> dict[str, str | None]:
        try:
            async with asyncio.timeout(SETTINGS_SECONDS), self._sessions() as session:
                self._saved = await self._config.get_all(session)
        except UNREACHABLE:
            pass  # check_db says it; the last known settings hold
        return self._saved
