"""The component LxdCluster, against a recording mock.

Which resources, with what, in which order, from one to 16 members.
"""

from __future__ import annotations

import getpass
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.lxd import environment, instances, names
from components.lxd.component import LxdCluster
from components.lxd.profiles import profiles
from components.system import SystemArgs
from config.systems.lxd import Lxd
from config.systems.lxd.parts import Environment
from tests.unit.recording import Recorder

CANARY = "canary-91ac"


def wished(members: int = 2, **more: Any) -> Lxd:
    """Return settings of a cluster with an instance on each member."""
    names_ = [f"bcn{number}" for number in range(1, members + 1)]
    content: dict[str, Any] = {
        "members": {name: {"address": f"192.168.1.{100 + number}"} for number, name in enumerate(names_, 1)},
        "networks": {"lxdbr0": {"ipv4": "10.100.0.1/24", "between-members": True}},
        "images": {"debian": {"file": "/srv/image.tar"}},
        "instances": {
            f"c{number}": {
                "member": name,
                "type": "container",
                "image": "debian",
                "addresses": {"lxdbr0": f"10.100.0.{10 + number}/24"},
            }
            for number, name in enumerate(names_, 1)
        },
        **more,
    }
    return Lxd.model_validate(content)


def answer(token: str, _name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the provider would add: of each card an audio function too."""
    if token == "hearth:lxd:GpuReservation":
        return {"functions": [each for card in inputs["cards"] for each in (card, f"{card[:-1]}1")], "waiting": ""}
    return {"version": "5.0.2", "fingerprint": "0" * 64}


def build(wanted: Lxd, secrets: Mapping[str, str] | None = None) -> Recorder:
    def program() -> None:
        given_ = {key: pulumi.Output.secret(value) for key, value in (secrets or {}).items()}
        LxdCluster("lxd", SystemArgs(wanted, secrets=given_))

    return Recorder(answer).run(program)


@pytest.mark.parametrize("count", range(1, 17))
def test_from_one_to_sixteen_members_each_joins_after_the_one_before_and_all_daemons_are_there_first(count: int):
    made = build(wished(count))
    members = made.of_type("hearth:lxd:Member")
    assert [each.inputs["name"] for each in members] == [f"bcn{number}" for number in range(1, count + 1)]
    daemons = {each.name for each in made.of_type("hearth:lxd:Daemon")}
    assert len(daemons) == count
    assert daemons <= made.before("lxd-member-bcn1")
    for number in range(2, count + 1):
        own = made.resources[f"lxd-member-bcn{number}"]
        assert own.inputs["via"] == "bcn1"
        assert f"lxd-member-bcn{number - 1}" in own.after
    assert made.resources["lxd-member-bcn1"].inputs["peers"] == [f"bcn{number}" for number in range(1, count + 1)]
    for each in [*made.of_type("hearth:lxd:StoragePool"), *made.of_type("hearth:lxd:Network")]:
        assert {one.name for one in members} <= made.before(each.name)
    assert len(made.of_type("hearth:lxd:Instance")) == count


def test_an_instance_waits_for_its_profiles_their_pool_and_network_and_its_image():
    before = build(wished()).before("lxd-instance-c2")
    assert {"lxd-profile-default", "lxd-profile-container", "lxd-pool-default", "lxd-network-lxdbr0"} <= before
    assert "lxd-image-debian" in before
    assert "lxd-instance-c1" not in before


def test_everything_is_a_child_of_the_component_and_talks_to_the_first_member():
    made = build(wished(3))
    children = [each for each in made.resources.values() if each.name != "lxd"]
    assert {each.parent for each in children} == {"lxd"}
    own = ("hearth:lxd:Daemon", "hearth:lxd:Member")
    shared = [each for each in children if each.type.startswith("hearth:lxd:") and each.type not in own]
    assert {each.inputs["host"] for each in shared} == {"bcn1"}


def test_what_holds_data_is_protected_and_kept_where_the_settings_say_so():
    made = build(wished(**{"protect-data": True, "data": "keep"}))
    for token in ("Daemon", "Member", "StoragePool", "Instance"):
        assert all(each.protect for each in made.of_type(f"hearth:lxd:{token}")), token
    assert all(each.inputs["keepData"] for each in made.of_type("hearth:lxd:Instance"))
    assert not any(each.protect for each in made.of_type("hearth:lxd:Profile"))
    free = build(wished(data="remove"))
    assert not any(each.inputs["keepData"] for each in free.of_type("hearth:lxd:Instance"))
    assert not any(each.protect for each in free.resources.values())


def test_a_disk_is_given_by_its_member_and_only_there_may_it_be_wiped():
    disk = "/dev/disk/by-id/nvme-A"
    pool = {"driver": "zfs", "members": {"bcn1": {"disk": disk, "wipe": True}, "bcn2": {"disk": disk}}}
    made = build(wished(pools={"fast": pool}))
    inputs = made.resources["lxd-pool-fast"].inputs
    assert inputs["memberConfig"] == {"bcn1": {"source": disk}, "bcn2": {"source": disk}}
    assert inputs["wipe"] == ["bcn1"]
    assert inputs["machines"] == {"bcn1": "bcn1", "bcn2": "bcn2"}
    assert made.resources["lxd-member-bcn2"].inputs["pools"] == {"fast": {"source": disk}}
    assert made.resources["lxd-daemon-bcn1"].inputs["extra"] == ["zfsutils-linux"]


def test_an_image_is_of_the_type_that_is_made_from_it_or_of_whatever_its_archive_is():
    images = {"debian": {"file": "/srv/image.tar"}, "later": {"file": "/srv/later.tar"}}
    made = build(wished(1, images=images)).resources
    assert made["lxd-image-debian"].inputs["type"] == "container"
    assert made["lxd-image-later"].inputs.get("type") is None


def test_virtual_machines_bring_what_lxd_needs_for_them():
    content = {"vm": {"member": "bcn1", "image": "debian"}}
    made = build(wished(instances=content))
    assert "qemu-system-x86" in made.resources["lxd-daemon-bcn1"].inputs["extra"]
    assert made.resources["lxd-image-debian"].inputs["type"] == "virtual-machine"
    assert made.resources["lxd-instance-vm"].inputs["profiles"] == ["default", "vm-base", "vm-networks", "vm-resources"]


def test_secret_variables_reach_the_environment_file_and_nothing_plain():
    content = {"variables": {"DOMAIN": "example.org"}, "required": ["DOMAIN", "TOKEN"]}
    made = build(wished(environment=content), {"lxd-environment": f"TOKEN={CANARY}"})
    for member in ("bcn1", "bcn2"):
        file = made.resources[f"lxd-environment-{member}"]
        assert file.inputs["content"] == f"DOMAIN='example.org'\nTOKEN='{CANARY}'\n"
        assert "content" in file.secrets
        assert file.inputs["mode"] == "0600"
        folder = made.resources[f"lxd-environment-folder-{member}"].inputs
        assert folder["path"] == str(PurePosixPath(file.inputs["path"]).parent)
        assert not {"mode", "owner"} & folder.keys(), "of somebody else's folder nothing is changed"
    for each in made.resources.values():
        plain = {name: value for name, value in each.inputs.items() if name not in each.secrets}
        assert CANARY not in json.dumps(plain), each.name
    assert CANARY not in json.dumps(made.outputs)


def test_the_link_to_the_environment_file_comes_after_the_file_and_is_one_of_its_own_for_each_place():
    content = {"variables": {"DOMAIN": "example.org"}, "link": "/root/.env"}
    made = build(wished(environment=content))
    link = made.resources["lxd-environment-link-bcn2"]
    assert link.inputs["host"] == "bcn2"
    assert "lxd-environment-bcn2" in made.before(link.name)
    names_ = {
        environment.link_texts(Environment.model_validate({**content, **more}))["name"]
        for more in ({}, {"link": "/root/.env2"}, {"path": "/etc/own/env"})
    }
    assert len(names_) == 3, "another place or file is another link"
    assert not build(wished(environment={})).resources.keys() & {link.name}


@pytest.mark.parametrize("name", ["env file", "env'$(touch x)", "env;rm -r .", "-env"])
@pytest.mark.parametrize("there", [None, "a file", "another link", "ours", "a folder"])
def test_the_link_is_laid_found_and_taken_away_and_what_is_somebody_elses_stays(
    tmp_path: Path, name: str, there: str | None
):
    place = tmp_path / name
    wanted = Environment.model_construct(path=PurePosixPath("/etc/own/env"), link=place, owner=getpass.getuser())
    texts = environment.link_texts(wanted)

    def run(text: str) -> int:
        return subprocess.run(["sh"], input=text, text=True, cwd=tmp_path, capture_output=True, check=False).returncode

    if there == "a file":
        place.write_text("theirs")
    elif there == "a folder":
        place.mkdir()
    elif there is not None:
        place.symlink_to("/etc/own/env" if there == "ours" else "/etc/theirs")
    before = sorted(each.name for each in tmp_path.iterdir())
    assert (run(texts["check"]) == 0) is (there == "ours")
    if there in (None, "ours"):
        assert [run(texts["apply"]), run(texts["apply"]), run(texts["check"])] == [0, 0, 0]
        assert place.readlink() == Path("/etc/own/env")
        assert [run(texts["undo"]), run(texts["undo"])] == [0, 0]
        assert not list(tmp_path.iterdir())
        return
    assert run(texts["apply"]) == 1
    assert run(texts["undo"]) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == before


def test_a_required_variable_that_is_nowhere_is_named_and_no_value_is():
    with pytest.raises(environment.MissingVariables, match="TOKEN") as caught:
        environment.text({"A": CANARY}, "", ("A", "TOKEN"))
    assert CANARY not in str(caught.value)


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00\n\r"), max_size=40))
def test_a_shell_reads_every_value_of_the_environment_file_back(value: str):
    line = f'A={environment.quoted(value)}\nprintf %s "$A"'
    done = subprocess.run(["sh"], input=line.encode(), capture_output=True, check=True)
    assert done.stdout.decode() == value


def test_the_name_server_is_checked_before_it_reads_its_files_and_comes_after_the_networks():
    made = build(wished(dns={"member": "bcn2", "domain": "cluster.example.org"}))
    unit = made.resources["lxd-dns-unit"]
    assert {"lxd-dns-checked", "lxd-dns-options", "lxd-network-lxdbr0"} <= made.before("lxd-dns-unit")
    assert unit.inputs["host"] == "bcn2"
    texts = {each.inputs["content"] for each in made.of_type("hearth:host:File")}
    assert set(unit.inputs["restartOn"]) <= texts
    # Else a change of them would reach the server unchecked: an `up` asks a check only where an input has changed.
    assert made.resources["lxd-dns-checked"].inputs["checkOn"] == unit.inputs["restartOn"]


def test_names_lead_to_members_instances_records_and_the_wildcard_and_back():
    dns = {"member": "bcn1", "domain": "cluster.example.org", "wildcard": "c1", "records": {"nas": ["192.168.1.5"]}}
    wanted = wished(dns=dns)
    assert wanted.dns is not None
    found = names.names_of(wanted, wanted.dns)
    assert {name: [str(each) for each in addresses] for name, addresses in found.names.items()} == {
        "ns1": ["192.168.1.101"],
        "bcn1": ["192.168.1.101"],
        "bcn2": ["192.168.1.102"],
        "c1": ["10.100.0.11"],
        "c2": ["10.100.0.12"],
        "nas": ["192.168.1.5"],
    }
    assert [str(each) for each in found.wildcard] == ["10.100.0.11"]
    assert found.reverse == {"10.100.0.11": "c1.cluster.example.org", "10.100.0.12": "c2.cluster.example.org"}
    told = names.network_config(wanted, "lxdbr0")["raw.dnsmasq"].splitlines()
    assert "server=/cluster.example.org/192.168.1.101" in told


def test_of_one_network_across_members_each_dhcp_server_answers_its_own_instances_alone():
    assert names.network_config(wished(2), "lxdbr0")["raw.dnsmasq"] == "dhcp-ignore=tag:!known"
    assert "raw.dnsmasq" not in names.network_config(wished(1), "lxdbr0")


def test_one_member_needs_no_tunnel():
    assert "tunnel.hearth.protocol" in names.network_config(wished(2), "lxdbr0")
    assert "tunnel.hearth.protocol" not in names.network_config(wished(1), "lxdbr0")


def test_the_usual_profiles_are_there_and_take_what_the_settings_add():
    found = profiles(wished(profiles={"container": {"config": {"limits.memory": "1GiB"}}, "own": {}}))
    assert {
        "default",
        "container",
        "vm-base",
        "vm-networks",
        "vm-resources",
        "vm-gpu",
        "gpu-passthrough",
        "own",
    } == set(found)
    assert found["container"].config == {
        "boot.autostart": "true",
        "security.nesting": "true",
        "limits.memory": "1GiB",
    }
    assert found["default"].devices["eth0"]["network"] == "lxdbr0"


def test_cloud_init_gets_the_name_the_logins_and_the_packages():
    instance = {
        "member": "bcn1",
        "image": "debian",
        "type": "container",
        "users": {"ann": {"keys": ["ssh-ed25519 AAAA ann"]}},
        "packages": ["curl"],
        "cpu": 2,
        "memory": "2GiB",
    }
    wanted = wished(instances={"web": instance}, dns={"member": "bcn1", "domain": "cluster.example.org"})
    config = instances.config_of(wanted, "web")
    assert config["user.user-data"].startswith("#cloud-config\n")
    content = yaml.safe_load(config["user.user-data"])
    assert content["fqdn"] == "web.cluster.example.org"
    assert content["manage_etc_hosts"] == "localhost"
    assert content["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 AAAA ann"]
    assert content["packages"] == ["curl"]
    assert (config["limits.cpu"], config["limits.memory"]) == ("2", "2GiB")
