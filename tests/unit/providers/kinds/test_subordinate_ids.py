"""Which subordinate ids are free: arithmetic over the texts of a few files."""

import pytest

from providers.kinds.user.subordinate_ids import (
    Databases,
    Range,
    clash,
    free_range,
    own_range,
    parse,
    parse_wish,
    potential,
    with_lines,
)

ANN = "ann:x:1000:1000::/home/ann:/bin/bash\n"
BOB = "bob:x:1001:1001::/home/bob:/bin/bash\n"


@pytest.mark.parametrize(
    ("databases", "start"),
    [
        pytest.param(Databases(), 100000, id="nothing taken"),
        pytest.param(Databases(subuid="ann:100000:65536\n"), 165536, id="behind the first"),
        pytest.param(Databases(subgid="ann:100000:65536\n"), 165536, id="taken for groups only"),
        pytest.param(Databases(subuid="ann:165536:65536\n"), 100000, id="before the first"),
        pytest.param(Databases(subuid="ann:150000:10\n"), 150010, id="a gap that is too small"),
        pytest.param(Databases(subuid="a:100000:65536\nb:231072:65536\n"), 165536, id="a gap that is just right"),
        pytest.param(Databases(subuid="a:100000:65537\nb:231072:65536\n"), 296608, id="a gap one id too small"),
        pytest.param(Databases(subuid="a:100000:900000\nb:200000:10\n"), 1000000, id="ranges inside each other"),
        pytest.param(Databases(subuid="pod:100000:65536\n"), 100000, id="its own does not count"),
        pytest.param(Databases(subuid="990:100000:65536\n"), 100000, id="its own by number does not count"),
        pytest.param(Databases(passwd=ANN), 165536, id="a login user without a range would get the first"),
        pytest.param(Databases(passwd=ANN + BOB), 231072, id="two login users without a range"),
        pytest.param(
            Databases(passwd=ANN, subuid="ann:500000:65536\n"), 100000, id="a login user who has one gets no other"
        ),
        pytest.param(Databases(passwd="ldap:x:120000:5::/:/bin/sh\n"), 120001, id="an account with a high number"),
        pytest.param(Databases(login_defs="SUB_UID_MIN\t 300000\n"), 300000, id="the machine's own lowest"),
        pytest.param(Databases(login_defs="# SUB_UID_MIN 300000\n"), 100000, id="a comment says nothing"),
        pytest.param(Databases(subuid="broken line\nann:x:1\n"), 100000, id="lines that are none"),
    ],
)
def test_the_lowest_range_that_is_nobody_elses_is_found(databases: Databases, start: int):
    assert free_range(databases, "pod", 990) == Range(start, 65536, "pod")


def test_there_may_be_no_free_range():
    assert free_range(Databases(login_defs="SUB_UID_MAX 150000\n"), "pod", None) is None


def test_the_range_of_a_login_user_follows_the_settings_of_the_machine():
    databases = Databases(passwd=BOB, login_defs="SUB_UID_MIN 200000\nSUB_UID_COUNT 1000\n")
    assert potential(databases, "pod") == [Range(201000, 1000, "bob")]


@pytest.mark.parametrize(
    ("wish", "owner"),
    [("100000:65536", "ann"), ("165535:10", "ann"), ("165536:65536", None), ("1:99999", None), ("1:100000", "ann")],
)
def test_an_overlap_is_found_with_its_owner(wish: str, owner: str | None):
    found = clash(parse_wish(wish), Databases(subgid="ann:100000:65536\n"), "pod", None)
    assert (found and found.owner) == owner


@pytest.mark.parametrize("text", ["", "100000", "100000:0", "0:65536", "a:b", "-1:5", "4294967000:65536"])
def test_a_range_that_can_not_be_is_rejected(text: str):
    with pytest.raises(ValueError, match="START:COUNT"):
        parse_wish(text)


@pytest.mark.parametrize(
    ("subuid", "subgid", "found"),
    [
        ("pod:100000:65536\n", "pod:100000:65536\n", "100000:65536"),
        ("990:100000:65536\n", "pod:100000:65536\n", "100000:65536"),
        ("", "", ""),
        ("pod:1:2\n", "", "users 1:2, groups none"),
        ("pod:1:2\npod:5:6\n", "pod:1:2\npod:5:6\n", "1:2 5:6"),
    ],
)
def test_what_an_account_has_is_told(subuid: str, subgid: str, found: str):
    assert own_range(Databases(subuid=subuid, subgid=subgid), "pod", 990) == found


@pytest.mark.parametrize(
    ("text", "lines", "result"),
    [
        ("", ["pod:1:2"], "pod:1:2\n"),
        ("ann:5:6\n", ["pod:1:2"], "ann:5:6\npod:1:2\n"),
        ("ann:5:6", ["pod:1:2"], "ann:5:6\npod:1:2\n"),
        ("a:1:1\npod:5:6\nb:1:1\n990:8:8\n", ["pod:1:2"], "a:1:1\npod:1:2\nb:1:1\n"),
        ("# ours\npod:5:6\nb:1:1\n", [], "# ours\nb:1:1\n"),
        ("podman:5:6\n", [], "podman:5:6\n"),
    ],
)
def test_an_accounts_lines_are_replaced_and_the_rest_is_kept(text: str, lines: list[str], result: str):
    assert with_lines(text, "pod", 990, lines) == result


def test_a_line_names_its_owner_and_its_file():
    assert parse("ann:100000:65536\n", "/etc/subuid") == [Range(100000, 65536, "ann", "/etc/subuid")]
