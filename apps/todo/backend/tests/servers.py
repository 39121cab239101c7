"""What the application talks to, made for the tests; and the application itself as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from foundation_testing.postgres import free_port
from foundation_testing.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
PYTHONPATH = f"{ROOT}:{ROOT.parent.parent / 'foundation'}"
AUTH_SECRET = "canary-auth-secret-0123456789abcdef"
API_KEY = "canary-openai-key"


def completion(content: object) -> str:
    """Return what an API like OpenAI's answers, with `content` as the model's words."""
    words = content if isinstance(content, str) else json.dumps(content)
    message = {"role": "assistant", "content": words}
    return json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message}]})


class LanguageModel:
    """An API like OpenAI's on loopback; what it answers can be changed while it runs."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.reset()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", "0")))
                outer.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(content)))
                outer.may_answer.wait(60)
                time.sleep(outer.delay)
                body = outer.body.encode()
                try:
                    self.send_response(outer.status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    return  # the one who asked has given up

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def reset(self) -> None:
        """Be as at first."""
        self.body, self.status, self.delay = completion({"todos": []}), 200, 0.0
        self.asked.clear()
        self.may_answer.set()

    def says(self, *todos: Mapping[str, Any]) -> None:
        """Answer with these todos."""
        self.body = completion({"todos": list(todos)})

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()


class Process:
    """`python -m todo_backend`, with its log."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *command: str) -> None:
        self.port = int(environment.get("PORT") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"log-{self.port}-{time.monotonic_ns()}.txt"
        everything = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": PYTHONPATH,
            "AUTH_SECRET": AUTH_SECRET,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **environment,
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "todo_backend", *command],
                cwd=folder,
                env={name: value for name, value in everything.items() if value != "-"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_up(self, seconds: float = 180) -> Process:
        """Wait until it answers. Raises RuntimeError, with its log, where it ends first."""

        def answers() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended:\n{self.log.read_text()}")
            try:
                httpx.get(f"{self.url}/api/v1/health/live", timeout=5)
            except httpx.HTTPError:
                return False
            return True

        wait_until(answers, seconds, self.log.read_text)
        return self

    def client(self) -> httpx.Client:
        """Return a visitor's browser, as far as it matters: keeps cookies, and knows the address."""
        return httpx.Client(base_url=f"{self.url}/api/v1", timeout=30, trust_env=False)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def lines(self) -> list[dict[str, Any]]:
        """Return its log; every line has to be a JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]
