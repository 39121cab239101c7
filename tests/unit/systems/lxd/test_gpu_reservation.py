"""The kind GpuReservation against a machine in memory: laid down, waited for, refused, drifted, given back."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from providers.errors import CommandFailed, InvalidInput, NotConverged
from providers.kinds.lxd import gpu_files, gpu_reservation
from providers.kinds.lxd.gpu_reservation import GpuReservationInputs, apply, facts_of, observe, restore
from tests.unit.providers.kinds.fake_session import Call, FakeSession

CARD_NAMES = ("0000:01:00.0", "0000:01:00.1")


class Box:
    """Answers gpu_machine.py from what it has, and notes what it was asked to do."""

    def __init__(self, session: FakeSession, **found: Any) -> None:
        self.session, self.asked = session, list[dict[str, Any]]()
        self.busy: dict[str, list[str]] = {}
        self.found: dict[str, Any] = {
            "functions": [
                told("0000:00:01.0", "0x060400", "pcieport"),
                told("0000:01:00.0", "0x030000", "nouveau"),
                told("0000:01:00.1", "0x040300", "snd_hda_intel"),
            ],
            "folders": ["/etc/modprobe.d", "/etc/modules-load.d", "/etc/initramfs-tools/scripts/init-top"],
            "tables": ["DMAR"],
            "line": "quiet",
            "loader": "grub",
            "kernels": ["linux /boot/vmlinuz quiet"],
            "initramfs": True,
            "stale": False,
            "vfio": False,
            **found,
        }
        session.on("python3", self).on("update-initramfs").on("update-grub", self.update_grub).on("rmdir")

    def update_grub(self, _call: Call) -> str:
        own = self.session.files.get(gpu_files.GRUB_FILE)
        more = "" if own is None else " intel_iommu=on iommu=pt"
        self.found["kernels"] = [f"linux /boot/vmlinuz quiet{more}"]
        return ""

    def __call__(self, call: Call) -> str:
        work = json.loads(call.stdin)
        if work["verb"] != "look":
            self.asked.append(work)
            return json.dumps({"busy": self.busy, "other": {}} if work["verb"] == "give back" else {})
        files = {
            path: {"content": base64.b64encode(each.content or b"").decode(), "mode": each.mode}
            for path, each in self.session.files.items()
            if path in work["files"]
        }
        return json.dumps({**self.found, "files": files})

    def booted(self) -> None:
        """Be as after a restart with the files that are there."""
        self.found["line"] = "quiet intel_iommu=on iommu=pt"
        kept = gpu_files.addresses_in((self.session.files[gpu_files.HOOK].content or b"").decode())
        for each in self.found["functions"]:
            each["driver"] = "vfio-pci" if each["address"] in kept else each["driver"]


def told(address: str, device_class: str, driver: str, **more: Any) -> dict[str, Any]:
    return {
        "address": address,
        "class": device_class,
        "group": "2",
        "driver": driver,
        "override": "",
        "console": "",
        "vendor": "0x10de",
        "parts": [],
        **more,
    }


def inputs(**more: Any) -> GpuReservationInputs:
    return GpuReservationInputs(host="box", cards=["0000:01:00.0"], **more)


async def made(session: FakeSession, **more: Any) -> gpu_reservation.GpuReservationFacts:
    wish = inputs(**more)
    return await apply(session, wish, await observe(session, wish))


async def test_a_card_with_a_driver_gets_its_files_and_is_left_alone_until_a_restart():
    session = FakeSession()
    box = Box(session)
    facts = await made(session)
    assert set(session.files) >= set(gpu_files.FILES)
    assert session.files[gpu_files.HOOK].mode == "0755"
    assert [line for line in session.lines() if line.startswith("update")] == [
        "update-initramfs -u -k all",
        "update-grub",
    ]
    assert facts.cards == ["0000:01:00.0"]
    assert facts.functions == list(CARD_NAMES)
    assert "nouveau until then" in facts.waiting
    assert "give back" not in [each["verb"] for each in box.asked]
    assert any("must be restarted" in each and "`restart: true`" in each for each in session.messages)
    # What it may not do is no difference; what it may do and has not done is one.
    assert gpu_reservation.KIND.differences(inputs(), facts) == {}
    allowed = facts_of(inputs(restart=True), facts.found)
    assert gpu_reservation.KIND.differences(inputs(restart=True), allowed) == {"restart": (True, False)}


async def test_where_it_is_allowed_the_machine_is_restarted_once_and_then_the_card_is_kept():
    session = FakeSession()
    box = Box(session)
    await made(session, restart=True)
    assert session.messages[-1] == "restarted"
    box.booted()
    calls = len(session.lines())
    facts = await observe(session, inputs(restart=True))
    assert facts.waiting == ""
    assert gpu_reservation.KIND.differences(inputs(restart=True), facts) == {}
    assert not [line for line in session.lines()[calls:] if line.startswith("update")]


async def test_a_restart_that_did_not_help_is_an_error_and_not_another_restart():
    session = FakeSession(restarts=False)
    Box(session)
    with pytest.raises(NotConverged, match="was restarted, and its cards are not kept"):
        await made(session, restart=True)


async def test_with_the_iommu_off_the_card_waits_for_the_restart_that_switches_it_on():
    session = FakeSession()
    box = Box(session)
    for each in box.found["functions"]:
        each["group"] = ""
    facts = await made(session)
    assert "IOMMU" in facts.waiting
    assert box.asked == [], "nothing is taken while no group is known"
    box.booted()
    with pytest.raises(InvalidInput, match="no IOMMU group"):
        await made(session)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"loader": "systemd-boot 257"}, "begun by systemd-boot 257"),
        ({"initramfs": False}, "no update-initramfs"),
        ({"functions": []}, "no PCI device 0000:01:00.0"),
        ({"functions": [told("0000:01:00.0", "0x030000", "", console="fb0")]}, "console"),
        (
            {
                "functions": [
                    told("0000:01:00.0", "0x030000", ""),
                    told("0000:03:00.0", "0x010601", "ahci", parts=["sda"]),
                ]
            },
            r"0000:03:00.0 \(sda\), storage",
        ),
        ({"tables": [], "functions": [told("0000:01:00.0", "0x030000", "", group="")]}, "VT-d or AMD-Vi|IOMMU group"),
    ],
)
async def test_what_can_not_be_kept_is_refused_before_anything_is_changed(found: dict[str, Any], said: str):
    session = FakeSession()
    Box(session, **found)
    with pytest.raises(InvalidInput, match=said) as caught:
        await made(session)
    assert "nothing was changed" in str(caught.value)
    assert caught.value.remedy
    assert not session.files
    assert not [line for line in session.lines() if line.startswith("update")]


@pytest.mark.parametrize("path", gpu_files.FILES)
async def test_a_file_that_somebody_changed_is_drift_and_written_again(path: str):
    session = FakeSession()
    box = Box(session)
    await made(session)
    box.booted()
    good = session.files[path]
    session.put(path, "# for address in $(echo '0000:01:00.0 0000:01:00.1'); do\n" if path == gpu_files.HOOK else "#\n")
    facts = await observe(session, inputs())
    assert facts.cards != ["0000:01:00.0"]
    await apply(session, inputs(), facts)
    assert session.files[path] == good


@pytest.mark.parametrize(
    ("change", "said"),
    [({"stale": True}, "the initramfs"), ({"kernels": ["linux /boot/vmlinuz quiet"]}, "GRUB's list of kernels")],
)
async def test_what_was_not_made_anew_from_the_files_is_drift(change: dict[str, Any], said: str):
    session = FakeSession()
    box = Box(session)
    await made(session)
    box.found |= change
    facts = await observe(session, inputs())
    assert said in facts.cards[0]
    calls = len(session.lines())
    await apply(session, inputs(), facts)
    assert [line for line in session.lines()[calls:] if line.startswith("update")]


async def test_destroy_takes_the_files_away_and_gives_each_function_its_driver_back():
    session = FakeSession()
    box = Box(session)
    before = await observe(session, inputs())
    await apply(session, inputs(), before)
    box.booted()
    await restore(session, inputs(), before)
    assert not set(session.files) & set(gpu_files.FILES)
    assert box.asked[-1] == {
        "verb": "give back",
        "functions": {"0000:01:00.0": "nouveau", "0000:01:00.1": "snd_hda_intel"},
        "unload": True,
    }
    assert [line for line in session.lines() if line.startswith("update")][-2:] == [
        "update-initramfs -u -k all",
        "update-grub",
    ]
    assert "rmdir --ignore-fail-on-non-empty /etc/default/grub.d" in session.lines()


async def test_destroy_puts_back_a_file_that_was_there_and_leaves_what_was_kept_before():
    session = FakeSession()
    session.put(gpu_files.HOOK, gpu_files.initramfs_hook(CARD_NAMES), mode="0755")
    session.put(gpu_files.MODULES_FILE, "options vfio-pci disable_vga=1\n")
    box = Box(session)
    box.booted()
    before = await observe(session, inputs())
    await apply(session, inputs(), before)
    asked = len(box.asked)
    await restore(session, inputs(), before)
    assert session.files[gpu_files.MODULES_FILE].content == b"options vfio-pci disable_vga=1\n"
    assert gpu_files.HOOK in session.files
    assert box.asked[asked:] == []


@pytest.mark.parametrize("moment", ["update-initramfs", "update-grub"])
async def test_a_destroy_that_was_cut_short_is_finished_by_the_next(moment: str):
    session = FakeSession()
    box = Box(session)
    before = await observe(session, inputs())
    await apply(session, inputs(), before)
    box.booted()
    session.on(moment, 1)
    with pytest.raises(CommandFailed):
        await restore(session, inputs(), before)
    assert not box.asked or box.asked[-1]["verb"] != "give back"
    session.on(moment, box.update_grub if moment == "update-grub" else "")
    calls = len(session.lines())
    await restore(session, inputs(), before)
    assert [line for line in session.lines()[calls:] if line.startswith("update")] == [
        "update-initramfs -u -k all",
        "update-grub",
    ]
    assert set(box.asked[-1]["functions"]) == set(CARD_NAMES)
    assert not [path for path in session.files if path.endswith("gpus-given-back")]


async def test_what_a_virtual_machine_has_open_stays_and_is_said():
    session = FakeSession()
    box = Box(session)
    before = await observe(session, inputs())
    await apply(session, inputs(), before)
    box.booted()
    box.busy = {"0000:01:00.0": ["qemu-system-x86 (812)"]}
    await restore(session, inputs(), before)
    assert any("in use by qemu-system-x86 (812)" in each and "next restart" in each for each in session.messages)


async def test_a_card_that_is_not_wished_for_any_more_is_let_go():
    session = FakeSession()
    box = Box(session)
    box.found["functions"].append(told("0000:02:00.0", "0x030000", "nouveau", group="3"))
    both = GpuReservationInputs(host="box", cards=["0000:01:00.0", "0000:02:00.0"])
    await apply(session, both, await observe(session, both))
    box.booted()
    facts = await observe(session, inputs())
    assert gpu_reservation.KIND.differences(inputs(), facts)
    await apply(session, inputs(), facts)
    gone = [each for each in box.asked if each["verb"] == "give back"]
    assert [list(each["functions"]) for each in gone] == [["0000:02:00.0"]]
    assert (await observe(session, inputs())).cards == ["0000:01:00.0"]


@pytest.mark.parametrize(("restart", "said"), [(True, "`up` restarts box"), (False, "restarted by hand")])
def test_a_restart_is_announced_before_anything_is_touched(restart: bool, said: str):
    assert said in gpu_reservation.announce(None, inputs(restart=restart))


@pytest.mark.parametrize("card", ["01:00.0", "0000:01:00", "0000:01:00.8", "0000:01:20.0", "0000:0G:00.0", "10de:1b80"])
def test_an_address_that_is_none_is_refused(card: str):
    with pytest.raises(ValueError, match="cards"):
        GpuReservationInputs(host="box", cards=[card])
