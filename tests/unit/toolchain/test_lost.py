"""What a stack has on Docker engines of machines that are gone is taken out of its state, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from toolchain.stack.lost import without_lost

STACK = "urn:pulumi:prod::hearth::pulumi:pulumi:Stack::hearth-prod"


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:prod::hearth::{token}::{name}"


def provider(name: str, host: str) -> dict[str, Any]:
    token = "pulumi:providers:docker"
    return {"urn": urn(token, name), "type": token, "id": f"{name}-id", "inputs": {"host": host}}


def resource(token: str, name: str, of: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given = {} if of is None else {"provider": f"{of['urn']}::{of['id']}"}
    return {"urn": urn(token, name), "type": token, "id": name, "inputs": {}, **given, **more}


def deployment(host: str) -> dict[str, Any]:
    """Return a core stack on a machine, and another on one that lives."""
    docker, other = provider("core-docker", host), provider("other-docker", "ssh://living")
    network = resource("docker:index/network:Network", "core-network", docker)
    database = resource(
        "docker:index/container:Container",
        "core-postgres",
        docker,
        dependencies=[network["urn"]],
        propertyDependencies={"networksAdvanced": [network["urn"]]},
        protect=True,
    )
    there = resource("docker:index/container:Container", "other-postgres", other)
    timer = resource(
        "hearth:host:Unit",
        "core-backup-timer",
        dependencies=[database["urn"], there["urn"]],
        propertyDependencies={"text": [database["urn"]], "name": None},
        deletedWith=database["urn"],
    )
    pending = [{"type": "creating", "resource": each} for each in (database, there)]
    return {"resources": [docker, other, network, database, there, timer], "pending_operations": pending}


@pytest.mark.parametrize(
    "host", ["ssh://192.0.2.9", "ssh://me%40corp@192.0.2.9:2222", "ssh://192.0.2.9:22", "SSH://192.0.2.9"]
)
def test_it_goes_with_its_provider_and_what_is_left_says_nothing_of_it(host: str) -> None:
    state = deployment(host)
    gone = without_lost(state, {"192.0.2.9"})
    assert [each.rpartition("::")[2] for each in gone] == ["core-docker", "core-network", "core-postgres"]
    left = {each["urn"].rpartition("::")[2]: each for each in state["resources"]}
    assert left.keys() == {"other-docker", "other-postgres", "core-backup-timer"}
    assert left["core-backup-timer"]["dependencies"] == [left["other-postgres"]["urn"]]
    assert left["core-backup-timer"]["propertyDependencies"] == {"text": [], "name": []}
    assert "deletedWith" not in left["core-backup-timer"]
    assert [each["resource"]["urn"] for each in state["pending_operations"]] == [left["other-postgres"]["urn"]]


@pytest.mark.parametrize(
    "host", ["ssh://[fd00::9]:2222", "ssh://[FD00:0::9]", "ssh://PI.example.org", "ssh://pi.example.org."]
)
def test_names_and_ipv6_addresses_are_compared_as_hosts(host: str) -> None:
    assert len(without_lost(deployment(host), {"fd00::9", "pi.example.org"})) == 3


@pytest.mark.parametrize("host", ["ssh://192.0.2.90", "ssh://a192.0.2.9", "", "unix:///var/run/docker.sock"])
def test_what_lies_elsewhere_is_left_as_it_is(host: str) -> None:
    state = deployment(host)
    before = repr(state)
    assert without_lost(state, {"192.0.2.9"}) == []
    assert repr(state) == before


def test_an_empty_state_is_no_mistake() -> None:
    assert without_lost({}, {"192.0.2.9"}) == []
    assert without_lost({"resources": None}, {"192.0.2.9"}) == []
