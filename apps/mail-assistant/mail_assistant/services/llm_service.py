"""The language model's server, behind an adapter: the rest of the application knows none by name."""

from __future__ import annotations

import json
import shlex
from abc import ABC, abstractmethod
from typing import Any

import httpx

from mail_assistant.services.outbound import NotAsked
from mail_assistant.services.status import ServiceStatus

PING_SECONDS = 3
GENERATE_SECONDS = 110
"""A small computer writes some words a second."""
LARGEST_ANSWER = 1024 * 1024
"""Bytes of an answer that are read; a list of models is far smaller."""
AWAY = (
    "Ollama does not answer there. Does it run, and is the address right? "
    "On a private network, only the address in OLLAMA_BASE_URL is asked."
)
"""Whatever it was that answered or did not: who may try addresses must learn nothing about other machines."""


class ModelAway(Exception):
    """The model gave no answer. Its text is for the log."""


class LLMAdapter(ABC):
    """A server of language models."""

    @abstractmethod
    async def ping(self) -> ServiceStatus:
        """Return whether it answers and has the model. Raises nothing for a server that does not."""

    @abstractmethod
    async def generate(self, prompt: str) -> str:
        """Return what the model makes of a prompt. Raises ModelAway where it gives no answer."""


class NoLLM(LLMAdapter):
    """There is none."""

    async def ping(self) -> ServiceStatus:
        return ServiceStatus.unconfigured("No address yet: set the LLM endpoint, or OLLAMA_BASE_URL")

    async def generate(self, prompt: str) -> str:
        raise ModelAway("no address is set")


def why(error: httpx.HTTPError) -> str:
    """Say in a few words why a server did not answer. Holds no address. For the log, and for our own servers."""
    if isinstance(error, NotAsked):
        return "its address is a private one, and not the configured one"
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    if isinstance(error, httpx.ConnectError):
        text = str(error).lower()
        if "name" in text or "address associated" in text:
            return "its name is unknown on this network"
        return "nothing accepts connections there"
    return f"the conversation broke off ({type(error).__name__})"


class OllamaAdapter(LLMAdapter):
    """Ollama, at `base_url`, asked through `client`; `model` is the one that is wanted, if any."""

    def __init__(self, base_url: str, model: str | None, client: httpx.AsyncClient) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._client = client

    async def ping(self) -> ServiceStatus:
        try:
            body = await self._ask("GET", "/api/tags", PING_SECONDS)
            names = [str(model["name"]) for model in body["models"]]
        except ModelAway as error:
            return ServiceStatus.unreachable(AWAY, str(error))
        except (KeyError, TypeError):
            return ServiceStatus.unreachable(AWAY, "its answer is not Ollama's")
        count = f"{len(names)} model{'' if len(names) == 1 else 's'}"
        if self.model and self.model not in {*names, *(name.removesuffix(":latest") for name in names)}:
            command = f"ollama pull {shlex.quote(self.model)}"
            return ServiceStatus.model_not_found(f"Ollama answers, but lacks {self.model}. Where it runs: {command}")
        return ServiceStatus.ok(f"Ollama answers ({count})")

    async def generate(self, prompt: str) -> str:
        if not self.model:
            raise ModelAway("no model is chosen")
        content = {"model": self.model, "prompt": prompt, "stream": False}
        try:
            return str((await self._ask("POST", "/api/generate", GENERATE_SECONDS, content))["response"]).strip()
        except (KeyError, TypeError):
            raise ModelAway("its answer is not Ollama's") from None

    async def _ask(self, method: str, path: str, seconds: float, content: object = None) -> Any:
        """Return what it answers, read as JSON. Raises ModelAway for anything else."""
        body = bytearray()
        try:
            async with self._client.stream(
                method, f"{self.base_url}{path}", timeout=httpx.Timeout(seconds, connect=PING_SECONDS), json=content
            ) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise ModelAway(f"it answered with the status {answer.status_code}")
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        raise ModelAway("its answer is too long for Ollama's")
            return json.loads(body)
        except httpx.HTTPError as error:
            raise ModelAway(why(error)) from error
        except (httpx.InvalidURL, UnicodeError):
            raise ModelAway("its address can't be used") from None
        except (ValueError, RecursionError):
            raise ModelAway("its answer is not Ollama's") from None
