"""A line ends where the programs of a machine end it, so nobody's name begins another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.kinds.user.databases import members, with_list, with_members
from providers.kinds.user.shadow import with_line
from providers.kinds.user.subordinate_ids import Databases, free_range, lines_of, with_lines
from toolchain.lines import lines_in
from toolchain.stack.unreadable import without_secrets

ROOT = Path(__file__).parents[3]
BREAKS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What str.splitlines() takes for a line's end besides the newline and the carriage return."""


@given(st.lists(st.text(st.characters(exclude_characters="\r\n"))), st.sampled_from(["\n", "\r\n"]))
def test_lines_are_those_that_were_joined(lines: list[str], end: str) -> None:
    text = "".join(line + end for line in lines)
    assert lines_in(text) == lines
    assert "".join(lines_in(text, keepends=True)) == text


@given(st.text())
def test_nothing_of_a_text_is_lost(text: str) -> None:
    assert "".join(lines_in(text, keepends=True)) == text
    assert (
        lines_in(text)
        == [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")][: None if text else 0]
    )


@pytest.mark.parametrize("mark", BREAKS)
def test_a_name_in_passwd_neither_hides_an_account_nor_makes_one(mark: str) -> None:
    passwd = f"a:x:1000:1000:room{mark}b:x:1001:/home/a:/bin/sh\n"
    subuid = f"a:100000:65536\n# of{mark}c:165536:65536\n"
    assert free_range(Databases(subuid, subuid, passwd), "new", None) == free_range(
        Databases(subuid.split("#")[0], subuid.split("#")[0], passwd.replace(mark, " ")), "new", None
    )
    assert lines_of(subuid, "c", None) == []


@pytest.mark.parametrize("mark", BREAKS)
def test_what_is_rewritten_by_line_keeps_what_stands_within_one(mark: str) -> None:
    group = f"sudo:x:27:a{mark}users:x:100:b\nusers:x:100:c\n"
    assert members(group, "b") == {}
    assert with_list(group, "users", ["d"]) == group.replace("users:x:100:c", "users:x:100:d")
    assert with_members(group, "d", {"users": ["c", "d"]}) == group.replace("users:x:100:c", "users:x:100:c,d")
    subuid = f"a:1:2{mark}b:3:4\nb:5:6\n"
    assert with_lines(subuid, "b", None, ["b:7:8"]) == subuid.replace("b:5:6", "b:7:8")
    shadow = f"a:!{mark}b:*:1:2:3:4:5:6:\nb:*:1:2:3:4:5:6:\n"
    assert with_line(shadow, "b:new:9:2:3:4:5:6:", (True, False)) == shadow.replace("\nb:*", "\nb:new")
    stack = f'config:\n  hearth:a: "x{mark}y"\n'
    assert without_secrets(stack) == (stack, [])


def test_no_module_reads_lines_in_another_way() -> None:
    """But for those that run on a machine by themselves, and one that also finds parts of a secret."""
    alone = ("providers/kinds/lxd/gpu_machine.py", "providers/kinds/lxd/link_state.py")
    files = [
        path
        for folder in ("config", "components", "providers", "checks", "toolchain")
        for path in (ROOT / folder).rglob("*.py")
    ]
    found = {str(path.relative_to(ROOT)) for path in files if ".splitlines(" in path.read_text()}
    assert found == {*alone, "providers/plugin/values.py"}
