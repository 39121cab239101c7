"""SSH among the machines: keys by the real ssh-keygen, and who is told what under mocks."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.lxd import ssh
from config.hosts import Machines
from tests.needs import needs
from tests.unit.systems.lxd.test_component import build, wished


def holds(path: Path) -> bool:
    return subprocess.run(["sh", "-c", ssh.has_key(str(path))], capture_output=True, check=False).returncode == 0


@needs("ssh-keygen", "openssh-client")
def test_a_key_is_made_once_and_its_public_half_again(tmp_path: Path):
    key = tmp_path / "a key"
    assert not holds(key)
    subprocess.run(["sh", "-ec", ssh.make_key(str(key), "ann@bcn1")], check=True)
    assert holds(key)
    assert key.stat().st_mode & 0o777 == 0o600
    private = key.read_text()
    public = Path(f"{key}.pub")
    public.write_text("ssh-ed25519 AAAA somebody else's\n")
    assert not holds(key)
    subprocess.run(["sh", "-ec", ssh.make_key(str(key), "ann@bcn1")], check=True)
    assert holds(key)
    assert key.read_text() == private
    public.unlink()
    assert not holds(key)


def test_machines_are_reached_by_name_by_their_name_in_the_zone_and_by_address_at_their_port():
    machines = Machines.from_namespace({"hosts": {"bcn1": {"port": 2222}, "bcn2": {}}})
    settings = wished(ssh={"user": "ann"}, dns={"member": "bcn1", "domain": "lab.example"})
    first, second = ssh.peers_of(settings, machines)
    assert (first.port, first.aliases, first.address) == (2222, ("bcn1.lab.example",), "192.168.1.101")
    assert second.port == 22


@pytest.mark.parametrize("count", [1, 2, 4])
def test_each_machine_is_told_of_every_other_one(count: int):
    made = build(wished(count, ssh={"user": "ann"}))
    blocks: list[Any] = [each for each in made.of_type("hearth:host:Block") if "-ssh-" in each.name]
    assert len(blocks) == (0 if count == 1 else 3 * count)
