"""docs/truth.md is the one place of what was not shown.

Every document that speaks of such a thing leads there, and every stand-in of the lab is there.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from toolchain.versions import ROOT

TRUTH = ROOT / "docs" / "truth.md"
WORDS = re.compile(
    r"stand-in|not tried|neither was tried|untried|never run|never rolled out|never seen|not brought up yet"
    r"|can't be had|skipped in CI|elsewhere it is skipped|not measured here",
    re.IGNORECASE,
)
EXPLAIN = {
    "docs/glossary.md": "it says what the word means",
    "CONTRIBUTING.md": "it says what a stand-in has to be",
    "CHANGELOG.md": "it says what has changed",
}
"""Documents that have such a word and no such thing."""
STAND_IN = re.compile(r"stand[-_]?in|stands? in for", re.IGNORECASE)
SPEAK = {
    "lab/service.py": "of the Windows machine",
    "lab/lab.py": "of the Windows machine",
    "lab/images/tiny/Dockerfile": "of Ollama and the backend, which are made from it",
    "lab/systems/secondbrain/old_containers.py": "of Ollama and the backend, which it runs",
    "lab/systems/maubot/images/machine-matrix/Dockerfile": "of nixos-rebuild, for which it has Nix",
    "lab/systems/lxd/zerotier.py": "of ZeroTier's, which it lays on machines",
}
"""Files of the lab that have the word, are none themselves, and of which they speak."""


def documents() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    left_out = ("docs/adr/", "docs/truth.md", ".github/")
    return [path for path in listed.split() if not path.startswith(left_out) and path not in EXPLAIN]


def speaking() -> list[str]:
    return [path for path in documents() if WORDS.search((ROOT / path).read_text())]


def links(path: Path) -> set[Path]:
    """Return the files that a document leads to."""
    found = re.findall(r"\]\(([^)#\s]+)", path.read_text())
    return {(path.parent / link).resolve() for link in found if "://" not in link}


@pytest.mark.parametrize("path", speaking())
def test_a_document_that_speaks_of_what_was_not_shown_leads_to_the_truth_and_the_truth_to_it(path: str) -> None:
    document = ROOT / path
    assert TRUTH in links(document), (
        f"{path} says {WORDS.findall(document.read_text())} and has no link to docs/truth.md"
    )
    named = links(TRUTH)
    assert document in named or document.parent in named, f"docs/truth.md does not speak of {path}"


def test_some_documents_do_speak_of_it_and_those_that_only_explain_are_there() -> None:
    assert len(speaking()) > 4
    assert [path for path in EXPLAIN if not (ROOT / path).is_file()] == []


def test_what_the_truth_leads_to_is_there() -> None:
    assert [str(link) for link in links(TRUTH) if not link.exists()] == []


def stand_ins(files: dict[str, str]) -> set[str]:
    """Return which of these files, by path, are a stand-in or a part of one: their own words or their path say so."""
    return {path for path, text in files.items() if STAND_IN.search(path) or STAND_IN.search(text)} - set(SPEAK)


def of_the_lab() -> dict[str, str]:
    listed = subprocess.run(["git", "ls-files", "lab"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {path: (ROOT / path).read_text(errors="replace") for path in listed.split()}


def missing_from(told: set[Path], paths: set[str]) -> list[str]:
    """Return the paths to which, and to whose folders below lab/, nothing of what is told leads."""
    lab = ROOT / "lab"
    return sorted(
        path for path in paths if not {p for p in [ROOT / path, *(ROOT / path).parents] if lab in p.parents} & told
    )


def test_each_stand_in_of_the_lab_is_in_the_truth() -> None:
    found = stand_ins(of_the_lab())
    assert len(found) > 8
    assert missing_from(links(TRUTH), found) == [], "give it a row among the stand-ins of docs/truth.md, with a link"


def test_a_stand_in_without_its_row_is_noticed() -> None:
    files = {"lab/images/moon/Dockerfile": "# Stands in for the moon.", "lab/images/sun/Dockerfile": "# The sun."}
    assert missing_from(links(TRUTH), stand_ins(files)) == ["lab/images/moon/Dockerfile"]
    assert missing_from({ROOT / "lab" / "images" / "moon"}, stand_ins(files)) == []
    assert missing_from({ROOT / "lab"}, stand_ins(files)) == ["lab/images/moon/Dockerfile"]


@pytest.mark.parametrize("path", SPEAK)
def test_a_file_that_only_speaks_of_a_stand_in_does_so(path: str) -> None:
    assert STAND_IN.search((ROOT / path).read_text())
