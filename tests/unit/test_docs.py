"""Every Python example in docs/resources.md runs, and every resource in it passes the provider's own check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, set_all_config, set_mocks

from providers.kinds import KINDS
from providers.plugin.values import Properties
from providers.plugin.verbs import Verbs

DOCUMENT = Path(__file__).parents[2] / "docs" / "resources.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
VERBS = {kind.token: Verbs(kind) for kind in KINDS}


class Recorder(mocks.Mocks):
    def __init__(self) -> None:
        self.failures: list[tuple[str, str]] = []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        given = {name: value for name, value in args.inputs.items() if value is not None}
        plain = {
            name: value["value"] if isinstance(value, dict) and "value" in value else value
            for name, value in given.items()
        }
        self.failures += VERBS[args.typ].check(Properties(plain))[1]
        return f"brain/{args.name}", plain

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_of_the_document_runs_and_is_valid(number: int):
    recorder = Recorder()
    set_all_config({"hearth:smb-password": "canary"}, ["hearth:smb-password"])
    set_mocks(recorder, project="hearth", stack="dev")

    @pulumi.runtime.test
    def run() -> None:
        exec(compile(EXAMPLES[number], f"example {number}", "exec"), {"__name__": "__main__"})

    run()
    assert recorder.failures == []


def test_every_kind_has_an_example_or_is_named_in_the_document():
    text = DOCUMENT.read_text()
    assert [kind.name for kind in KINDS if kind.name not in text] == []
