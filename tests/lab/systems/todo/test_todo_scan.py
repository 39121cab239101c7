"""What is in the todo app's images, and what of it is known to be vulnerable: the scan, with its data and without."""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab import Lab
from lab.docker import cli
from lab.systems.todo.images import PARTS, build
from toolchain.versions import ROOT

SCAN = ROOT / "apps/todo/scan.sh"
COMPILED_ANEW = """
import os, sys, uvicorn
from todo_backend import config, main, schema, server
uvicorn.Config(main.create_app(config.Settings())).load()
kept = {name: getattr(module, "__cached__", None) for name, module in sys.modules.items()}
print(*sorted(name for name, path in kept.items() if path and not os.path.exists(path)))
"""
"""Prints what of a start has no bytecode in the image, and is compiled by each start."""
MEGABYTE = 1_000_000  # bytes
LARGEST = 250  # megabytes of an image


class Advisories(BaseHTTPRequestHandler):
    """Answers as OSV and as npm's registry do: fastapi and next are vulnerable, all else is fine."""

    vulnerable = True

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(gzip.decompress(sent) if self.headers["Content-Encoding"] == "gzip" else sent)
        if self.path == "/osv":
            name = asked["package"]["name"]
            found = [{"id": "TEST-1", "affected": [], "modified": "2026-01-01T00:00:00Z", "summary": "made up"}]
            answer: object = {"vulns": found} if name == "fastapi" and type(self).vulnerable else {}
        else:
            one = {"id": 1, "title": "made up", "severity": "high", "vulnerable_versions": "*", "url": "test"}
            answer = {"next": [one]} if type(self).vulnerable else {}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        # npm wants to know what else there is of a vulnerable package, and would try for a minute.
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture(scope="module")
def advisories() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Advisories)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def scan(folder: Path, address: str) -> tuple[int, list[str]]:
    """Return the code and the lines of a scan that asks for its data at an address."""
    command = [SCAN, folder, "--osv-url", f"{address}/osv", "--npm-registry", f"{address}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def row(found: list[str], half: str) -> str:
    (line,) = (line for line in found if line.startswith(half) and " vulnerabilities " in line)
    return line


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory, advisories: str) -> tuple[Path, int, list[str]]:
    """Return the folder, the code and the lines of a scan that finds something."""
    folder = tmp_path_factory.mktemp("scanned")
    return folder, *scan(folder, advisories)


def test_the_bills_of_materials_name_what_the_images_install(scanned: tuple[Path, int, list[str]]) -> None:
    folder, _, _ = scanned
    for half, package in (("backend", "fastapi"), ("frontend", "next")):
        bill = json.loads((folder / f"{half}.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        versions = {each["name"]: each["version"] for each in bill["components"]}
        assert versions[package]
        # What only tests need is in no image.
        assert "pytest" not in versions
        assert "vitest" not in versions


def test_a_known_vulnerability_fails_the_scan_by_name(scanned: tuple[Path, int, list[str]]) -> None:
    _, code, found = scanned
    assert code == 1
    assert "FAIL" in row(found, "backend")
    assert "fastapi" in row(found, "backend")
    assert "TEST-1" in row(found, "backend")
    assert "next: high" in row(found, "frontend")


def test_without_a_known_vulnerability_the_scan_passes(
    tmp_path: Path, advisories: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Advisories, "vulnerable", False)
    code, found = scan(tmp_path, advisories)
    assert code == 0
    assert "PASS" in row(found, "backend")
    assert "PASS" in row(found, "frontend")


def test_data_that_can_not_be_reached_is_a_skip_that_says_so(tmp_path: Path) -> None:
    code, found = scan(tmp_path, "http://127.0.0.1:9")
    assert code == 0
    for half, tool in (("backend", "pip-audit"), ("frontend", "npm audit")):
        assert "SKIP" in row(found, half)
        assert f"{tool} can't reach its data" in row(found, half)


@pytest.mark.parametrize("part", PARTS)
def test_each_image_is_smaller_than_250_megabytes(lab: Lab, part: str) -> None:
    found = cli.inspect("image", build(lab, part))
    assert found is not None
    print(f"todo-{part}: {found['Size'] / MEGABYTE:.0f} MB")
    assert found["Size"] < LARGEST * MEGABYTE


def test_a_start_of_the_backend_compiles_nothing(lab: Lab) -> None:
    given = ("--env", "DATABASE_URL=postgresql://ada:secret@127.0.0.1/todo", "--env", f"AUTH_SECRET={'x' * 32}")
    answer = cli.docker("run", "--rm", *given, build(lab, "backend"), "python", "-c", COMPILED_ANEW)
    assert answer.stdout.split() == []
