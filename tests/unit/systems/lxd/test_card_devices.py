"""Cards in the component: kept before all else on their machine, and handed over as devices of LXD's."""

from __future__ import annotations

from components.lxd import gpu
from components.lxd.profiles import profiles
from config.systems.lxd import Lxd
from tests.unit.systems.lxd.test_component import build, wished

CARD, OTHER = "0000:01:00.0", "0000:02:00.0"


def settings_with_cards() -> Lxd:
    content = wished().model_dump(mode="json", by_alias=True, exclude_unset=True)
    content["members"]["bcn1"] |= {"gpus": [CARD, OTHER], "restart": True}
    content["instances"] = {"vm1": {"member": "bcn1", "image": "debian", "gpus": [CARD]}}
    return Lxd.model_validate(content)


def test_a_machine_with_cards_is_restarted_before_anything_of_lxds_comes_to_it():
    made = build(settings_with_cards())
    (own,) = made.of_type("hearth:lxd:GpuReservation")
    assert (own.inputs["host"], own.inputs["cards"]) == ("bcn1", [CARD, OTHER])
    assert (own.inputs["restart"], own.inputs["console"]) == (True, False)
    assert own.name in made.before("lxd-daemon-bcn1")
    assert own.name in made.before("lxd-instance-vm1")
    assert own.name not in made.before("lxd-daemon-bcn2")


def test_a_virtual_machine_gets_its_card_and_the_audio_function_that_its_machine_told_of():
    inputs = build(settings_with_cards()).resources["lxd-instance-vm1"].inputs
    assert inputs["devices"] == {
        "gpu0": {"type": "gpu", "gputype": "physical", "pci": CARD},
        "gpu0f1": {"type": "pci", "address": "0000:01:00.1"},
    }
    assert inputs["profiles"][-2:] == ["vm-gpu", "gpu-passthrough"]


def test_two_cards_have_devices_of_their_own_and_no_function_of_another_is_taken():
    functions = [CARD, "0000:01:00.1", "0000:01:00.2", OTHER, "0000:02:00.1"]
    assert gpu.devices([OTHER, CARD], functions) == {
        "gpu0": {"type": "gpu", "gputype": "physical", "pci": OTHER},
        "gpu0f1": {"type": "pci", "address": "0000:02:00.1"},
        "gpu1": {"type": "gpu", "gputype": "physical", "pci": CARD},
        "gpu1f1": {"type": "pci", "address": "0000:01:00.1"},
        "gpu1f2": {"type": "pci", "address": "0000:01:00.2"},
    }


def test_the_checks_are_told_which_machine_keeps_and_which_instance_has_a_card():
    (told,) = gpu.deployed(settings_with_cards()).items()
    assert told[0] == "bcn1"
    assert (told[1].cards, told[1].restart, told[1].instances) == ([CARD, OTHER], True, {"vm1": [CARD]})


def test_without_cards_nothing_of_them_is_there():
    assert build(wished()).of_type("hearth:lxd:GpuReservation") == []
    assert gpu.deployed(wished()) == {}


def test_the_profiles_of_cards_have_the_lists_names_and_keep_the_card_out():
    found = profiles(settings_with_cards())
    assert found["vm-gpu"].config["security.secureboot"] == "false"
    assert found["gpu-passthrough"].config["migration.stateful"] == "false"
    for name in ("vm-gpu", "gpu-passthrough"):
        assert not any(each["type"] == "gpu" for each in found[name].devices.values())
