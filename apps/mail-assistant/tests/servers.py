"""What the application talks to, made for the tests; and the application itself as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from foundation_testing.postgres import free_port
from foundation_testing.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
PYTHONPATH = f"{ROOT}:{ROOT.parent / 'foundation'}"
SECRET_KEY = "canary-secret-key-0123456789"


class Answers:
    """A web server on loopback that answers everything the same way; what, can be changed while it runs."""

    def __init__(self, body: str = "{}", status: int = 200, delay: float = 0.0) -> None:
        self.body, self.status, self.delay = body, status, delay
        self.headers: Mapping[str, str] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                outer.asked.append(f"{self.command} {self.path} {self.rfile.read(length).decode()}".strip())
                time.sleep(outer.delay)
                content = outer.body.encode()
                try:
                    self.send_response(outer.status)
                    self.send_header("content-length", str(len(content)))
                    for name, value in outer.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    return  # the one who asked has given up

            do_GET = do_POST = _answer

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def models(*names: str) -> str:
    """Return what Ollama says under /api/tags."""
    return json.dumps({"models": [{"name": name} for name in names]})


class Process:
    """`python -m mail_assistant`, with its log."""

    def __init__(self, folder: Path, environment: Mapping[str, str], port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"log-{self.port}-{time.monotonic_ns()}.txt"
        everything = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": PYTHONPATH,
            "SECRET_KEY": SECRET_KEY,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **environment,
        }
        with self.log.open("w") as log:
            # A folder of its own: no .env of the developer's is read.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mail_assistant"],
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
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    return True
            except OSError:
                return False

        wait_until(answers, seconds, self.log.read_text)
        return self

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/health", timeout=10) as answer:
            return json.load(answer)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def lines(self) -> list[dict[str, Any]]:
        """Return its log; every line has to be a JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]
