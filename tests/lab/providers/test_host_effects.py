"""What takes effect on a machine, and what looking and destroy leave behind, with the real engine, systemd and podman.

One program is taken through a story; each test looks at what concerns it.
"""

from __future__ import annotations

import pytest

from tests.lab.conftest import MachineFactory
from tests.lab.project import Project, about
from tests.lab.providers.effects_story import (
    ANN,
    CONTROL,
    HOME,
    ONESHOT,
    OVER,
    PROGRAM,
    REFUSED,
    TREE,
    Story,
    bring,
    prepare,
)

BOBS = (
    "/srv/fx-homes/bob/.config/containers/systemd/fx-bobs.network",
    "/srv/fx-homes/bob/.config/systemd/user/fx-bobs.service",
)


@pytest.fixture(scope="module")
def story(machine: MachineFactory, tmp_path_factory: pytest.TempPathFactory) -> Story:
    box = machine("effects", image="machine-podman")
    prepare(box)
    story = Story(Project(tmp_path_factory.mktemp("effects"), box))
    story.project.program('conf, limit, home = "ours\\n", "4000", "/srv/fx-move"\n' + ONESHOT + PROGRAM)
    bring(story.project, **TREE)
    story.look("before")
    story.make("made", "up")
    story.make("looked", "drift")
    # What strangers and other tools do to it.
    fstab = box.read("/etc/fstab")
    box.write("/etc/fstab", f"overlay /srv/fx\\040share/ tmpfs noauto 0 0\n{fstab}")
    box.run("chmod 0666 /etc/fstab; chmod 0646 /etc/environment; echo edited >/etc/fx.d/zone")
    box.write(CONTROL, "[Service]\nExecStart=/bin/sleep 2000000\n")
    box.write(OVER, "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n")
    box.run(f"chown -R {ANN}: {HOME}/.config; systemctl daemon-reload; chmod 0622 /etc/cron.d/fx; systemctl stop fx-on")
    box.run("systemctl --user daemon-reload", user=ANN)
    story.make("drifted", "drift")
    story.make("repaired", "up", "--refresh")
    story.project.program('conf, limit, home = "ours\\n", "5000", "/srv/fx-moved"\n' + ONESHOT + PROGRAM)
    bring(story.project, **{next(iter(TREE)): "[Service]\nLimitCORE=2000\n"})
    (story.project.workspace.folder / "tree/systemd/system/fx-tree.service").unlink()
    story.make("changed", "up")
    box.run(
        "systemctl start 'srv-fx\\x2dnone.automount'; ls /srv/fx-none; systemctl start 'srv-fx\\x2dbad.mount'; true"
    )
    story.look("broken")
    box.run("touch '/srv/fx share/used'; loginctl disable-linger fx-gone; systemctl stop user@$(id -u fx-gone)")
    box.run("userdel fx-gone; ls /srv/fx-gone")
    story.make("down", "down")
    story.project.program(ONESHOT + REFUSED)
    story.make("refused", "up", "--continue-on-error")
    return story


def test_the_first_up_goes_well_and_a_look_after_it_finds_nothing(story: Story):
    assert story.codes["made"] == 0, story.printed["made"]
    assert story.codes["looked"] == 0, story.printed["looked"]


def test_what_was_started_with_old_files_is_restarted_by_the_first_up_and_again_when_they_were_edited(story: Story):
    texts = {step: seen["reads"].split("\n") for step, seen in story.seen.items()}
    assert texts["before"][:2] == ["theirs", "theirs"]
    assert texts["made"][:2] == ["ours", "ours"]
    assert texts["looked"] == texts["made"]
    assert "another text than when fx-reads.service started" in story.printed["drifted"]
    assert texts["repaired"][:2] == ["ours", "ours"]
    assert texts["changed"] == texts["repaired"]


