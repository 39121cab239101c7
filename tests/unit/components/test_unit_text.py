"""What is written into a unit file is what is read from it, whatever the value: for each way in which it is read."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.blocks.quadlet import Container, Form, Group, container_file, group_file, http_health_command
from components.blocks.unit_text import bare_word, line, shell_line, word
from tests.unit.components.unit_reader import assignments, exec_line, executed, line_value, words

NASTY = "%$\\\"' \t;#[]{}()`!&|<>*?~=:@,a1\x1b\x7fü€😀"
NONCHARACTERS = "".join(
    map(chr, [*range(0xFDD0, 0xFDF0), *(code for code in range(0x110000) if code & 0xFFFE == 0xFFFE)])
)
"""The Unicode Standard, 23.7 "Noncharacters"."""
texts = st.text(
    st.one_of(
        st.sampled_from(NASTY),
        st.characters(exclude_characters="\0\n\r\x80" + NONCHARACTERS, exclude_categories=["Cs"]),
    )
)
ends = re.compile(r'^[\s"]|[\s"\\]$')
NO_LINE = ["a\nb", "a\rb", "a\0b", "a\x80b", "\ud800", *NONCHARACTERS]


@given(texts)
def test_a_word_is_one_argument_of_the_command_and_nothing_else(value: str):
    (read,) = words(word(f"A={value}"))
    assert executed(exec_line(["podman", read, "end"])) == ["podman", f"A={value}", "end"]


@given(texts.filter(lambda value: value != ""))
def test_a_bare_word_is_read_as_the_same(value: str):
    (read,) = words(bare_word(value))
    assert executed(exec_line([read])) == [value]


@given(texts.filter(lambda value: value != "" and not ends.search(value)), st.booleans())
def test_the_rest_of_a_line_is_the_value(value: str, old: bool):
    text = f"[Container]\nImage={line(value)}\nX=y\n"
    (_, _, read), second = assignments(text)
    assert second == ("Container", "X", "y")
    assert executed(exec_line([line_value(read, trims_all_quotes=old)])) == [value]


@given(texts, st.sampled_from([" ", "\t", '"', "\\", "\u2003"]))
def test_what_a_reader_would_take_from_an_end_is_refused(start: str, end: str):
    value = start + end
    with pytest.raises(ValueError, match="must not begin or end"):
        line(value)


@pytest.mark.parametrize("value", NO_LINE)
def test_what_no_line_can_carry_is_refused_by_each(value: str):
    for write in (line, word, bare_word, shell_line):
        with pytest.raises(ValueError, match="must be one line"):
            write(value)


@given(texts, st.booleans())
def test_a_command_for_a_shell_arrives_as_it_is_or_through_eval(value: str, old: bool):
    ((_, _, read),) = assignments(f"[Container]\nHealthCmd={shell_line(value)}\n")
    (arrived,) = executed(exec_line([line_value(read, trims_all_quotes=old)]))
    assert arrived.lower() != "none", "podman would make no health check of it"
    assert not arrived.startswith("["), "podman would read it as JSON"
    assert arrived == value or shlex.split(arrived) == ["eval", value]


@pytest.mark.parametrize("command", ['sh -c "exit 3"', "none", '["true"]', "exit 3 \\", '"false"', " exit 3 "])
def test_such_a_command_ends_as_it_would_by_itself(command: str):
    ((_, _, read),) = assignments(f"[Container]\nHealthCmd={shell_line(command)}\n")
    (arrived,) = executed(exec_line([line_value(read, trims_all_quotes=True)]))
    ended = [
        subprocess.run(["sh", "-c", text], capture_output=True, check=False).returncode for text in (command, arrived)
    ]
    assert ended[0] == ended[1] != 0


@given(
    environment=st.dictionaries(st.from_regex(r"\A[A-Z][A-Z0-9_]{0,8}\Z"), texts, max_size=4),
    command=texts.filter(lambda value: value.strip() != ""),
    form=st.sampled_from(Form),
)
def test_a_containers_unit_holds_its_settings_and_not_one_line_more(
    environment: dict[str, str], command: str, form: Form
):
    container = Container(
        "x", "X", "docker.io/a/b:1", command, environment=environment, environment_file="/srv/a b/x.env"
    )
    plain = Container("x", "X", "docker.io/a/b:1", "true", environment_file="/srv/x.env")
    group = Group("g", "G", (container,), 30, 5)
    found = assignments(container_file(container, group, form).text)
    keys = [(section, key) for section, key, _ in found if key != "Environment"]
    assert keys == [(section, key) for section, key, _ in assignments(container_file(plain, group, form).text)]
    given_out = [words(value)[0] for _, key, value in found if key == "Environment"]
    assert executed(exec_line(given_out)) == [f"{name}={value}" for name, value in sorted(environment.items())]
    assert next(key for _, key, _ in assignments(group_file(group, form).text)) == "Description"


CURL = '#!/bin/sh\nfor last; do :; done\nprintf %s "$last"\n'
path_texts = st.from_regex(r"\A/([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,20}\Z")


@settings(max_examples=40, deadline=None)
@given(path=path_texts, program=st.sampled_from(["curl", "wget"]))
def test_the_health_check_asks_for_exactly_that_path(tmp_path_factory: pytest.TempPathFactory, path: str, program: str):
    folder = tmp_path_factory.mktemp("image")
    (folder / program).write_text(CURL)
    (folder / program).chmod(0o755)
    command = http_health_command(8000, path)
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={"PATH": str(folder)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"http://127.0.0.1:8000{path}"


PYTHON = '#!/bin/sh\nprintf "%s\\n" "$3"\n'


@pytest.mark.parametrize("path", ["/a'b", "/%22$(touch x)", "/`id`?a=1&b=@c", "/health"])
def test_an_image_with_python_alone_is_asked_the_same(tmp_path: Path, path: str):
    (tmp_path / "python3").write_text(PYTHON)
    (tmp_path / "python3").chmod(0o755)
    command = http_health_command(8000, path)
    done = subprocess.run(
        ["/bin/sh", "-c", command], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"http://127.0.0.1:8000{path}\n"
    assert not (tmp_path / "x").exists()
    assert json.dumps(path) not in command
