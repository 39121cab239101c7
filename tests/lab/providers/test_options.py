"""The options of kinds that most programs leave out, on a real machine: made, gone astray, repaired, taken back.

Whether a kind keeps its contract is tried in test_kinds.py; here it is what an option promises. One program is taken
through a story; each test looks at what concerns it.
"""

from __future__ import annotations

import pytest

from lab import Machine
from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, about
from tests.lab.providers.options_story import (
    ANN,
    BAD,
    BLOCK,
    CRLF,
    GIT,
    GOOD,
    MAKE_PACKAGES,
    MAKE_REPOSITORIES,
    MOUNTED,
    PAGE,
    REPOSITORY,
    TEXTS,
    Story,
    plan,
)
from tests.lab.providers.software import stack

__all__ = ["stack"]


@pytest.fixture(scope="module")
def box(machine: MachineFactory) -> Machine:
    made = machine("options", image="machine-podman")
    made.run("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
    made.write("/srv/make-packages.py", MAKE_PACKAGES)
    made.run(f"mkdir {REPOSITORY}; python3 /srv/make-packages.py {REPOSITORY}")
    made.write("/etc/apt/sources.list.d/options.list", f"deb [trusted=yes] file:{REPOSITORY} ./\n")
    made.run("apt-get -q update")
    made.run("sh -eu", stdin=MAKE_REPOSITORIES)
    made.write("/srv/page.html", PAGE)
    return made


@pytest.fixture(scope="module")
def story(stack: Project, box: Machine) -> Story:
    story = Story(stack)
    # A checkout that was there, of an account that has git write other ends of lines than the repository has.
    box.run(f"runuser -u {ANN} -- git config --global core.autocrlf true; install -d -o {ANN} /srv/options-crlf")
    box.run(f"runuser -u {ANN} -- {GIT} clone -q file:///srv/options-origin /srv/options-crlf")
    box.run(f"{CRLF} checkout -q HEAD~1")
    story.look("before")
    proposed = box.run("git -C /srv/options-origin rev-parse refs/pull/7/head").stdout.strip()
    hosts = f"{box.read('/etc/hosts')}192.0.2.7 somewhere\n"
    story.program(GOOD, "X11Forwarding no\n", TEXTS[0], "1.0*", hosts, proposed)
    stack.up()
    story.look("made")
    # What strangers and other tools do.
    box.run("echo '192.0.2.8 stranger' >>/etc/hosts")
    lines = box.read("/srv/page.html").splitlines()
    moved = [line for line in lines if "last" not in line] + [line for line in lines if "last" in line]
    box.write("/srv/page.html", "".join(f"{line}\n" for line in moved))
    box.write("/srv/options-got", "three\n")
    box.run("apt-mark unhold options-app; apt-get -q -y install options-app")
    box.run("git -C /srv/options-parts submodule --quiet deinit -f part")
    story.look("drifted")
    story.plans["repaired"] = plan(stack, "--refresh")
    stack.up("--refresh")
    story.look("repaired")
    box.run("apt-get -q -y upgrade")
    story.look("upgraded")
    story.plans["nothing more"] = plan(stack, "--refresh")
    changed = ("X11Forwarding no\n", TEXTS[1], "2.0-1", hosts, proposed)
    story.program(GOOD, *changed)
    story.plans["changed"] = plan(stack)
    stack.up()
    story.look("changed")
    story.program(
        BAD,
        "X11Forwarding perhaps\n",
        TEXTS[1],
        "3.0",
        hosts,
        proposed,
        MOUNTED.format("hostname", "hostname", "another\n", False),
        BLOCK.format(name="third", place='before="</main>"'),
        'Package("virtual", host="box", name="options-virtual")',
    )
    for step in ("refused", "refused again"):
        story.printed[step] = stack.failed_up("--continue-on-error")
        story.look(step)
    story.program(GOOD, *changed)
    stack.destroy()
    story.look("destroyed")
    box.run(f"rm -r /srv/options-crlf /home/{ANN}/.gitconfig")
    return story


def test_a_text_that_its_program_does_not_accept_never_gets_into_the_file(story: Story):
    assert "X11Forwarding no" in story.seen["made"]["server"]
    printed = story.printed["refused"]
    assert "is not accepted by `visudo -cf {}`" in about(printed, "rules")
    assert "is not accepted by `/usr/sbin/sshd -t -f {}`" in about(printed, "server")
    assert story.seen["refused"]["rules"] == GOOD
    assert story.seen["refused"]["server"] == story.seen["made"]["server"]
    assert story.seen["refused"]["copies"].split() == ["locks"], "no copy of the text is left"


def test_a_file_that_nothing_can_take_the_place_of_is_written_in_place(story: Story):
    assert "in_place" in about(story.printed["refused"], "hostname")
    assert story.seen["made"]["somewhere"].strip() == "192.0.2.7"
    assert story.plans["repaired"]["hosts"] == ["content"]
    assert "stranger" in story.seen["drifted"]["hosts"]
    assert story.seen["repaired"]["hosts"] == story.seen["made"]["hosts"]
    for name in ("hosts", "inode"):
        assert story.seen["destroyed"][name] == story.seen["before"][name]


def test_a_block_stands_where_it_is_wished_in_comments_that_have_an_end(story: Story):
    lines = story.seen["made"]["page"].splitlines()
    assert "<!-- BEGIN hearth first -->" in lines
    order = ["<body>", "<p>first</p>", "<p>theirs</p>", "<p>last</p>", "</body>"]
    assert [line for line in lines if line in order] == order
    # Somebody moved one to the end of the file.
    assert story.plans["repaired"]["last"] == ["before"]
    assert story.seen["repaired"]["page"].splitlines() == lines
    assert "has no line '</main>'" in about(story.printed["refused"], "third")
    assert story.seen["refused"]["page"].splitlines() == lines
    assert story.seen["destroyed"]["page"] == PAGE


def test_a_script_asks_again_where_what_its_check_depends_on_has_changed(story: Story):
    assert story.seen["made"]["got"] == TEXTS[0]
    assert story.plans["repaired"]["rolled-out"] == ["check"]
    assert story.seen["repaired"]["got"] == TEXTS[0]
    assert story.plans["changed"].keys() == {"wished", "rolled-out", "app"}
    assert story.seen["changed"]["got"] == TEXTS[1]
    assert story.seen["destroyed"]["got"] == ""


def test_a_package_keeps_the_version_that_is_wished_and_is_held(story: Story):
    assert story.seen["made"]["app"] == "1.0-1 hold"
    assert story.seen["drifted"]["app"] == "2.0-1 install"
    assert sorted(story.plans["repaired"]["app"]) == ["hold", "version"]
    assert story.seen["repaired"]["app"] == story.seen["upgraded"]["app"] == "1.0-1 hold"
    assert story.plans["changed"]["app"] == ["version"]
    assert story.seen["changed"]["app"] == "2.0-1 hold"
    assert "3.0" in about(story.printed["refused"], "app")
    assert story.seen["refused"]["app"] == "2.0-1 hold"


@pytest.mark.parametrize("step", ["refused", "refused again"])
def test_a_name_that_others_provide_is_refused_with_theirs(story: Story, step: str):
    said = about(story.printed[step], "virtual")
    assert "a name that others provide: options-provider; nothing was changed" in said
    assert "name the one that you want, as options-provider" in said
    assert story.seen[step]["others"] == ""


def test_a_checkout_has_as_much_history_as_is_wished_and_other_refs_and_submodules(story: Story):
    made = story.seen["made"]
    assert made["history"].strip() == "2"
    assert made["in shallow"] == ""
    assert made["proposed"] == "proposed\n"
    assert made["part"] == "part\n"
    assert story.seen["drifted"]["part"] == ""
    assert story.plans["repaired"]["parts"] == ["submodules"]
    assert story.seen["repaired"]["part"] == "part\n"
    assert story.seen["destroyed"]["checkouts"] == ""


def test_a_checkout_that_was_there_keeps_its_accounts_ends_of_lines_and_is_given_back(story: Story):
    made, destroyed = story.seen["made"], story.seen["destroyed"]
    assert made["crlf's commit"].split() == ["with", "a", "part"]
    assert made["crlf"].split()[1:] == ["4", r"\r", r"\n"]
    assert destroyed["crlf"] == story.seen["before"]["crlf"]


def test_a_preview_names_what_drifted_and_nothing_else(story: Story):
    assert story.plans["repaired"].keys() == {"hosts", "last", "rolled-out", "app", "parts"}
    assert story.plans["nothing more"] == {}