def test_files_that_a_manager_reads_are_read_anew_when_they_come_change_and_go(story: Story):
    for step in ("made", "repaired", "changed", "down"):
        assert story.seen[step]["stale"] == "no", step
    assert [story.seen[step]["limit"] for step in ("made", "changed", "down")] == [
        "4000",
        "5000",
        story.seen["before"]["limit"],
    ]
    assert story.seen["made"]["ann"] == "loaded"
    assert story.seen["down"]["ann"] == "not-found"


def test_an_automount_of_a_block_is_there_with_it_and_goes_with_it(story: Story):
    assert story.seen["made"]["automount"] == "loaded active"
    assert story.seen["down"]["automount"] == "not-found inactive"
    assert story.seen["down"]["failed"] == "0"


def test_files_of_a_tree_are_read_anew_and_closed_as_those_of_a_file_are(story: Story):
    assert [story.seen[step]["core"] for step in ("made", "repaired", "changed", "down")] == [
        "1000",
        "1000",
        "2000",
        story.seen["before"]["core"],
    ]
    assert [story.seen[step]["tree"] for step in ("made", "changed")] == ["loaded", "not-found"]
    assert "everybody may write into it: its mode is 0622" in story.printed["drifted"]
    assert [story.seen[step]["cron"] for step in ("before", "made", "repaired", "down")] == [
        "666:root\n# theirs",
        "664:root\n# ours",
        "620:root\n# ours",
        "666:root\n# theirs",
    ]


def test_the_links_of_anothers_unit_lead_to_it_again_after_a_full_text_over_it(story: Story):
    there = "/usr/local/lib/systemd/system"
    link = "/etc/systemd/system/{}.target.wants/{}.service"
    assert story.seen["before"]["vendor"].split("\n") == [
        line
        for unit in ("fx-vendor", "fx-other")
        for line in (f"{there}/{unit}.service", link.format("multi-user", unit), "enabled", "active", "sleep 1000000")
    ]
    assert story.seen["made"]["vendor"].split("\n") == [
        line
        for unit, target in (("fx-vendor", "multi-user"), ("fx-other", "graphical"))
        for line in (
            f"/etc/systemd/system/{unit}.service",
            link.format(target, unit),
            "enabled",
            "active",
            "sleep 2000000",
        )
    ]
    assert story.seen["down"]["vendor"] == story.seen["before"]["vendor"]
    assert story.seen["down"]["dangling"] == "0"


def test_whether_a_unit_runs_is_systemds_to_say_in_whichever_of_its_words(story: Story):
    # That a look finds nothing after `up` is tried above.
    assert story.seen["made"]["words"] == "active active active active"
    assert story.seen["drifted"]["words"] == "active active active inactive"
    assert story.seen["repaired"]["words"] == "active active active active"
    for word in ("off", "0"):
        said = about(story.printed["refused"], f"fx-{word}")
        assert "is a oneshot that has done its work and ended" in said, story.printed["refused"]


def test_a_home_behind_a_link_that_is_written_in_another_form_is_the_same_home(story: Story):
    passwd = story.seen["before"]["bob"].split("\n")[0]
    assert passwd.split(":")[5] == "/srv/fx-h/./bob"
    lines = [passwd, "active", "active", "NeedDaemonReload=no", "Nice=7", *BOBS]
    assert story.seen["made"]["bob"].split("\n") == lines
    assert story.seen["repaired"]["bob"].split("\n") == lines
    # A unit that is not there has no drop-in either.
    assert story.seen["down"]["bob"].split("\n") == [passwd, "inactive", "inactive", "NeedDaemonReload=no", "Nice=0"]


def test_the_members_of_a_group_come_back_in_their_order(story: Story):
    listed = {step: seen["members"].split("\n") for step, seen in story.seen.items()}
    order = f"fx-bob,fx-ordered,{ANN}"
    assert [line.rpartition(":")[2] for line in listed["before"]] == [order, order, "fx-ordered fx-order"]
    left = order.replace("fx-ordered,", "")
    assert [line.rpartition(":")[2] for line in listed["made"]] == [left, left, "fx-ordered adm"]
    assert listed["down"] == listed["before"]


