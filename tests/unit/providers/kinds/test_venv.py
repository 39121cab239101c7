"""The kind Venv: what it computes, and a real environment with wheels made by the test, without any index."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from providers.errors import CommandFailed, InvalidInput
from providers.kinds.venv.kind import (
    EVERYTHING,
    KIND,
    Installed,
    VenvInputs,
    apply,
    facts_from,
    found_for,
    fulfils,
    observe,
    program,
    restore,
    wanted_lines,
    way_back,
)
from providers.machine.session import Account, Completed, Stat
from tests.unit.providers.kinds.fake_session import FakeSession

WISH = VenvInputs(host="box", path="/opt/env", requirements=("rich==15.0.0",), editable="/opt/app")
PYTHON = str(Path(sys.executable).resolve())


def probed(*packages: dict[str, Any], **other: Any) -> str:
    found = {"present": True, "interpreter": "/usr/bin/python3.13", "wished": "/usr/bin/python3.13", "sites": 1}
    listed = [{"version": "1", "url": "", "editable": "", "requested": True, **each} for each in packages]
    return json.dumps({**found, "packages": listed, **other})


RICH, APP = {"name": "rich", "version": "15.0.0"}, {"name": "app", "url": "/opt/app", "editable": "/opt/app"}


@pytest.mark.parametrize(
    ("version", "wished", "holds"),
    [
        ("2024.7.4", "==2024.07.04", True),
        ("1.0", "==v1.0.0", True),
        ("1.0rc1", "==1.0-RC.1", True),
        ("1.0.post1", "==1.0-1", True),
        ("1.0rc1", ">=1.0", False),
        ("1.0.dev3", "~=1.0.dev1", True),
        ("1!1.0", "==1.0", False),
        ("not-a-version", "===not-a-version", True),
        ("not-a-version", "==1.0", False),
    ],
)
def test_versions_are_compared_as_packaging_does(version: str, wished: str, holds: bool):
    assert fulfils(version, wished) is holds


def machine(answer: str) -> FakeSession:
    session = FakeSession(accounts={"root": Account("root", 0, 0, "root", (), "/root", "/bin/sh", "")})
    for path in ("/opt", "/opt/env"):
        session.files[path] = Stat("directory", "0755", "root", "root", 0)
    session.put("/opt/env/pyvenv.cfg")
    return session.on("python3", answer).on("/bin/sh")


@pytest.mark.parametrize(
    ("requirement", "found"),
    [
        ("rich==15.0.0", "rich==15.0.0"),
        ("rich==15", "rich==15"),
        ("Rich == 15.0", "Rich == 15.0"),
        ("rich==14.0", "rich==15.0.0"),
        ("rich>=99", "rich==15.0.0"),
        ("rich==99.*", "rich==15.0.0"),
        ("rich>=14,<16", "rich>=14,<16"),
        ("rich~=15.0", "rich~=15.0"),
        ("rich!=15", "rich==15.0.0"),
        ("my_app[all]==1.0", "my_app[all]==1.0"),
        ("torch==2.1", "torch==2.1"),
        ("torch==2.1+cpu", "torch==2.1+cpu"),
        ("torch==2.1+cuda", "torch==2.1+cpu"),
        ("nothing>=1", "<nothing is missing>"),
        ("tool @ https://example.org/tool.whl", "tool @ https://example.org/tool.whl"),
    ],
)
def test_a_requirement_holds_or_tells_what_is_there_instead(requirement: str, found: str):
    installed = [
        Installed("rich", "15.0.0"),
        Installed("My.App", "1.0"),
        Installed("torch", "2.1+cpu"),
        Installed("tool", "3", "https://example.org/tool.whl"),
    ]
    assert found_for(requirement, installed) == found


async def test_an_environment_that_is_right_is_adopted():
    assert KIND.differences(WISH, await observe(machine(probed(RICH, APP)), WISH)) == {}


@pytest.mark.parametrize(
    ("packages", "other", "different"),
    [
        ([APP], {}, {"requirements": (("rich==15.0.0",), ("<rich is missing>",))}),
        ([RICH], {}, {"editable": ("/opt/app", None)}),
        ([RICH, {**APP, "editable": "/srv"}], {}, {"editable": ("/opt/app", "/srv")}),
        ([RICH, APP], {"wished": "/usr/bin/python3.14"}, {"python": ("python3", "/usr/bin/python3.13")}),
        ([RICH, APP], {"interpreter": ""}, {"python": ("python3", "<its Python is gone>")}),
        ([RICH, APP], {"sites": 0}, {"python": ("python3", "/usr/bin/python3.13")}),
    ],
)
async def test_what_drifted_is_named(packages: list[Any], other: dict[str, Any], different: dict[str, Any]):
    assert KIND.differences(WISH, await observe(machine(probed(*packages, **other)), WISH)) == different


async def test_an_environment_of_another_python_is_made_anew():
    session = machine(probed(RICH, APP, wished="/usr/bin/python3.14"))
    await apply(session, WISH, await observe(session, WISH))
    assert session.calls[-1].script is not None
    assert "rebuild=yes" in session.calls[-1].script


async def test_requirements_are_no_arguments_of_a_command():
    session = machine(probed())
    await apply(session, WISH, await observe(session, WISH))
    assert not [line for line in session.lines() if "rich" in line]


@pytest.mark.parametrize(
    ("status", "message", "remedy"),
    [
        (45, "there is no /usr/bin/python3.12", 'Package("python3.12")'),
        (46, "lacks the module ensurepip", 'Package("python3.12-venv")'),
    ],
)
async def test_a_missing_package_of_the_machine_is_named(status: int, message: str, remedy: str):
    session = machine(probed()).on("/bin/sh", Completed(status, "", ""))
    wish = WISH.model_copy(update={"python": "/usr/bin/python3.12"})
    with pytest.raises(CommandFailed, match=message) as caught:
        await apply(session, wish, await observe(session, wish))
    assert remedy in caught.value.remedy


async def test_a_failing_pip_tells_what_it_said():
    session = machine(probed()).on("/bin/sh", Completed(47, "", "no matching distribution\n"))
    with pytest.raises(CommandFailed, match="pip failed") as caught:
        await apply(session, WISH, await observe(session, WISH))
    assert caught.value.detail == "no matching distribution"


async def test_a_folder_with_other_things_is_refused_and_kept():
    session = FakeSession()
    session.files["/opt/env"] = Stat("directory", "0755", "root", "root", 0)
    session.put("/opt/env/letter")
    before = await observe(session, WISH)
    with pytest.raises(InvalidInput, match="no virtual environment"):
        await apply(session, WISH, before)
    await restore(session, WISH, before)
    assert "/opt/env/letter" in session.files


async def test_nothing_is_run_to_restore_what_is_as_it_was():
    session = machine(probed(RICH, APP))
    await restore(session, WISH, await observe(session, WISH))
    assert session.lines() == ["python3 -I", "python3 -I"]


def test_the_way_back_installs_what_changed_and_removes_what_came():
    before = {"a": "a==1", "b": "b==1", "c": "c==1"}
    assert way_back({"a": "a==1", "b": "b==2", "d": "d==1"}, before) == (["b==1", "c==1"], ["d"])


def test_an_import_finds_what_somebody_asked_for():
    assert KIND.parse is not None
    inputs = VenvInputs.model_validate({"host": "box", **KIND.parse("opt/env")})
    assert inputs.requirements == (EVERYTHING,)
    found = json.loads(probed(RICH, APP, {"name": "needed", "requested": False}, {"name": "pip"}))
    facts = facts_from(inputs, {}, found)
    assert (facts.requirements, facts.editable, facts.python) == (("rich==15.0.0",), "/opt/app", "python3")


def test_a_path_with_a_space_is_quoted_for_pip():
    assert wanted_lines(WISH.model_copy(update={"editable": "/opt/my app"}))[-1] == "-e '/opt/my app'"
    assert program("make", install="a'b").startswith("install='a'\"'\"'b'\n")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("requirements", ["--index-url=https://x"], "must be a name with a version"),
        ("requirements", ["rich; python_version<'3'"], "must be a name with a version"),
        ("requirements", ["a\n-r b"], "must be a name with a version"),
        ("requirements", ["./folder"], "must be a name with a version"),
        ("python", "python3 -x", "name or the absolute path"),
        ("editable", "app", "absolute path"),
    ],
)
def test_a_wrong_value_is_rejected_with_its_rule(field: str, value: Any, rule: str):
    with pytest.raises(ValidationError, match=rule):
        VenvInputs.model_validate({**WISH.model_dump(), field: value})


@pytest.mark.parametrize(
    "requirement",
    [
        "rich",
        "rich==15",
        "a.b_c-d",
        "rich>=14,<16",
        "rich ~= 15.0",
        "rich[jupyter]==15",
        "t @ git+https://e/x@v1",
        "a!=2",
    ],
)
def test_a_requirement_in_pips_form_is_taken(requirement: str):
    assert WISH.model_validate({**WISH.model_dump(), "requirements": [requirement]}).requirements == (requirement,)
