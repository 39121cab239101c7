"""Exit codes of the checks: each system has its own, and its page says what they mean."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from checks.result import CANT_BE_ASKED
from config.systems import SYSTEMS
from toolchain.versions import ROOT


@pytest.mark.parametrize("key", sorted(SYSTEMS))
def test_the_page_of_a_system_says_what_each_of_its_exit_codes_means(key: str):
    codes = {int(code) for code in import_module(f"checks.{key}.codes").Code} | {CANT_BE_ASKED}
    page = (ROOT / "docs" / "systems" / f"{key}.md").read_text()
    stated = re.search(r"Exit codes?(: | \| Meaning \|)(.*?)(\n\n|$)", page, re.DOTALL)
    assert stated is not None, "the page has no exit codes"
    numbers = {int(number) for number in re.findall(r"(?:^|\| |, )([0-9]) ", f", {stated[2]}".replace("\n", " "))}
    assert codes <= numbers | {0}
    assert numbers - {0} == codes
