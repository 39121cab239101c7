"""docs/truth.md is the one place of what was not shown: every document that speaks of such a thing leads there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from toolchain.versions import ROOT

TRUTH = ROOT / "docs" / "truth.md"
WORDS = re.compile(
    r"stand-in|not tried|untried|never run|never rolled out|never seen|not brought up yet|can't be had|skipped in CI"
    r"|elsewhere it is skipped",
    re.IGNORECASE,
)
EXPLAIN = {
    "docs/glossary.md": "it says what the word means",
    "CONTRIBUTING.md": "it says what a stand-in has to be",
    "CHANGELOG.md": "it says what has changed",
}
"""Documents that have such a word and no such thing."""


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
