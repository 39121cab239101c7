"""An API server of a cluster in a few lines: answers what it is given, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml


class FakeApiServer:
    """Answers by path; `asked` are the requests that came, as `GET /api`."""

    def __init__(self, folder: Path, answers: Mapping[str, tuple[int, Any]]) -> None:
        self.answers = {"/api": (200, {"versions": ["v1"]}), **answers}
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.hosts: list[str] = []
        self.kubeconfig = folder / "kubeconfig"
        self.address = ""

    def write_kubeconfig(self, address: str) -> None:
        """Write a kubeconfig with one context, `trial`."""
        self.address = address
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "trial", "cluster": {"server": address}}],
            "users": [{"name": "trial", "user": {"token": "canary-token"}}],
            "contexts": [{"name": "trial", "context": {"cluster": "trial", "user": "trial"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))


@contextlib.contextmanager
def fake_api_server(folder: Path, **answers: tuple[int, Any]) -> Iterator[FakeApiServer]:
    """Yield one that runs; further answers are added to its `answers`."""
    made = FakeApiServer(folder, answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            made.asked.append(f"GET {path}")
            made.tokens.append(self.headers.get("Authorization", ""))
            made.hosts.append(self.headers.get("Host", ""))
            status, content = made.answers.get(path, (404, {"message": "not found"}))
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    made.write_kubeconfig(f"http://127.0.0.1:{server.server_address[1]}")
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
