"""The language model's server, behind an adapter: the rest of the application knows none by name."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

import httpx

from mail_assistant.services.status import ServiceStatus

PING_SECONDS = 3
LARGEST_ANSWER = 1024 * 1024
"""Bytes of an answer that are read; a list of models is far smaller."""


class LLMAdapter(ABC):
    """A server of language models."""

    @abstractmethod
    async def ping(self) -> ServiceStatus:
        """Whether it answers. Raises nothing for a server that does not."""


class NoLLM(LLMAdapter):
    """There is none."""

    async def ping(self) -> ServiceStatus:
        return ServiceStatus.unconfigured("No address yet: set the LLM endpoint, or OLLAMA_BASE_URL")


def why(error: httpx.HTTPError) -> str:
    """In a few words, why a server did not answer. Holds no address."""
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    if isinstance(error, httpx.ConnectError):
        text = str(error).lower()
        if "name" in text or "address associated" in text:
            return "its name is unknown on this network"
        return "nothing accepts connections there"
    return f"the conversation broke off ({type(error).__name__})"


class OllamaAdapter(LLMAdapter):
    """Ollama, at `base_url`; `model` is the one that is wanted, if any."""

    def __init__(self, base_url: str, model: str | None = None, client: httpx.AsyncClient | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._client = client

    async def ping(self) -> ServiceStatus:
        # A server in the house is not behind the proxy that the environment may name.
        client = self._client or httpx.AsyncClient(trust_env=False)
        try:
            return await self._ask(client)
        except httpx.HTTPError as error:
            return ServiceStatus.unreachable(f"Ollama is unreachable: {why(error)}")
        except (httpx.InvalidURL, UnicodeError):
            return ServiceStatus.unreachable("Ollama is unreachable: its address can't be used")
        finally:
            if self._client is None:
                await client.aclose()

    async def _ask(self, client: httpx.AsyncClient) -> ServiceStatus:
        body = bytearray()
        async with client.stream("GET", f"{self.base_url}/api/tags", timeout=PING_SECONDS) as answer:
            if answer.status_code != httpx.codes.OK:
                return ServiceStatus.unreachable(f"Something answers with {answer.status_code}: is that Ollama?")
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LARGEST_ANSWER:
                    return ServiceStatus.unreachable("Something answers at length, but not as Ollama does")
        return self._read(bytes(body))

    def _read(self, body: bytes) -> ServiceStatus:
        try:
            content: Any = json.loads(body)
            names = [str(model["name"]) for model in content["models"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return ServiceStatus.unreachable("Something answers, but not as Ollama does")
        count = f"{len(names)} model{'' if len(names) == 1 else 's'}"
        if self.model and self.model not in {*names, *(name.removesuffix(":latest") for name in names)}:
            return ServiceStatus.ok(f"Ollama answers ({count}), but has not pulled {self.model}")
        return ServiceStatus.ok(f"Ollama answers ({count})")
