"""Programs on the real engine, through the plain command line: what a user of it sees."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile

import pytest

from tests.lab.toolchain.trial import MakeWorkspace, make_workspace, ready, shown
from tests.lab.workspace import read_yaml
from toolchain.stack.environment import VIRTUAL_ENVIRONMENT
from toolchain.versions import ENGINE

__all__ = ["make_workspace", "ready"]

COMPONENT = """
import pulumi


class Box(pulumi.ComponentResource):
    def __init__(self, name, text):
        super().__init__("trial:index:Box", name, None)
        self.text = pulumi.Output.from_input(text)
        self.register_outputs({"text": self.text})


config = pulumi.Config()
pulumi.export("text", Box("box", config.get("text") or "none").text)
pulumi.export("root", pulumi.get_root_directory())
pulumi.export("stack", f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
"""


def test_a_program_goes_through_preview_up_output_refresh_and_destroy(make_workspace: MakeWorkspace) -> None:
    work = make_workspace(COMPONENT)
    work.configure("text", "hello")
    assert "trial:index:Box" in work.preview().stdout
    assert work.state().get("resources", []) == []
    up = work.up()
    assert "+ 2 created" in up.stdout
    assert "warning" not in shown(up)
    assert work.outputs() == {"text": "hello", "root": str(work.folder), "stack": "organization/trial/dev"}
    assert work.pulumi("stack", "output", "text").stdout == "hello\n"
    assert "2 unchanged" in work.up().stdout
    assert work.drift().returncode == 0
    work.pulumi("refresh", "--yes", "--skip-preview")
    assert "- 2 deleted" in work.destroy().stdout
    assert work.state().get("resources", []) == []


def test_a_program_without_resources_prints_nothing_but_its_own_lines(make_workspace: MakeWorkspace) -> None:
    work = make_workspace("print('a line of the program')\n")
    up = shown(work.up())
    assert "a line of the program" in up
    assert "Traceback" not in up
    assert "warning" not in up


def test_an_exception_shows_the_traceback_of_the_program_alone(make_workspace: MakeWorkspace) -> None:
    work = make_workspace("def fail():\n    raise ValueError('the reason')\n\n\nfail()\n")
    answer = work.up(check=False)
    assert answer.returncode != 0
    said = shown(answer)
    assert "error: Program failed with an unhandled exception:" in said
    assert f'File "{work.folder}/__main__.py", line 5, in <module>' in said
    assert "ValueError: the reason" in said
    for foreign in ("language_host.py", "runpy", "pulumi/runtime", "asyncio"):
        assert foreign not in said


def test_an_exception_in_an_apply_is_shown_too(make_workspace: MakeWorkspace) -> None:
    program = "import pulumi\npulumi.export('x', pulumi.Output.from_input(1).apply(lambda value: value / 0))\n"
    answer = make_workspace(program).up(check=False)
    assert answer.returncode != 0
    assert "ZeroDivisionError" in shown(answer)
    assert "language_host.py" not in shown(answer)


def test_a_run_error_shows_its_message_alone(make_workspace: MakeWorkspace) -> None:
    answer = make_workspace("import pulumi\nraise pulumi.RunError('three settings are wrong')\n").up(check=False)
    assert answer.returncode != 0
    assert "error: three settings are wrong" in shown(answer)
    assert "Traceback" not in shown(answer)
    assert "unhandled" not in shown(answer)


@pytest.mark.parametrize(("code", "good"), [("0", True), ("3", False), ("'a message'", False)])
def test_a_program_may_exit_as_any_python_program(make_workspace: MakeWorkspace, code: str, good: bool) -> None:
    answer = make_workspace(f"import sys\nsys.exit({code})\n").up(check=False)
    assert (answer.returncode == 0) is good
    assert good or ("a message" if code != "3" else "non-zero exit code: 3") in shown(answer)


def test_a_folder_without_a_program_is_named(make_workspace: MakeWorkspace) -> None:
    work = make_workspace()
    (work.folder / "__main__.py").unlink()
    answer = work.up(check=False)
    assert answer.returncode != 0
    assert "__main__.py" in shown(answer)
    assert "Traceback" not in shown(answer)


def test_a_secret_of_the_settings_stays_one(make_workspace: MakeWorkspace) -> None:
    secret = "canary-4711"
    work = make_workspace("import pulumi\npulumi.export('word', pulumi.Config().require_secret('word'))\n")
    work.configure("word", secret, secret=True)
    said = shown(work.preview()) + shown(work.up()) + shown(work.pulumi("stack", "output"))
    assert secret not in said
    assert work.outputs(show_secrets=True) == {"word": secret}
    kept = [path for path in work.folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert kept == []


def test_a_module_of_the_program_is_read_anew_by_each_run(make_workspace: MakeWorkspace) -> None:
    # The preview and the update are two runs in one language host: each must count from one.
    work = make_workspace("import counter\ncounter.count += 1\nprint('count', counter.count)\n")
    (work.folder / "counter.py").write_text("count = 0\n")
    said = shown(work.pulumi("up", "--yes"))
    assert "count 1" in said
    assert "count 2" not in said


def test_a_program_sees_its_own_folder_and_none_of_ours(make_workspace: MakeWorkspace) -> None:
    work = make_workspace(
        "import importlib.util, os, sys, pulumi\n"
        "pulumi.export('cwd', os.getcwd())\n"
        "pulumi.export('ours', [m for m in ('toolchain', 'lab', 'versions') if importlib.util.find_spec(m)])\n"
        "pulumi.export('python', sys.executable)\n"
    )
    work.up()
    python = str(VIRTUAL_ENVIRONMENT / "bin" / "python")
    assert work.outputs() == {"cwd": str(work.folder), "ours": [], "python": python}


def test_about_names_python_and_its_packages(make_workspace: MakeWorkspace) -> None:
    about = shown(make_workspace().pulumi("about"))
    assert ENGINE in about
    assert re.search(r"^pydantic\s+\d", about, re.MULTILINE)
    assert "Failed" not in about


def test_install_puts_the_programs_packages_into_its_own_environment(make_workspace: MakeWorkspace) -> None:
    work = make_workspace()
    assert "no requirements.txt" in shown(work.pulumi("install"))
    (work.folder / "requirements.txt").write_text("./tiny-1-py3-none-any.whl\n")
    answer = work.pulumi("install", check=False)
    assert answer.returncode != 0
    assert "options: {virtualenv: .venv}" in shown(answer)
    project = {
        **read_yaml(work.folder / "Pulumi.yaml"),
        "runtime": {"name": "python", "options": {"virtualenv": "own"}},
    }
    (work.folder / "Pulumi.yaml").write_text(json.dumps(project))
    answer = work.pulumi("install", check=False)
    assert answer.returncode != 0, "there is no such wheel"
    assert "tiny" in shown(answer)
    assert "were not installed" in shown(answer)
    assert "Traceback" not in shown(answer)
    with zipfile.ZipFile(work.folder / "tiny-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        wheel.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.dist-info/RECORD", "tiny.py,,\n")
    for _ in range(2):
        work.pulumi("install")
        subprocess.run([work.folder / "own" / "bin" / "python", "-c", "import tiny"], check=True)
