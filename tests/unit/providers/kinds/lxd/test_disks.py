"""Disks that a pool takes whole: looked at before anything is written, and overwritten only where that is said."""

from __future__ import annotations

import pytest

from providers.errors import InvalidInput
from providers.kinds.lxd import disks
from tests.unit.providers.kinds.fake_session import Call, FakeSession

ONE, TWO = "/dev/disk/by-id/nvme-one", "/dev/disk/by-id/nvme-two"
CONFIG = {"bcn1": {"source": ONE}, "bcn2": {"source": TWO}, "bcn3": {}}
MACHINES = {"bcn1": "first", "bcn2": "second"}


def session(first: str, second: str) -> FakeSession:
    """Return two machines that say so of their disks, and to a wipe nothing."""

    def machine(name: str, said: str) -> FakeSession:
        def answer(call: Call) -> str:
            return said if "wipefs --no-act" in (call.script or "") else ""

        return FakeSession(machine=name).on("sh", answer)

    made = machine("first", first)
    made.others["second"] = machine("second", second)
    return made


def wiped(machine: FakeSession) -> list[str]:
    return [call.stdin.decode() for call in machine.calls if "wipefs --all" in (call.script or "")]


async def test_empty_disks_are_taken_and_nothing_is_written_on_them():
    made = session("", "")
    await disks.make_ready(made, CONFIG, MACHINES, [])
    assert [len(each.calls) for each in (made, made.others["second"])] == [1, 1]
    assert wiped(made) == wiped(made.others["second"]) == []
    assert made.calls[0].stdin == ONE.encode()


@pytest.mark.parametrize(
    "driver_keys", [{}, {"source": "tank/pool"}, {"source": "/var/lib/images/a.img"}, {"size": "1GiB"}]
)
async def test_what_is_no_disk_is_not_looked_at(driver_keys: dict[str, str]):
    made = session("", "")
    await disks.make_ready(made, {"bcn1": driver_keys}, MACHINES, [])
    assert not made.calls


@pytest.mark.parametrize(
    ("first", "second", "wipe", "said"),
    [
        ("<no such disk>\n", "", [], ["bcn1: " + ONE + " is not there"]),
        ("", "<in use>\n", ["bcn2"], ["bcn2: " + TWO + " is in use"]),
        ("0x438\n", "", [], ["bcn1: " + ONE + " is not empty (0x438)"]),
        ("0x438\nsda1\n", "<no such disk>\n", ["bcn2"], ["bcn1: ", "0x438, sda1", "bcn2: " + TWO + " is not there"]),
        # One that may be wiped is not, while another can't be taken.
        ("0x438\n", "<in use>\n", ["bcn1"], ["bcn2: " + TWO + " is in use"]),
    ],
)
async def test_every_disk_that_can_not_be_taken_is_listed_and_none_is_written(
    first: str, second: str, wipe: list[str], said: list[str]
):
    made = session(first, second)
    with pytest.raises(InvalidInput, match="nothing was changed on any member") as caught:
        await disks.make_ready(made, CONFIG, MACHINES, wipe)
    assert all(each in caught.value.detail for each in said)
    assert wiped(made) == wiped(made.others["second"]) == []


async def test_only_the_disk_that_may_be_overwritten_is():
    made = session("0x438\n", "")
    await disks.make_ready(made, CONFIG, MACHINES, ["bcn1"])
    assert wiped(made) == [ONE]
    assert wiped(made.others["second"]) == []
