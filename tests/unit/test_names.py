"""One class, one name: a reader who meets a name knows which class it is."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from pathlib import Path

from toolchain.versions import ROOT

FOLDERS = ("config", "providers", "components", "checks", "lab", "toolchain")
ONE_IDEA = {
    "Bridge": "a bridge over a machine's interface: its settings, and the resource made of them",
    "Code": "the exit codes of a system's checks",
    "Backup": "the settings of a system's nightly backup",
    "Image": "an image of LXD's: its settings, and the resource made of them",
    "Instance": "an instance of LXD's: its settings, and the resource made of them",
    "MaubotApi": "a client of maubot's API: the kinds' own, and that of the program that runs on the machine",
    "Member": "a member of LXD's cluster: its settings, and the resource made of them",
    "Network": "a network of LXD's: its settings, and the resource made of them",
    "Profile": "a profile of LXD's: its settings, and the resource made of them",
    "SecondBrain": "the system: its settings, and the component made of them",
}


@functools.cache
def classes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name].append(str(path.relative_to(ROOT)))
    return found


def test_two_classes_have_one_name_only_where_they_are_one_idea():
    several = {name: places for name, places in classes().items() if len(places) > 1}
    assert {name: places for name, places in several.items() if name not in ONE_IDEA} == {}
    assert ONE_IDEA.keys() - several.keys() == set()


def test_it_looks_at_classes():
    assert classes()["HearthError"] == [str(Path("providers/errors.py"))]
