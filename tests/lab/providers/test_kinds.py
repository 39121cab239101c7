"""Every kind through every verb, on the real engine and a lab machine: see kind_cases and kind_lifecycle.

One program holds all of them; each test looks at what one step did to one kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic.alias_generators import to_camel

from providers.kinds.table import TABLE
from tests.lab.conftest import MachineFactory
from tests.lab.project import about
from tests.lab.providers.kind_cases import CANARY, all_cases
from tests.lab.providers.kind_lifecycle import UNKNOWN, Trial

CASES = all_cases()
every_case = pytest.mark.parametrize("name", list(CASES))


def cases_with(what: str) -> pytest.MarkDecorator:
    """Return the cases that have such a thing."""
    return pytest.mark.parametrize("name", [name for name, case in CASES.items() if getattr(case, what)])


@pytest.fixture(scope="module")
def story(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    return Trial.begin(machine("kinds", image="machine-podman"), tmp_path_factory.mktemp("kinds"), CASES)


def of(story: Trial, name: str) -> list[tuple[str, str]]:
    """Return the wishes of one case."""
    return [key for key in story.wishes if key[0] == name]


def test_every_kind_is_tried():
    # What maubot and a homeserver keep is put through the verbs with real ones: tests/lab/systems/maubot.
    assert {case.kind for case in CASES.values()} == {kind.name for kind in TABLE.values() if kind.module == "host"}


@every_case
def test_a_first_preview_names_what_it_will_make_and_changes_nothing(story: Trial, name: str):
    story.reach("previewed")
    plan = story.plans["created"]
    for key in of(story, name):
        assert plan[key]["op"] == ("import" if key[1] == "imported" else "create"), plan[key]["detailedDiff"]
        assert story.looks["previewed"][key] == story.looks["prepared"][key]


@every_case
def test_a_preview_goes_on_with_an_input_that_is_not_known_yet(story: Trial, name: str):
    story.reach("previewed")
    inputs = story.plans["created"][name, "new"]["newState"]["inputs"]
    assert inputs[CASES[name].unknown] == UNKNOWN


@every_case
def test_up_makes_what_is_wished(story: Trial, name: str):
    story.reach("created")
    assert story.said["created"].returncode == 0, story.said["created"].stdout
    assert [key for key in of(story, name) if not story.held["created"][key]] == []


@cases_with("right")
def test_what_is_right_already_is_adopted_without_a_change(story: Trial, name: str):
    story.reach("created")
    for variant in ("right", "imported") if CASES[name].identity else ("right",):
        assert story.held["created"][name, variant]
        if not CASES[name].shared:
            assert story.looks["created"][name, variant] == story.looks["prepared"][name, variant]


@cases_with("least")
def test_what_is_left_out_stays_as_it_was_on_a_thing_that_was_there(story: Trial, name: str):
    story.reach("caught_up")
    assert story.kept[name, "odd"].strip()
    for step in ("created", "drifted", "repaired", "changed", "caught_up"):
        assert story.held[step][name, "odd"], step


def test_a_second_up_changes_nothing_and_does_without_the_machine(story: Trial):
    story.reach("unchanged")
    assert story.said["unchanged"].returncode == 0, story.said["unchanged"].stdout


@cases_with("drifting")
def test_drift_is_named_by_a_refreshing_preview(story: Trial, name: str):
    story.reach("drifted")
    assert story.said["plan of repaired"].returncode != 0
    drifted = [key for key, _ in story.drifting() if key[0] == name]
    assert drifted
    for key in drifted:
        assert not story.held["drifted"][key]
        step = story.plans["repaired"][key]
        assert step["op"] == "update"
        assert CASES[name].drifted in step["diffReasons"]


@cases_with("remove")
def test_what_is_missing_is_seen_by_a_refreshing_preview(story: Trial, name: str):
    story.reach("drifted")
    assert not story.held["drifted"][name, "new"]
    assert story.plans["repaired"][name, "new"]["op"] in ("create", "update")


@every_case
def test_a_refreshing_preview_changes_nothing_and_names_nothing_else(story: Trial, name: str):
    story.reach("drifted")
    touched = {key for key, _ in story.drifting()} | {(name, "new")}
    for key in of(story, name):
        if key not in touched:
            assert story.plans["repaired"].get(key, {"op": "same"})["op"] == "same"


@every_case
def test_a_refreshing_up_repairs_what_drifted(story: Trial, name: str):
    story.reach("repaired")
    assert story.said["repaired"].returncode == 0, story.said["repaired"].stdout
    assert [key for key in of(story, name) if not story.held["repaired"][key]] == []


@cases_with("changed")
def test_a_change_is_an_update_in_place(story: Trial, name: str):
    case = CASES[name]
    story.reach("changed")
    assert story.said["changed"].returncode == 0, story.said["changed"].stdout
    for variant in case.changing:
        if (name, variant) in story.wishes:
            step = story.plans["changed"][name, variant]
            assert step["op"] == "update"
            # Pulumi names properties as they are on the wire.
            named = {*(case.changed or dict)(variant), *TABLE[f"hearth:host:{case.kind}"].computed}
            assert set(step["diffReasons"]) <= {to_camel(each) for each in named}
            assert story.held["changed"][name, variant]


@cases_with("moves")
def test_a_change_of_identity_replaces_and_puts_back_what_was_there(story: Trial, name: str):
    case = CASES[name]
    story.reach("changed")
    assert "replace" in story.plans["changed"][name, "new"]["op"]
    assert story.held["changed"][name, "new"]
    if not case.shared:
        assert story.looks["changed"][name, "new"] == story.looks["prepared"][name, "new"]


@cases_with("changed")
def test_past_its_deadline_an_update_fails_with_the_reason(story: Trial, name: str):
    case = CASES[name]
    story.reach("late")
    said = story.said["late"].stdout + story.said["late"].stderr
    assert story.said["late"].returncode != 0
    for variant in case.changing:
        if (name, variant) in story.wishes:
            assert f"{name}-{variant}" in said
    assert "still holds Hearth's lock" in said
    assert "Traceback" not in said


@cases_with("slow")
def test_what_takes_too_long_is_ended_at_its_deadline(story: Trial, name: str):
    story.reach("late")
    failure = about(story.said["late"].stdout, f"{name}-slow")
    assert "took longer than" in failure
    assert "begun" in failure, "what it said last"
    assert "custom_timeouts" in failure, "what to do"


@every_case
def test_the_up_after_a_deadline_goes_on(story: Trial, name: str):
    story.reach("caught_up")
    assert story.said["caught_up"].returncode == 0, story.said["caught_up"].stdout
    assert [key for key in of(story, name) if not story.held["caught_up"][key]] == []


@cases_with("unreadable")
def test_what_can_not_be_looked_at_is_drift_of_itself_and_of_nothing_else(story: Trial, name: str):
    story.reach("unreadable")
    plan = story.plans["mended"]
    unreadable = {key for key, _ in story.unreadable()}
    for key in of(story, name):
        assert plan.get(key, {"op": "same"})["op"] == ("update" if key in unreadable else "same"), key


@cases_with("unreadable")
def test_what_could_not_be_looked_at_is_put_right_by_up(story: Trial, name: str):
    story.reach("mended")
    assert story.said["mended"].returncode == 0, story.said["mended"].stdout
    assert [key for key in of(story, name) if not story.held["mended"][key]] == []


@cases_with("refused")
def test_what_is_refused_is_refused_each_time_and_leaves_nothing_behind(story: Trial, name: str):
    story.reach("objected")
    for step in ("objected", "objected again"):
        said = about(story.said[step].stdout, f"{name}-refused")
        assert "What to do:" in said, story.said[step].stdout
        assert story.looks[step][name, "refused"] == story.looks["in the way"][name, "refused"]
    assert story.records[0] == story.records[1]
    assert not [each for each in story.known if each["urn"].endswith("-refused")]


@every_case
def test_destroy_puts_back_what_was_there(story: Trial, name: str):
    story.reach("destroyed")
    assert story.said["destroyed"].returncode == 0, story.said["destroyed"].stdout
    for key, before in story.looks["prepared"].items():
        if key[0] == name:
            assert story.looks["destroyed"][key] == before, key


def test_destroy_leaves_no_record_of_its_own(story: Trial):
    story.reach("destroyed")
    assert not story.machine.exists("/var/lib/hearth")


@every_case
def test_an_import_of_what_is_not_there_is_refused_with_the_reason(story: Trial, name: str):
    story.reach("refused")
    said = story.said["refused"].stdout + story.said["refused"].stderr
    kind = CASES[name].kind
    assert (f"there is no {kind} " if CASES[name].identity else f"a {kind} can't be imported") in said


def test_two_programs_at_once_lose_none_of_their_blocks_in_one_file(story: Trial, tmp_path: Path):
    story.reach("refused")
    block, machine = CASES["block"], story.machine
    before = machine.read("/srv/kinds/shared.conf")
    programs = {name: Trial.begin(machine, tmp_path / name, {"block": block}, name) for name in ("one", "two")}
    names = [f"{program}{number}" for program in programs for number in range(6)]
    for name, program in programs.items():
        program.wishes = {("block", each): block.wish(each) for each in names if each.startswith(name)}
        program.write()
    for verb in ("up", "destroy"):
        flags = ("--yes", "--skip-preview", "--stack", "dev")
        running = [program.workspace.start(verb, *flags) for program in programs.values()]
        for process in running:
            said, _ = process.communicate(timeout=300)
            assert process.returncode == 0, said
        text = machine.read("/srv/kinds/shared.conf")
        if verb == "up":
            blocks = [f"# BEGIN hearth {name}\none {name}\n" for name in names]
            assert [block for block in blocks if text.count(block) != 1] == []
    assert text == before


def test_a_secret_turns_up_nowhere(story: Trial):
    story.reach("refused")
    assert story.leaks == set()
    for step, said in story.said.items():
        assert CANARY not in said.stdout + said.stderr, step
    assert CANARY not in story.state
    files = [path for path in story.workspace.folder.rglob("*") if path.is_file() and path.name != "resources.json"]
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
    assert story.machine.run(f"journalctl --no-pager | grep -c {CANARY}", check=False).stdout.strip() == "0"


def test_no_step_shows_a_traceback(story: Trial):
    story.reach("refused")
    assert [step for step, said in story.said.items() if "Traceback" in said.stdout + said.stderr] == []
