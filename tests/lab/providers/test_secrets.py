"""A secret text stays where it belongs: on the machine, in the one place that the resource names."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.conftest import MachineFactory
from tests.lab.project import Answer, Project, shown
from tests.lab.watch import watched

CANARY = f"canary{secrets.token_hex(8)}"
PATTERN = f"[c]{CANARY[1:]}"
"""The canary for grep, without holding it."""
FOLDERS = "/dev/shm /etc /home /opt /root /run /srv /tmp /usr/local /var"
LOOK_ROUND = f"grep -rl --exclude-dir=archives '{PATTERN}' {FOLDERS} 2>/dev/null || true"
TARGETS = {"/etc/secret-of-hearth", "/etc/shared-of-hearth"}
PROGRAM = """
word = pulumi.Config("trial").require_secret("word")
File("file", host="box", path="/etc/secret-of-hearth", mode="0600", owner="OWNER",
     content=Output.format("password={{0}}\\nagain '{{0}}' \\"{{0}}\\"\\nMORE\\n", word))
Block("block", host="box", path="/etc/shared-of-hearth", name="one", content=Output.format("{{0}}\\nMORE", word))
Script("script", host="box", name="script", apply=Output.format("set -eu\\n: {{0}}\\nAPPLY\\n", word),
       check=Output.format("test -e /srv/made # {{0}}", word), undo=Output.format("rm -f /srv/made # {{0}}", word))
pulumi.export("word", word)
""".replace("{{", "{").replace("}}", "}")
# Looks where a text may lie for a moment, while this very process has the canary in its own text.
CAREFUL = (
    f"sleep 0.5; grep -rl '{PATTERN}' /tmp /run /root /dev/shm /var/lib/hearth > /srv/during || true; touch /srv/made"
)
STUMBLES = "echo it trips over {0}-here, that is '{0}' >&2; exit 4"


def program(*, apply: str = CAREFUL, owner: str = "root", more: str = "") -> str:
    return PROGRAM.replace("APPLY", apply).replace("OWNER", owner).replace("MORE", more)


@dataclass
class Found:
    """What there was to see during and after one step."""

    answer: Answer
    processes: set[str]
    project_files: list[str]
    machine_files: set[str]
    journal: str


@dataclass
class Trial:
    project: Project
    steps: dict[str, Found] = field(default_factory=dict[str, Found])

    def take(self, step: str, *arguments: str) -> None:
        """Run Pulumi at its most talkative, and look round."""
        project, machine = self.project, self.project.machine
        flags = ("--stack", project.workspace.stack, f"-v={VERBOSITY}", "--logtostderr")
        with watched(CANARY) as seen:
            answer = project.workspace.pulumi(*arguments, *flags, check=False)
        files = [path for path in project.workspace.folder.rglob("*") if path.is_file()]
        self.steps[step] = Found(
            answer,
            seen,
            [str(path) for path in files if CANARY.encode() in path.read_bytes()],
            set(machine.run(LOOK_ROUND).stdout.split()),
            machine.run(f"journalctl --no-pager -q | grep '{PATTERN}' || true").stdout,
        )


VERBOSITY = 8
"""From 9 on, Pulumi's engine itself logs the plain values of all that it sends to a provider."""
UP = ("up", "--yes", "--skip-preview")


@pytest.fixture(scope="module")
def story(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    box = machine("secrets")
    box.write("/etc/shared-of-hearth", "the line of others\n")
    project = Project(tmp_path_factory.mktemp("secrets"), box)
    project.workspace.configure("trial:word", CANARY, secret=True)
    story = Trial(project)
    project.program(program())
    story.take("preview", "preview", "--diff")
    story.take("up", *UP)
    project.program(program(more="more"))
    story.take("preview of a change", "preview", "--diff")
    box.run("echo drift >> /etc/secret-of-hearth; sed -i s/canary/drift/ /etc/shared-of-hearth; rm /srv/made")
    story.take("preview of a drift", "preview", "--diff", "--refresh")
    story.take("refresh", "refresh", "--yes", "--diff")
    project.program(program(more="more", owner="nobody-yet", apply=STUMBLES))
    story.take("failed up", *UP, "--diff", "--continue-on-error")
    project.program(program(more="more"))
    story.take("up after that", *UP, "--diff")
    return story


def steps(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a test for each step of the story."""
    names = ["preview", "up", "preview of a change", "preview of a drift", "refresh", "failed up", "up after that"]
    return pytest.mark.parametrize(name, [*names, "destroy"])


@pytest.fixture(scope="module")
def ended(story: Trial) -> Trial:
    story.take("destroy", "destroy", "--yes", "--run-program")
    return story


@steps("step")
def test_a_secret_is_not_printed(ended: Trial, step: str):
    printed = shown(ended.steps[step].answer)
    assert CANARY not in printed, [line for line in printed.splitlines() if CANARY in line][:3]
    assert (ended.steps[step].answer.returncode != 0) == (step == "failed up"), printed[-3000:]


@steps("step")
def test_a_secret_shows_in_no_process(ended: Trial, step: str):
    assert ended.steps[step].processes == set()


@steps("step")
def test_a_secret_is_in_no_file_of_the_project_and_so_in_no_state(ended: Trial, step: str):
    assert ended.steps[step].project_files == []


@steps("step")
def test_a_secret_is_on_the_machine_in_its_place_only(ended: Trial, step: str):
    expected = TARGETS if step not in ("preview", "destroy") else set[str]()
    assert ended.steps[step].machine_files <= expected
    assert ended.steps[step].journal == ""


def test_a_secret_is_where_it_belongs(ended: Trial):
    assert ended.steps["up"].machine_files == TARGETS
    assert ended.project.machine.read("/srv/during") == ""  # nor was it in a temporary file


def test_an_error_says_what_it_can_without_the_secret(ended: Trial):
    printed = shown(ended.steps["failed up"].answer)
    for part in ("exit status 4", "it trips over [secret]", "user 'nobody-yet' does not exist"):
        assert part in printed
    state = Path(ended.project.workspace.folder, ".state", ".pulumi")
    assert list(state.rglob("*.json")), "the state was looked for in the wrong place"
