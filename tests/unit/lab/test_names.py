"""Names, networks and capabilities: what keeps two labs on one machine apart."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from lab.docker import cli
from lab.docker.containers import missing_capabilities, routes, taken_subnets
from lab.errors import LabError
from lab.names import POOL, checked_name, choose_address, choose_subnet, folder_hash, prefix


def test_two_clones_get_different_prefixes() -> None:
    assert prefix("hearth-lab", Path("/a/.lab")) != prefix("hearth-lab", Path("/b/.lab"))
    assert prefix("hearth-lab", Path("/a/.lab")) == f"hearth-lab-{folder_hash(Path('/a/.lab'))}"


@pytest.mark.parametrize("name", ["", "Brain", "1st", "a b", "a_b", "x" * 42, "-a", "a;reboot"])
def test_a_name_that_can_not_be_a_host_name_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="Nothing was made"):
        checked_name(name, "a machine")


def test_a_lab_gets_the_same_subnet_as_long_as_it_is_free() -> None:
    first = choose_subnet([], "seed")
    assert choose_subnet(["192.168.0.0/16", "fd00::/64"], "seed") == first
    assert first.subnet_of(POOL)
    assert first.prefixlen == 24


def test_a_taken_subnet_is_passed_over() -> None:
    first = choose_subnet([], "seed")
    second = choose_subnet([str(first)], "seed")
    assert not second.overlaps(first)


def test_a_subnet_inside_a_larger_route_is_passed_over() -> None:
    half = "10.213.0.0/17"
    assert all(
        not choose_subnet([half], f"seed-{number}").overlaps(ipaddress.IPv4Network(half)) for number in range(20)
    )


def test_a_network_that_another_lab_takes_away_meanwhile_does_not_stop_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = '[{"IPAM": {"Config": [{"Subnet": "10.213.4.0/24"}]}}]'
    answers = iter([cli.Result(0, "one\ngone\n", ""), cli.Result(1, shown, "network gone not found")])
    monkeypatch.setattr(cli, "run", lambda *_words, **_more: next(answers))
    assert "10.213.4.0/24" in taken_subnets()


def test_an_exhausted_pool_is_told_with_a_remedy() -> None:
    with pytest.raises(LabError, match="lab down"):
        choose_subnet([str(POOL)], "seed")


def test_machines_get_the_lowest_free_address_above_the_services() -> None:
    subnet = ipaddress.IPv4Network("10.213.7.0/24")
    assert choose_address(subnet, set()) == "10.213.7.10"
    assert choose_address(subnet, {"10.213.7.10", "10.213.7.12"}) == "10.213.7.11"


def test_a_full_network_is_told() -> None:
    subnet = ipaddress.IPv4Network("10.213.7.0/24")
    with pytest.raises(LabError, match="no free address"):
        choose_address(subnet, {str(address) for address in subnet})


def test_routes_are_read_from_the_kernels_table_without_the_default_route() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "br0\t0007D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert routes(table) == ["10.213.7.0/24"]


@pytest.mark.parametrize(
    ("bounding", "missing"),
    [("000001ffffffffff", []), ("000001fffeffffff", ["SYS_RESOURCE"]), ("000001fffefffffe", ["CHOWN", "SYS_RESOURCE"])],
)
def test_capabilities_outside_the_bounding_set_are_named(bounding: str, missing: list[str]) -> None:
    assert missing_capabilities(f"Name:\tx\nCapBnd:\t{bounding}\n") == missing