def test_the_units_of_an_account_go_with_it_to_another_home(story: Story):
    assert story.codes["changed"] == 0, story.printed["changed"]
    for step, home in (("made", "/srv/fx-move"), ("changed", "/srv/fx-moved")):
        assert story.seen[step]["moves"].split("\n") == [
            "active",
            "active",
            f"{home}/.config/containers/systemd/fx-moves.network",
            f"{home}/.config/systemd/user/fx-moves.service",
        ]


def test_a_network_that_was_there_before_its_unit_is_there_after_it(story: Story):
    networks = [story.seen[step]["networks"] for step in ("before", "made", "down")]
    assert networks == ["fx-there.json", "fx-quiet.json fx-there.json", "fx-there.json"]


def test_our_own_way_in_is_not_closed(story: Story):
    for name in ("me", "ssh"):
        said = about(story.printed["refused"], name)
        assert "would close our own way in" in said, story.printed["refused"]
        assert "Nothing was changed" in said


def test_mounts_that_failed_are_not_left_behind(story: Story):
    assert story.seen["broken"]["failed"] == "2"
    assert story.seen["down"]["failed"] == "0"


def test_an_fstab_that_all_may_write_or_that_says_something_else_first_is_drift_and_mended(story: Story):
    assert story.codes["drifted"] == 7
    assert "everybody may write into it: its mode is 0666" in story.printed["drifted"]
    assert "line 1 says something else of /srv/fx share and comes first" in story.printed["drifted"]
    lines = story.seen["repaired"]["fstab"].split("\n")
    assert lines[0] == "664:root"
    assert lines.index("# END hearth share") < next(n for n, line in enumerate(lines) if line.startswith("overlay"))
    assert story.seen["down"]["fstab"].split("\n")[1:] == [
        "overlay /srv/fx\\040share/ tmpfs noauto 0 0",
        "# theirs",
        "/dev/no /nowhere auto noauto 0 0",
    ]


def test_a_file_that_root_acts_on_is_closed_to_all_and_opened_again_by_destroy(story: Story):
    modes = {step: seen["environment"] for step, seen in story.seen.items()}
    assert (modes["before"], modes["made"], modes["repaired"], modes["down"]) == (
        "666:root",
        "664:root",
        "644:root",
        "666:root",
    )


def test_units_that_came_over_ours_are_moved_aside_and_back(story: Story):
    assert f"the manager uses {CONTROL}" in story.printed["drifted"]
    assert "its service is " in story.printed["drifted"]
    assert story.codes["repaired"] == 0, story.printed["repaired"]
    assert story.seen["repaired"]["fragment"] == "/etc/systemd/system/fx-plain.service\nactive"
    assert "/generator/" in story.seen["repaired"]["network"]
    assert f"{CONTROL}.hearth-aside" in story.printed["repaired"]
    assert "hearth-aside" in story.seen["repaired"]["over"]
    assert "hearth-aside" not in story.seen["down"]["over"]
    assert "fx-quiet-network.service" in story.seen["down"]["over"]
    assert story.seen["down"]["fragment"] == f"{CONTROL}\ninactive"


def test_looking_leaves_no_process_behind(story: Story):
    left = set(story.seen["looked"]["processes"].split("\n")) - set(story.seen["made"]["processes"].split("\n"))
    assert left == set()
    for step in ("made", "looked", "drifted"):
        assert story.seen[step]["of operators"] == "0", step


def test_nothing_is_left_after_destroy_although_an_account_was_removed_by_hand(story: Story):
    assert story.codes["down"] == 0, story.printed["down"]
    assert "/run/hearth" in story.seen["changed"]["left"]
    assert "/srv/fx-move /srv/fx-moved" in story.seen["changed"]["left"]
    # The folder is one of somebody else's line by now.
    assert story.seen["down"]["left"] == "/srv/fx share", story.printed["down"]
