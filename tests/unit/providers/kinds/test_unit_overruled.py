"""Units and links of others that stand in the place of ours, or win over them."""

from __future__ import annotations

import json

import pytest

from providers.errors import InvalidInput
from providers.kinds.unit.facts import UnitFacts
from providers.kinds.unit.kind import KIND
from providers.kinds.unit.settings import UnitInputs
from tests.unit.providers.kinds.fake_systemd import SYSTEM_FOLDER, SystemdMachine
from tests.unit.providers.kinds.test_unit_there import PATH, TEXT, WISH, make, state


@pytest.mark.parametrize(
    "other",
    [
        "/etc/systemd/system.control/web.service",
        "/run/systemd/system.control/web.service",
        "/run/systemd/transient/web.service",
        "/run/systemd/generator.early/web.service",
    ],
)
async def test_a_file_that_wins_over_ours_is_named_and_nothing_is_written(other: str):
    machine = SystemdMachine()
    machine.bring("web.service", TEXT)
    machine.fragments["web.service"] = other
    with pytest.raises(InvalidInput, match=f"wins over {PATH}") as error:
        await make(machine, WISH)
    assert other in str(error.value)
    assert PATH not in machine.files


@pytest.mark.parametrize(
    ("wish", "other"),
    [
        (WISH, "/etc/systemd/system.control/web.service"),
        (
            state("web.container", user="pod", text="[Container]\nImage=a\n", running=True),
            "/var/lib/pod/.config/systemd/user/web.service",
        ),
    ],
    ids=["system.control", "over a Quadlet file"],
)
async def test_a_unit_that_came_over_ours_is_drift_moved_aside_by_a_repair_and_back_by_destroy(
    wish: UnitInputs, other: str
):
    machine = SystemdMachine()
    before = await KIND.observe(machine, wish)
    await make(machine, wish)
    machine.put(other, "[Service]\nExecStart=/theirs\n", owner=wish.user or "root")
    machine.fragments["web.service"] = other
    found = await KIND.observe(machine, wish)
    assert other in (found.text or "")
    starts = machine.units["web.service"].starts
    await KIND.apply(machine, wish, found)
    assert other not in machine.files
    assert machine.files[f"{other}.hearth-aside"].content == b"[Service]\nExecStart=/theirs\n"
    assert f"was moved to {other}.hearth-aside; destroy moves it back" in machine.messages[-1]
    assert machine.units["web.service"].starts == starts + 1  # what ran was theirs
    assert KIND.differences(wish, await KIND.observe(machine, wish)) == {}
    # Once more, and nothing of the first is lost.
    machine.put(other, "second")
    machine.fragments["web.service"] = other
    await KIND.apply(machine, wish, await KIND.observe(machine, wish))
    assert machine.files[f"{other}.hearth-aside-2"].content == b"second"
    await KIND.restore(machine, wish, before)
    assert machine.files[other].content == b"[Service]\nExecStart=/theirs\n"
    assert machine.files[f"{other}.hearth-aside-2"].content == b"second"
    assert not [path for path in machine.files if path.startswith("/var/lib/hearth/units")]


@pytest.mark.parametrize("other", ["/etc/systemd/user/web.service", "/run/systemd/transient/web.service"])
async def test_a_unit_that_others_use_or_make_again_is_named_and_left(other: str):
    machine = SystemdMachine()
    wish = state("web.container", user="pod", text="[Container]\nImage=a\n", running=True)
    await make(machine, wish)
    machine.put(other, "theirs")
    machine.fragments["web.service"] = other
    with pytest.raises(InvalidInput, match=r"move .* away"):
        await KIND.apply(machine, wish, await KIND.observe(machine, wish))
    assert machine.files[other].content == b"theirs"


async def test_destroy_leaves_nothing_of_a_unit_whose_account_was_removed_by_hand():
    machine = SystemdMachine()
    home = "/var/lib/pod"
    wish = state("web.service", user="pod", home=home, text=TEXT, running=True, restart_on=["1"])
    before = await KIND.observe(machine, wish)
    folders = set(machine.files)
    await make(machine, wish)
    del machine.accounts["pod"]
    await KIND.restore(machine, wish, before)
    assert {path for path in machine.files if not path.startswith("/var/lib/hearth")} <= folders
    assert not [path for path in machine.files if path.startswith("/var/lib/hearth/")]


def recorded(facts: UnitFacts) -> UnitFacts:
    """Return facts as they come back from a record on the machine."""
    return UnitFacts.model_validate(json.loads(json.dumps(facts.model_dump(mode="json", by_alias=True))))


@pytest.mark.parametrize("target", [b"/srv/caf\xe9.service", b"../\xff\xfe"])
async def test_a_link_in_the_place_of_a_unit_comes_back_byte_for_byte(target: bytes):
    machine = SystemdMachine()
    machine.link(PATH, target.decode(errors="surrogateescape"))
    machine.link(f"{SYSTEM_FOLDER}/x.target.wants/web.service", target.decode(errors="surrogateescape"))
    before = recorded(await KIND.observe(machine, WISH))
    await make(machine, WISH)
    await KIND.restore(machine, WISH, before)
    assert machine.files[PATH].content == target
