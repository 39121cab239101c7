"""A card's driver within a virtual machine: what is run there, by programs that note what they were asked."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.lxd import gpu_driver
from config.systems.lxd import Lxd
from tests.unit.systems.lxd.test_card_devices import settings_with_cards
from tests.unit.systems.lxd.test_component import build

PACKAGES = ["nvidia-driver", "libcuda1"]


class Inside:
    """A virtual machine: LXD's client runs there what it is handed, with its own programs first on the path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        (root / "noted").touch()
        self.program("lxc", '[ "$1" != exec ] || { shift 3; exec "$@"; }')
        for name in ("apt-get", "apt-cache", "dpkg-query", "sleep"):
            self.program(name)
        self.program("uname", "echo 6.12.0-cloud-amd64")
        (root / "os-release").write_text("ID=debian\nVERSION_CODENAME=trixie\n")

    def program(self, name: str, text: str = "") -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"{name} $*\" >> {self.root}/noted\n{text}\n")
        path.chmod(0o755)

    def run(self, text: str) -> int:
        """Run a text as the machine of the first member would."""
        for place in ("/etc/os-release", "/etc/apt/sources.list.d/hearth-non-free.sources", "/sys/module/nouveau"):
            text = text.replace(place, str(self.root / place.rpartition("/")[2]))
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin"}
        done = subprocess.run(
            ["sh"], input=text, text=True, env=environment, capture_output=True, check=False, timeout=60
        )
        return done.returncode

    def noted(self, *programs: str) -> list[str]:
        lines = (self.root / "noted").read_text().splitlines()
        return [line for line in lines if line.split()[0] in programs]


KNOWN = "printf ' 500 http://mirror.example.org/debian trixie/main amd64 Packages\\n'"
"""What `apt-cache policy` says of the archive that the machine has."""


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def test_the_packages_are_installed_with_the_headers_of_the_running_kernel(inside: Inside):
    assert inside.run(gpu_driver.install("lxd", "vm1", PACKAGES)) == 0
    assert inside.noted("lxc", "apt-get", "apt-cache") == [
        "lxc exec vm1 -- sh -s -- nvidia-driver libcuda1",
        "apt-get update -q",
        "apt-cache show nvidia-driver",
        "apt-get install -y -q linux-headers-6.12.0-cloud-amd64 nvidia-driver libcuda1",
        "lxc exec vm1 -- test -d " + str(inside.root / "nouveau"),
    ]
    assert not (inside.root / "hearth-non-free.sources").exists(), "it could be had"


def test_on_debian_non_free_gets_a_source_of_its_own_where_the_driver_is_not_to_be_had(inside: Inside):
    inside.program("apt-cache", f"[ $1 = policy ] || exit 100\n{KNOWN}")
    assert inside.run(gpu_driver.install("lxd", "vm1", PACKAGES)) == 0
    text = (inside.root / "hearth-non-free.sources").read_text()
    assert "URIs: http://mirror.example.org/debian\n" in text
    assert "Suites: trixie\nComponents: contrib non-free non-free-firmware\n" in text
    assert len(inside.noted("apt-get")) == 3


def test_where_apt_knows_no_archive_nothing_is_guessed(inside: Inside):
    inside.program("apt-cache", "[ $1 = policy ] || exit 100")
    assert inside.run(gpu_driver.install("lxd", "vm1", PACKAGES)) == 1
    assert not (inside.root / "hearth-non-free.sources").exists()


def test_on_another_distribution_no_source_is_added(inside: Inside):
    inside.program("apt-cache", "exit 100")
    (inside.root / "os-release").write_text("ID=ubuntu\nVERSION_CODENAME=noble\n")
    assert inside.run(gpu_driver.install("lxd", "vm1", PACKAGES)) == 0
    assert not (inside.root / "hearth-non-free.sources").exists()


def test_where_nouveau_has_the_card_the_instance_is_restarted_and_waited_for(inside: Inside):
    (inside.root / "nouveau").mkdir()
    assert inside.run(gpu_driver.install("lxd", "vm1", PACKAGES)) == 0
    assert inside.noted("lxc")[-2:] == ["lxc restart vm1", "lxc exec vm1 -- true"]


def test_what_can_not_be_installed_is_a_failure(inside: Inside):
    inside.program("apt-get", '[ "$1" = update ] || exit 100')
    assert inside.run(gpu_driver.install("lxd", "vm1", PACKAGES)) == 100


def test_one_that_does_not_come_back_is_a_failure(inside: Inside):
    (inside.root / "nouveau").mkdir()
    back = '[ "$1" != exec ] || { shift 3; case $1 in true) exit 1;; esac; exec "$@"; }'
    inside.program("lxc", back)
    assert inside.run(gpu_driver.install("lxd", "vm1", PACKAGES)) == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("printf 'installed\\ninstalled\\n'", 0),
        ("printf 'installed\\nconfig-files\\n'", 1),
        ("printf 'installed\\n'; exit 1", 1),
        ("printf 'not-installed\\n'", 1),
        ("", 1),
    ],
)
def test_whether_all_of_it_is_installed_is_asked_of_dpkg(inside: Inside, answer: str, status: int):
    inside.program("dpkg-query", answer)
    assert inside.run(gpu_driver.check("lxd", "vm1", PACKAGES)) == status
    assert inside.noted("dpkg-query") == [
        "dpkg-query --show --showformat ${db:Status-Status}\\n nvidia-driver libcuda1"
    ]


def test_the_driver_comes_after_the_instance_and_by_the_daemons_own_client():
    content: dict[str, Any] = settings_with_cards().model_dump(mode="json", by_alias=True, exclude_unset=True)
    content["instances"]["vm1"]["gpu-driver"] = PACKAGES
    made = build(Lxd.model_validate(content))
    script = made.resources["lxd-gpu-driver-vm1"]
    assert script.parent == "lxd-instance-vm1"
    assert script.inputs["host"] == "bcn1"
    assert script.inputs["apply"] == gpu_driver.install("lxd", "vm1", PACKAGES)
    content["daemon"] = "incus"
    made = build(Lxd.model_validate(content))
    assert "incus exec vm1" in made.resources["lxd-gpu-driver-vm1"].inputs["check"]
    assert "lxc" not in made.resources["lxd-gpu-driver-vm1"].inputs["apply"]
