"""The playbook that the cluster is measured against: the same wishes, by LXD's own modules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from config.systems.lxd import Lxd
from tests.bench.lxd_ansible import playbook

SETTINGS: dict[str, Any] = {
    "members": {"bcn1": {"address": "10.0.0.1"}, "bcn2": {"address": "10.0.0.2"}},
    "networks": {"lxdbr0": {"ipv4": "10.100.0.1/24", "between-members": True}},
    "images": {"debian": {"file": "/srv/image.tar"}},
    "instances": {"c1": {"member": "bcn2", "type": "container", "image": "debian", "memory": "384MiB"}},
}


def plays() -> list[dict[str, Any]]:
    machines = [SimpleNamespace(name=name, address=each["address"]) for name, each in SETTINGS["members"].items()]
    return playbook(Lxd.model_validate(SETTINGS), cast(Any, machines), "/srv/image.tar")


def test_every_profile_and_instance_is_a_task_of_lxds_own_modules():
    tasks = plays()[-1]["tasks"]
    modules = [key.rpartition(".")[2] for task in tasks for key in task if "lxd_" in key]
    assert modules == ["lxd_profile"] * 7 + ["lxd_container"]
    (instance,) = [task["community.general.lxd_container"] for task in tasks if task["name"] == "The instance c1"]
    assert (instance["target"], instance["config"]["limits.memory"]) == ("bcn2", "384MiB")


def test_a_token_is_asked_for_where_the_cluster_is_and_shown_nowhere():
    (join,) = [play for play in plays() if play["name"] == "bcn2 joins"]
    token = join["tasks"][1]
    assert (token["delegate_to"], token["no_log"], join["hosts"]) == ("bcn1", True, "bcn2")
