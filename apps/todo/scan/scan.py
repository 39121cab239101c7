"""A bill of materials of each half, and what of it is known to be vulnerable, by the packages that its image installs.

Both come from the lock files. What Debian's own packages in the images contain is not looked at: a new build takes
Debian's newest. Written: FOLDER/backend.cdx.json and FOLDER/frontend.cdx.json, in CycloneDX's format.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

APP = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent
SECONDS = 300


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    half: str
    what: str
    status: str
    seen: str


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool. What it says of its own failure is read by whoever asked."""
    try:
        return subprocess.run(
            [*map(str, command)], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess([*map(str, command)], 127, "", str(error))


def last_line(text: str) -> str:
    """Return the last line that says something; npm's last ones name its log."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and "complete log of this run" not in line]
    return next((line[:200] for line in reversed(lines) if " " in line), "it said nothing")


def npm(*words: str) -> list[str]:
    """Return a command of npm, of whatever Node.js the frontend's own tests use."""
    return ["bash", "-c", 'source ./node.sh && exec "${npm[@]}" "$@"', "npm", *words]


def bill(half: str, command: Sequence[str | Path], folder: Path, file: Path) -> Row:
    """Write a bill of materials."""
    done = run(command, folder)
    try:
        count = len(json.loads(done.stdout)["components"])
    except (ValueError, KeyError):
        return Row(half, "bill of materials", "FAIL", last_line(done.stderr or done.stdout))
    file.write_text(done.stdout)
    return Row(half, "bill of materials", "PASS" if count else "FAIL", f"{count} packages in {file.name}")


def audit_backend(arguments: Sequence[str]) -> Row:
    """Ask for known vulnerabilities of the Python packages."""
    words = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    command = [TOOLS / "pip-audit", "--requirement", "requirements.lock", *words, "--vulnerability-service", "osv"]
    done = run([*command, *arguments], APP / "backend")
    try:
        found = {
            f"{package['name']} {package['version']}: {', '.join(each['id'] for each in package['vulns'])}"
            for package in json.loads(done.stdout)["dependencies"]
            if package.get("vulns")
        }
    except (ValueError, KeyError):
        return Row("backend", "vulnerabilities", "SKIP", f"pip-audit can't reach its data: {last_line(done.stderr)}")
    return verdict("backend", found)


def audit_frontend(arguments: Sequence[str]) -> Row:
    """Ask for known vulnerabilities of the npm packages that are in the image."""
    done = run(npm("audit", "--omit=dev", "--package-lock-only", "--json", *arguments), APP / "frontend")
    said = last_line(done.stderr)
    try:
        answer = json.loads(done.stdout)
        said = answer.get("message", said)
        found = {f"{name}: {each['severity']}" for name, each in answer["vulnerabilities"].items()}
    except (ValueError, KeyError):
        return Row("frontend", "vulnerabilities", "SKIP", f"npm audit can't reach its data: {said}")
    return verdict("frontend", found)


def verdict(half: str, found: set[str]) -> Row:
    """Return a row that says what was found."""
    return Row(half, "vulnerabilities", "FAIL" if found else "PASS", "; ".join(sorted(found)) or "none known")


def main(arguments: Sequence[str]) -> int:
    """Run `scan.py FOLDER [--osv-url URL] [--npm-registry URL]`: 0 where nothing failed, 1 otherwise."""
    folder, rest = Path(arguments[0]).resolve(), list(arguments[1:])
    given = dict(zip(rest[::2], rest[1::2], strict=True))
    osv = ["--osv-url", given["--osv-url"]] if "--osv-url" in given else []
    registry = ["--registry", given["--npm-registry"]] if "--npm-registry" in given else []
    folder.mkdir(parents=True, exist_ok=True)
    python = [TOOLS / "cyclonedx-py", "requirements", "requirements.lock", "--output-format", "JSON"]
    node = npm("sbom", "--package-lock-only", "--omit", "dev", "--sbom-format", "cyclonedx")
    rows = [
        bill("backend", python, APP / "backend", folder / "backend.cdx.json"),
        bill("frontend", node, APP / "frontend", folder / "frontend.cdx.json"),
        audit_backend(osv),
        audit_frontend(registry),
    ]
    for row in rows:
        print(f"{row.half:9} {row.what:18} {row.status:5} {row.seen}")
    return 1 if any(row.status == "FAIL" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [str(APP / "scan" / "found")]))
