"""Every Python example in docs/resources.md runs, and every resource in it passes the provider's own check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import mocks, set_all_config

from providers.kinds.table import all_kinds
from providers.plugin.values import Properties
from providers.plugin.verbs import Verbs
from tests.unit.recording import Recorder

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "resources.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
OUTPUTS = {"hearth:matrix:MatrixUser": {"userId": "@echo-bot:example.org", "accessToken": "canary"}}
"""Outputs that another example's input is made from."""
VERBS = {kind.token: Verbs(kind) for kind in all_kinds()}


class Checker(Recorder):
    """Checks each resource as the provider would."""

    def __init__(self) -> None:
        super().__init__(lambda token, _name, _inputs: OUTPUTS.get(token, {}))
        self.failures: list[tuple[str, str]] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        given = {name: _plain(value) for name, value in args.inputs.items() if value is not None}
        self.failures += VERBS[args.typ].desired.check(Properties(given))[1]
        return super().new_resource(args)


def _plain(value: Any) -> Any:
    """Unwrap a secret, which arrives wrapped."""
    return value["value"] if isinstance(value, dict) and "value" in value else value


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_of_the_document_runs_and_is_valid(number: int):
    set_all_config({"hearth:smb-password": "canary"}, ["hearth:smb-password"])
    checker = Checker()
    checker.run(lambda: exec(compile(EXAMPLES[number], f"example {number}", "exec"), {"__name__": "__main__"}))
    assert checker.failures == []


def test_every_kind_is_shown_in_the_document():
    text = DOCUMENT.read_text()
    assert [kind.name for kind in all_kinds() if kind.name not in text] == []


def test_no_line_of_the_documents_is_longer_than_130_characters():
    """But for a row of a table, which Markdown has on one line, and for what is set as it is (four blanks)."""
    too_long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "apps").glob("*/*.md")])
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 130 and not line.startswith(("|", "    "))
    ]
    assert too_long == []


@pytest.mark.parametrize("key", ["core", "secondbrain", "todo"])
def test_every_test_that_a_systems_page_names_is_there(key: str):
    page = (ROOT / "docs" / "systems" / f"{key}.md").read_text()
    table = page.partition("## The project's own acceptance")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z0-9]+_[a-z0-9_]+)(?:\.\.\.)?`", table)
    assert named
    sources = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("apps/**/tests/test_*.py")]
    there = set(re.findall(r"def test_(\w+)", "".join(path.read_text() for path in sources)))
    assert [name for name in named if not any(each.startswith(name) for each in there)] == []
