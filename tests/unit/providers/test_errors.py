"""The words "nothing was changed" are said where that is so: by an error of the kind that leaves nothing behind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from providers.errors import Untouched
from providers.kinds.table import all_kinds
from toolchain.versions import ROOT

PHRASE = re.compile(r"nothing was (changed|touched)", re.IGNORECASE)
LOADED = list(all_kinds())
"""All of them, and so the errors that they define."""
UNTOUCHED = {"Untouched", "InvalidInput", "GivenUp", *(each.__name__ for each in Untouched.__subclasses__())}
ELSEWHERE = {
    # Before the engine has asked for anything.
    "providers/plugin/adapter.py",
}


def sayings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, what is raised) of each error in a file that says that nothing was changed."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if not name[0].isupper():
            continue
        first = node.args[0] if node.args else None
        texts = [each.value for each in ast.walk(first) if isinstance(each, ast.Constant)] if first else []
        if PHRASE.search("".join(text for text in texts if isinstance(text, str))):
            yield node.lineno, name


def test_an_error_that_says_that_nothing_was_changed_is_of_that_kind():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sorted((ROOT / "providers").rglob("*.py"))
        if str(path.relative_to(ROOT)) not in ELSEWHERE
        for line, name in sayings(path)
        if name not in UNTOUCHED
    ]
    assert found == []


def test_the_test_finds_them():
    assert LOADED
    assert len(list(sayings(ROOT / "providers" / "kinds" / "git_checkout" / "failures.py"))) > 2
