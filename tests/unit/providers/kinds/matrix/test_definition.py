"""A plugin's maubot.yaml: what maubot could not read is refused in words, before anything is uploaded."""

from __future__ import annotations

import pytest

from providers.kinds.matrix.definition import UnreadableDefinition, parsed

GOOD = "id: org.example.echo\nversion: 1.2.0\nmodules: [echo, helpers]\nmain_class: Echo\n"


def test_what_it_says_is_known():
    found = parsed(f"{GOOD}extra_files: ['templates/*.txt']\nmaubot: 0.4.0\n".encode())
    assert (found.id, found.version, found.modules) == ("org.example.echo", "1.2.0", ("echo", "helpers"))
    assert (found.main_module, found.extra_files) == ("helpers", ("templates/*.txt",))


@pytest.mark.parametrize(
    ("main_class", "module"), [("Echo", "helpers"), ("echo/Echo", "echo"), ("echo.deep/Echo", "echo/deep")]
)
def test_the_main_class_is_looked_for_where_maubot_looks(main_class: str, module: str):
    assert parsed(GOOD.replace("main_class: Echo", f"main_class: {main_class}").encode()).main_module == module


@pytest.mark.parametrize(
    ("before", "after", "rule", "remedy"),
    [
        ("version: 1.2.0", "version: 1.2", "version in maubot.yaml is 1.2, no text to YAML", "version: '1.2'"),
        ("version: 1.2.0", "version: 3", "version in maubot.yaml is 3, no text", "version: '3'"),
        ("version: 1.2.0", "version: newest", "'newest', which is no version", "version: 1.0.0"),
        ("version: 1.2.0", "version: 1.2.0\nmaubot: 0.4", "maubot in maubot.yaml is 0.4, no text", "maubot: '0.4'"),
        ("version: 1.2.0", "version: 2026-13-45", "is no YAML", "put the file right"),
        ("id: org.example.echo", "id: 5", "id in maubot.yaml is 5, no text", "id: '5'"),
        ("id: org.example.echo", "id: [a]", "id in maubot.yaml is a list", "id: org.example.echo"),
        ("[echo, helpers]", "echo", "modules in maubot.yaml is no list of texts", "modules: [echo]"),
        ("[echo, helpers]", "5", "modules in maubot.yaml is no list of texts", "modules: [echo]"),
        ("[echo, helpers]", "[1]", "modules in maubot.yaml is no list of texts", "modules: [echo]"),
        ("[echo, helpers]", "['../echo']", "the module '../echo', which is no name of one", "without .py"),
        ("[echo, helpers]", "[/etc/echo]", "the module '/etc/echo', which is no name of one", "without .py"),
        ("main_class: Echo", "main_class: {a: b}", "main_class in maubot.yaml is a mapping", "main_class: EchoBot"),
        ("main_class: Echo", "main_class: Echo\nextra_files: a.txt", "extra_files in maubot.yaml is no list", "["),
        ("main_class: Echo", "main_class: Echo\nextra_files: [/etc/passwd]", "leads out of the plugin's", "*.txt"),
        ("main_class: Echo", "main_class: Echo\nextra_files: [../../x]", "leads out of the plugin's", "*.txt"),
        ("main_class: Echo", "main_class: Echo\nextra_files: ['']", "leads out of the plugin's", "*.txt"),
        ("main_class: Echo", "main_class: Echo\nid: twice", "is no YAML", "put the file right"),
        ("main_class: Echo", "main_class: !!python/name:os.system x", "is no YAML", "put the file right"),
        ("main_class: Echo", f"main_class: {'[' * 1000}", "nested without an end", "put the file right"),
        ("main_class: Echo", "main_class: 'Echo", "is no YAML", "put the file right"),
    ],
)
def test_what_maubot_could_not_read_is_said_with_what_to_write(before: str, after: str, rule: str, remedy: str):
    assert before in GOOD
    with pytest.raises(UnreadableDefinition) as error:
        parsed(GOOD.replace(before, after).encode())
    assert rule in error.value.rule
    assert remedy in error.value.remedy


def test_a_text_that_is_not_utf_8_is_no_yaml():
    with pytest.raises(UnreadableDefinition, match="is no YAML"):
        parsed(GOOD.encode() + "license: \u00fc\n".encode("latin-1"))
