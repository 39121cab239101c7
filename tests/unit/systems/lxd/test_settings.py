"""The settings of the LXD cluster: what is taken, and what is refused, every mistake at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from config.mistakes import Mistake, mistakes_of
from config.right_parts import disagreements_in, right_parts
from config.systems.lxd import Lxd

GOOD: dict[str, Any] = {
    "members": {"bcn1": {"address": "192.168.1.101", "gpus": ["0000:01:00.0"]}, "bcn2": {"address": "192.168.1.102"}},
    "pools": {"default": {"driver": "zfs", "members": {"bcn1": {"disk": "/dev/disk/by-id/nvme-A", "wipe": True}}}},
    "networks": {"lxdbr0": {"ipv4": "10.100.0.1/24", "between-members": True}},
    "bridges": {
        "br0": {
            "members": {
                "bcn1": {"nic": "enp1s0", "addresses": ["192.168.1.103/24"]},
                "bcn2": {"nic": "enp2s0", "dhcp": True},
            }
        }
    },
    "groups": {"gpu": ["bcn1"]},
    "images": {"debian": {"remote": "images", "name": "debian/13/cloud"}},
    "instances": {
        "vm1": {
            "member": "bcn1",
            "image": "debian",
            "gpus": ["0000:01:00.0"],
            "addresses": {"lxdbr0": "10.100.0.10/24", "br0": None},
        },
        "c1": {"member": "bcn2", "image": "debian", "type": "container", "addresses": {"lxdbr0": "10.100.0.11/24"}},
    },
    "overlay": {"network": "0123456789abcdef", "addresses": {"bcn1": "10.147.17.1/24", "bcn2": "10.147.17.2/24"}},
    "dns": {"member": "bcn1", "domain": "cluster.example.org", "wildcard": "vm1"},
}


def mistakes(settings: dict[str, Any]) -> dict[str, Mistake]:
    """Return path -> everything that is wrong, as the loader finds it."""
    with pytest.raises(ValidationError) as caught:
        Lxd.model_validate(settings)
    known = right_parts(Lxd, settings)
    found = [*mistakes_of(caught.value, "hearth:lxd"), *(disagreements_in(known, "hearth:lxd") if known else ())]
    return {each.path.removeprefix("hearth:lxd."): each for each in found}


def changed(*path: str, value: Any) -> dict[str, Any]:
    """Return the good settings with one place changed."""
    settings = copy.deepcopy(GOOD)
    place = settings
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
    return settings


def test_the_task_lists_two_machines_are_a_cluster():
    settings = Lxd.model_validate(GOOD)
    assert settings.bootstrap == "bcn1"
    assert settings.host_of("bcn2") == "bcn2"
    assert set(settings.required_secrets()) == {"lxd-zerotier-token"}
    assert Lxd.host_references(GOOD) == {"members.bcn1": "bcn1", "members.bcn2": "bcn2"}


def test_one_machine_with_an_address_is_enough():
    settings = Lxd.model_validate({"members": {"only": {"address": "10.0.0.1"}}})
    assert list(settings.pools) == ["default"]


VM2 = {"member": "bcn1", "image": "debian", "gpus": ["0000:01:00.0"]}
CASES: list[tuple[str, Any, str, str]] = [
    ("networks/other", {"ipv4": "10.100.0.129/25"}, "networks.other.ipv4", "overlaps 10.100.0.0/24"),
    ("networks/other", {"ipv4": "192.168.1.1/16"}, "networks.other.ipv4", "192.168.1.102"),
    ("networks/lxdbr0/ipv4", "fd00::1/64", "networks.lxdbr0", "must be an IPv4 address"),
    ("networks/lxdbr0/ipv4", "10.100.0.0/24", "networks.lxdbr0.ipv4", "not its first or last"),
    ("instances/c1/member", "bcn3", "instances.c1.member", "there: bcn1, bcn2"),
    ("groups/gpu", ["bcn1", "bcn9"], "groups.gpu[1]", "must be a member"),
    ("pools/default/members/bcn9", {}, "pools.default.members.bcn9", "must be a member"),
    ("overlay/addresses/bcn9", "10.147.17.9/24", "overlay.addresses.bcn9", "must be a member"),
    ("instances/c1/image", "ubuntu", "instances.c1.image", "there: debian"),
    ("instances/c1/profiles", ["none"], "instances.c1.profiles[0]", "must be a profile"),
    ("instances/c1/addresses", {"br9": None}, "instances.c1.addresses.br9", "networks or bridges"),
    ("members/bcn2/address", "192.168.1.101", "members.bcn2.address", "member bcn1 has already"),
    ("instances/c1/addresses/lxdbr0", "10.100.0.10/24", "instances.c1.addresses.lxdbr0", "instance vm1 has already"),
    ("instances/c1/addresses/lxdbr0", "10.101.0.11/24", "instances.c1.addresses.lxdbr0", "subnet of lxdbr0"),
    ("members/bcn1/gpus", ["0000:01:00.0", "0000:01:00.1"], "members.bcn1.gpus[1]", "there already"),
    *(
        ("members/bcn1/gpus", [wrong], "members.bcn1.gpus[0]", "0000:01:00.0")
        for wrong in (
            "01:00.0",
            "0000:01:00",
            "0000:01:00.8",
            "0000:01:20.0",
            "0000:0G:00.0",
            "10de:1b80",
            "0000:01:0A.0",
        )
    ),
    ("instances/vm1/gpus", ["0000:01:00.0", "0000:01:00.0"], "instances.vm1.gpus[1]", "which vm1 has already"),
    ("instances/c1/gpu-driver", ["nvidia-driver"], "instances.c1.gpu-driver", "with gpus"),
    ("instances/vm2", {**VM2, "gpu-driver": ["x y"]}, "instances.vm2.gpu-driver[0]", "package"),
    ("instances/vm2", {**VM2, "member": "bcn9"}, "instances.vm2.member", "must be a member"),
    ("instances/vm2", {**VM2, "member": "bcn2"}, "instances.vm2.gpus[0]", "which bcn2 does not keep for this"),
    ("instances", {"c9": {**VM2, "type": "container"}}, "instances.c9.gpus[0]", "is for virtual machines"),
    ("instances/vm2", VM2, "instances.vm2.gpus[0]", "which vm1 has already"),
    ("instances/c1/gpus", ["0000:01:00.0"], "instances.c1.gpus[0]", "does not keep for this"),
    ("bridges/br1", {"members": {"bcn1": {"nic": "br0"}}}, "bridges.br1.members.bcn1.nic", "a bridge itself"),
    ("bridges/br1", {"members": {"bcn1": {"nic": "enp1s0"}}}, "bridges.br1.members.bcn1.nic", "in br0 already"),
    ("bridges/lxdbr0", {"members": {"bcn1": {"nic": "eth7"}}}, "networks.lxdbr0", "the name of a bridge"),
    ("instances/bcn2", {"member": "bcn1", "image": "debian"}, "instances.bcn2", "the name of a member"),
    ("members/bcn2/host", "bcn1", "members.bcn2.host", "which is bcn1 already"),
    ("overlay/routes", ["192.168.0.1/16"], "overlay.routes[0]", "covers 192.168.1.102 of member bcn2"),
    ("overlay/addresses/bcn1", "10.100.0.200/24", "overlay.addresses.bcn1", "covers 10.100.0.0/24"),
    ("dns/aliases", {"vm1": "other.example.org"}, "dns.aliases.vm1", "an alias stands alone"),
    ("dns/wildcard", "nobody", "dns.wildcard", "must be a member or an instance"),
    ("dns/parent", "example.net", "dns.parent", "a domain above cluster.example.org"),
    ("instances/c1/config", {"volatile.eth0.hwaddr": "x"}, "instances.c1.config.volatile.eth0.hwaddr", "set by itself"),
    ("pools/default/members/bcn2", {"disk": "/dev/sdb"}, "pools.default.members.bcn2.disk", "by its id"),
    ("pools/default/driver", "dir", "pools.default", "takes no disk"),
    ("pools/default/members/bcn2", {"wipe": True}, "pools.default.members.bcn2", "wipe needs a disk"),
    ("images/debian", {"remote": "images"}, "images.debian", "add name"),
    ("images/debian", {}, "images.debian", "either remote or file"),
    ("bridges/br0/members/bcn1/gateway", "10.9.9.1", "bridges.br0.members.bcn1", "gateway must be in"),
    ("members/bcn_3", {"address": "192.168.1.9"}, "members.bcn_3", "lowercase letters"),
]


@pytest.mark.parametrize(("path", "value", "where", "rule"), CASES)
def test_a_wrong_setting_is_named_by_its_place_and_rule(path: str, value: Any, where: str, rule: str):
    found = mistakes(changed(*path.split("/"), value=value))
    assert where in found, found.keys()
    assert rule in str(found[where])
    assert found[where].remedy


def test_mistakes_within_a_part_and_between_parts_are_listed_at_once():
    settings = changed("networks", "other", value={"ipv4": "10.100.0.129/25"})
    settings["members"]["bcn2"]["address"] = "192.168.1.101"
    settings["members"]["bcn1"]["prot"] = 8443
    settings["instances"]["c1"]["member"] = "bcn3"
    settings["instances"]["vm2"] = {"member": "bcn1", "image": "ubuntu"}
    settings["bridges"]["br1"] = {"members": {"bcn2": {"nic": "br0"}}}
    assert mistakes(settings).keys() >= {
        "networks.other.ipv4",
        "members.bcn1.prot",
        "instances.c1.member",
        "instances.vm2.image",
        "bridges.br1.members.bcn2.nic",
    }


def test_mistakes_of_the_five_kinds_between_parts_are_listed_at_once_and_no_others():
    settings = changed("networks", "other", value={"ipv4": "10.100.0.129/25"})
    settings["instances"]["c1"] |= {"member": "bcn3", "addresses": {"lxdbr0": "10.100.0.10/24"}}
    settings["instances"]["vm2"] = VM2
    settings["bridges"]["br1"] = {"members": {"bcn2": {"nic": "br0"}}}
    assert mistakes(settings).keys() == {
        "networks.other.ipv4",
        "instances.c1.member",
        "instances.c1.addresses.lxdbr0",
        "instances.vm2.gpus[0]",
        "bridges.br1.members.bcn2.nic",
    }


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("members/bcn1/port", 0, "members.bcn1.port"),
        ("members/bcn1", 5, "members.bcn1"),
        ("images", 5, "images"),
        ("images/debian", [], "images.debian"),
        ("instances/vm1", None, "instances.vm1"),
        ("bridges/br0/members/bcn1/nic", 5, "bridges.br0.members.bcn1.nic"),
        ("networks/lxdbr0/ipv4", "x", "networks.lxdbr0.ipv4"),
        ("dns/domain", "-", "dns.domain"),
    ],
)
def test_what_refers_to_a_part_that_is_wrong_in_itself_is_no_mistake_besides(path: str, value: Any, where: str):
    assert set(mistakes(changed(*path.split("/"), value=value))) == {where}


def test_an_entry_that_is_wrong_hides_no_other_of_its_group():
    settings = changed("groups", value={"gpu": ["bcn1", "bcn9"], "other": 5})
    assert set(mistakes(settings)) == {"groups.other", "groups.gpu[1]"}


def test_seventeen_members_are_too_many_and_sixteen_are_not():
    members = {f"m{n}": {"address": f"10.0.0.{n + 1}"} for n in range(16)}
    assert len(Lxd.model_validate({"members": members}).members) == 16
    members["m16"] = {"address": "10.0.0.17"}
    assert "members" in mistakes({"members": members})
    assert "members" in mistakes({"members": {}})


def test_required_variables_that_are_not_given_need_the_secret():
    settings = Lxd.model_validate(changed("environment", value={"required": ["A", "B"], "variables": {"A": "1"}}))
    assert "lxd-environment" in settings.required_secrets()
