"""The checks of graphics cards: each row passes on what is right, and fails on what is not.

What nvidia-smi and CUDA's driver say without a card was recorded from the real ones: nvidia-smi and libcuda1 550.163.01
of Debian 13, on a machine without one. What they say with a card is as nvidia-smi(1) and cuda.h have it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from checks.lxd import cards
from checks.lxd.cards import CUDA, card_rows, check_given, check_reserved, cuda_row, device_row, smi_row
from checks.result import CheckResult, Status
from components.lxd.deployed import DeployedCards
from providers.kinds.lxd.gpu_reservation import GpuReservationInputs, apply, facts_of, observe
from providers.machine.session import Completed
from tests.unit.providers.kinds.fake_session import Call, FakeSession
from tests.unit.systems.lxd.test_checks import CLUSTER, failed
from tests.unit.systems.lxd.test_gpu_reservation import Box, told

CARD, AUDIO = "0000:01:00.0", "0000:01:00.1"
CARDS = DeployedCards(cards=[CARD], restart=False, instances={"vm1": [CARD]})
GIVEN = CLUSTER.model_copy(update={"cards": {"bcn1": CARDS}})
NO_DRIVER = Completed(255, "Failed to initialize NVML: Unknown Error\n", "")
NO_CUDA = Completed(1, "", "CUDA error 100: no CUDA-capable device is detected\n")
A_CARD = Completed(0, "NVIDIA RTX A2000, 550.163.01, 00000000:06:00.0\n", "")
A_CUDA = Completed(0, "CUDA 12.4, 1 devices\n", "")


async def kept(**more: Any) -> tuple[FakeSession, Box]:
    session = FakeSession(machine="bcn1")
    box = Box(session, **more)
    inputs = GpuReservationInputs(host="bcn1", cards=[CARD])
    await apply(session, inputs, await observe(session, inputs))
    box.booted()
    return session, box


def statuses(rows: list[CheckResult]) -> set[Status]:
    return {row.status for row in rows}


async def test_a_card_that_is_kept_passes_in_every_row():
    session, _ = await kept()
    rows = await check_reserved(session, CARDS)
    assert statuses(rows) == {Status.PASS}
    assert len(rows) == 5


def change(function: str, **more: Any) -> Any:
    def changed(box: Box) -> None:
        next(each for each in box.found["functions"] if each["address"] == function).update(more)

    return changed


@pytest.mark.parametrize(
    ("spoil", "question"),
    [
        (change(CARD, address="0000:09:00.0"), f"bcn1: the card {CARD} is there"),
        (change(CARD, driver="nouveau"), f"bcn1: every function of {CARD} is with vfio-pci"),
        (change(AUDIO, driver="snd_hda_intel"), f"bcn1: every function of {CARD} is with vfio-pci"),
        (change(CARD, group=""), f"bcn1: the IOMMU is on for {CARD}"),
        (
            lambda box: box.found["functions"].append(told("0000:03:00.0", "0x040100", "snd_x")),
            f"bcn1: nothing else of the group of {CARD} is in use",
        ),
        (lambda box: box.session.files.clear(), "bcn1: its files keep its cards at every boot"),
        (lambda box: box.found.update(stale=True), "bcn1: its files keep its cards at every boot"),
        (lambda box: box.found.update(kernels=["linux /vmlinuz"]), "bcn1: its files keep its cards at every boot"),
    ],
)
async def test_what_is_not_right_with_a_card_fails_by_its_name(spoil: Any, question: str):
    session, box = await kept()
    spoil(box)
    assert question in failed(await check_reserved(session, CARDS))


async def test_a_restart_that_is_waited_for_is_the_remedy():
    session = FakeSession(machine="bcn1")
    box = Box(session)
    inputs = GpuReservationInputs(host="bcn1", cards=[CARD])
    await apply(session, inputs, await observe(session, inputs))
    rows = {row.question: row for row in card_rows("bcn1", CARD, facts_of(inputs, box.found | {"files": {}}))}
    row = rows[f"bcn1: every function of {CARD} is with vfio-pci"]
    assert row.status is Status.FAIL
    assert row.reason == f"{CARD}: nouveau, {AUDIO}: snd_hda_intel. Restart bcn1"


async def test_what_can_not_be_known_while_the_iommu_is_off_is_skipped_with_the_reason():
    session, box = await kept()
    for each in box.found["functions"]:
        each["group"] = ""
    rows = await check_reserved(session, CARDS)
    assert [row.reason for row in rows if row.status is Status.SKIP] == ["no group is known while the IOMMU is off"]


# --- in virtual machines -------------------------------------------------------------------------------------------

DEVICES = {"gpu0": {"type": "gpu", "gputype": "physical", "pci": CARD}, "gpu0f1": {"type": "pci", "address": AUDIO}}


def test_an_instance_without_its_card_fails_and_says_what_it_has():
    functions = [CARD, AUDIO]
    assert device_row("vm1", [CARD], functions, {"expanded_devices": DEVICES}).status is Status.PASS
    without: dict[str, dict[str, dict[str, str]]] = {
        f"it has none; without {CARD}, {AUDIO}": {},
        f"0000:02:00.0, {AUDIO}; without {CARD}": {**DEVICES, "gpu0": {**DEVICES["gpu0"], "pci": "0000:02:00.0"}},
        f"{AUDIO}; without {CARD}": {"gpu0f1": DEVICES["gpu0f1"]},
        f"{CARD}; without {AUDIO}": {"gpu0": DEVICES["gpu0"]},
    }
    for said, devices in without.items():
        row = device_row("vm1", [CARD], functions, {"expanded_devices": devices})
        assert row.status is Status.FAIL
        assert ", ".join(sorted(said.partition(";")[0].split(", "))) in row.reason
        assert said.partition("; ")[2] in row.reason


@pytest.mark.parametrize(
    ("said", "status", "seen"),
    [
        (A_CARD, Status.PASS, "NVIDIA RTX A2000, 550.163.01"),
        (NO_DRIVER, Status.FAIL, "Failed to initialize NVML: Unknown Error"),
        (Completed(6, "No devices were found\n", ""), Status.FAIL, "No devices were found"),
        (Completed(0, "No devices were found\n", ""), Status.FAIL, "No devices were found"),
        (Completed(127, "", "nvidia-smi: command not found"), Status.FAIL, "command not found"),
        (Completed(9, "", ""), Status.FAIL, "status 9"),
    ],
)
def test_nvidias_answer_is_read(said: Completed, status: Status, seen: str):
    row = smi_row("q", 1, said)
    assert row.status is status
    assert seen in row.reason


def test_one_card_of_two_is_not_enough():
    assert smi_row("q", 2, A_CARD).status is Status.FAIL
    assert cuda_row("q", 2, A_CUDA).status is Status.FAIL


@pytest.mark.parametrize(
    ("said", "status", "seen"),
    [
        (A_CUDA, Status.PASS, "CUDA 12.4"),
        (Completed(0, "CUDA 12.4, 0 devices\n", ""), Status.FAIL, "0 devices"),
        (NO_CUDA, Status.FAIL, "no CUDA-capable device is detected"),
        (Completed(1, "", "no CUDA driver: libcuda.so.1: cannot open shared object file"), Status.FAIL, "libcuda.so.1"),
    ],
)
def test_cudas_answer_is_read(said: Completed, status: Status, seen: str):
    row = cuda_row("q", 1, said)
    assert row.status is status
    assert seen in row.reason


def test_where_there_is_no_cuda_its_question_says_so_and_fails():
    done = subprocess.run(["python3", "-"], input=CUDA, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "no CUDA driver: libcuda.so.1" in done.stderr or "CUDA error" in done.stderr


def inside(answers: Mapping[str, Completed]) -> Any:
    def answer(call: Call) -> Completed:
        return next(said for start, said in answers.items() if f" -- {start}" in call.line)

    return answer


async def given(box: Box, session: FakeSession, status: str = "Running", **said: Completed) -> list[CheckResult]:
    """Ask about vm1; the daemon's client and the card's own program are told apart by what they are given."""
    instance = {"status": 200, "metadata": {"status": status, "expanded_devices": DEVICES}}

    def python(call: Call) -> str:
        return json.dumps([instance]) if b'"requests"' in call.stdin else box(call)

    session.on("python3", python)
    session.on("lxc exec vm1", inside({"nvidia-smi": said.get("smi", A_CARD), "python3 -": said.get("cuda", A_CUDA)}))
    return await check_given(session, GIVEN)


async def test_a_virtual_machine_with_its_card_driver_and_cuda_passes():
    session, box = await kept()
    rows = await given(box, session)
    assert [row.question for row in rows] == [
        "vm1 has its cards as devices",
        "vm1: NVIDIA's driver has its cards",
        "vm1: CUDA has its cards",
    ]
    assert statuses(rows) == {Status.PASS}
    lines = [line for line in session.lines() if line.startswith("lxc exec")]
    assert lines == [
        "lxc exec vm1 -- nvidia-smi --query-gpu=name,driver_version,pci.bus_id --format=csv,noheader",
        "lxc exec vm1 -- python3 -",
    ]


async def test_one_without_a_driver_fails_in_both():
    session, box = await kept()
    rows = await given(box, session, smi=NO_DRIVER, cuda=NO_CUDA)
    assert failed(rows) == ["vm1: NVIDIA's driver has its cards", "vm1: CUDA has its cards"]
    assert {row.code for row in rows if row.status is Status.FAIL} == {cards.Code.NOT_RUNNING}


async def test_one_that_does_not_run_and_a_card_of_another_make_are_skipped_with_the_reason():
    session, box = await kept()
    rows = await given(box, session, status="Stopped")
    assert {row.reason for row in rows if row.status is Status.SKIP} == {"vm1 does not run"}
    change(CARD, vendor="0x1002")(box)
    rows = await given(box, session)
    assert {row.reason for row in rows if row.status is Status.SKIP} == {f"{CARD} is not of NVIDIA's"}


async def test_cards_that_no_virtual_machine_has_are_one_row_that_says_so():
    alone = CLUSTER.model_copy(update={"cards": {"bcn1": CARDS.model_copy(update={"instances": {}})}})
    (row,) = await check_given(FakeSession(machine="bcn1"), alone)
    assert row.status is Status.SKIP
    assert await check_given(FakeSession(machine="bcn1"), CLUSTER) == []
