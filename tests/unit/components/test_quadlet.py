"""The texts of Quadlet units, in both of podman's forms."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from components.blocks import quadlet
from components.blocks.quadlet import (
    Container,
    Form,
    Group,
    Publication,
    container_file,
    form_for,
    group_file,
    http_health_command,
    in_time,
    reach,
    service_of,
    shared_folder,
)

OLLAMA = Container(
    name="brain-ollama",
    description="Ollama",
    image="docker.io/ollama/ollama:latest",
    health_command="ollama list",
    publications=(Publication("127.0.0.1", 11434),),
    volumes=("/var/lib/brain/ollama:/root/.ollama",),
)
BACKEND = Container(
    name="brain-backend",
    description="Backend",
    image="localhost/brain/backend:latest",
    health_command="true",
    publications=(Publication("127.0.0.1", 8000), Publication("::1", 8000)),
    volumes=("/mnt:/mnt:ro,rslave",),
    environment={"B": "two words", "A": '100% "$HOME"'},
    environment_file="/var/lib/brain/backend.env",
    after=("brain-ollama",),
    groups=("0",),
)
GROUP = Group("brain", "Brain", (OLLAMA, BACKEND), 90, 7)


@pytest.mark.parametrize(
    ("version", "form"),
    [
        ("4.6", Form.NETWORK),
        ("4.9.3", Form.NETWORK),
        ("podman version 4.9.3", Form.NETWORK),
        ("5.0", Form.POD),
        ("podman version 5.4.2", Form.POD),
        ("podman version 10.0.0-dev", Form.POD),
    ],
)
def test_the_version_of_podman_decides_the_form(version: str, form: Form):
    assert form_for(version) is form


@pytest.mark.parametrize(
    ("version", "words"), [("4.3.1", "came with 4.6"), ("4.5.9", "came with 4.6"), ("podman", "holds no version")]
)
def test_a_version_without_quadlet_is_refused_with_a_remedy(version: str, words: str):
    with pytest.raises(ValueError, match=words):
        form_for(version)


def test_from_podman_5_the_containers_share_a_pod_that_publishes_their_ports():
    file = group_file(GROUP, Form.POD)
    assert file.name == "brain.pod"
    assert file.text == (
        "[Unit]\nDescription=Brain\n\n[Pod]\nPodName=brain\nPublishPort=127.0.0.1:11434:11434\n"
        "PublishPort=127.0.0.1:8000:8000\nPublishPort=[::1]:8000:8000\nPodmanArgs=--exit-policy=continue\n\n"
        "[Service]\nRestartSec=5\nTimeoutStartSec=90\n\n[Install]\nWantedBy=default.target\n"
    )


def test_before_podman_5_the_containers_share_a_network():
    file = group_file(GROUP, Form.NETWORK)
    assert file.name == "brain.network"
    assert file.text == "[Unit]\nDescription=Brain\n\n[Network]\nNetworkName=brain\n"


def test_in_a_pod_a_service_has_started_once_it_is_healthy():
    file = container_file(OLLAMA, GROUP, Form.POD)
    assert file.name == "brain-ollama.container"
    assert file.text == (
        "[Unit]\nDescription=Ollama\n\n[Container]\nContainerName=brain-ollama\nImage=docker.io/ollama/ollama:latest\n"
        "Pod=brain.pod\nNotify=healthy\nVolume=/var/lib/brain/ollama:/root/.ollama\n"
        "HealthCmd=command -v timeout >/dev/null && set -- timeout 9; \"$$@\" sh -c 'ollama list'\n"
        "HealthInterval=7s\nHealthTimeout=10s\nHealthRetries=3\nHealthStartPeriod=90s\nHealthOnFailure=kill\n\n"
        "[Service]\nRestart=always\nRestartSec=5\nTimeoutStartSec=90\n\n[Install]\nWantedBy=default.target\n"
    )


def test_in_a_network_podman_wait_holds_the_start_back_until_it_is_healthy():
    lines = container_file(OLLAMA, GROUP, Form.NETWORK).text.splitlines()
    assert "Network=brain.network" in lines
    assert "PublishPort=127.0.0.1:11434:11434" in lines
    assert "ExecStartPost=/usr/bin/podman wait --condition=healthy brain-ollama" in lines
    assert not [line for line in lines if line.startswith(("Pod=", "Notify="))]


@pytest.mark.parametrize("form", list(Form))
def test_the_backend_starts_after_ollama_by_the_services_name(form: Form):
    lines = container_file(BACKEND, GROUP, form).text.splitlines()
    assert "Requires=brain-ollama.service" in lines
    assert "After=brain-ollama.service" in lines


def test_the_environment_is_quoted_so_that_systemd_changes_nothing_in_it():
    lines = container_file(BACKEND, GROUP, Form.POD).text.splitlines()
    assert [line for line in lines if line.startswith("Environment")] == [
        'Environment="A=100%% \\"$$HOME\\""',
        'Environment="B=two words"',
        "EnvironmentFile=/var/lib/brain/backend.env",
    ]


def test_further_groups_reach_podman():
    assert "PodmanArgs=--group-add=0" in container_file(BACKEND, GROUP, Form.POD).text.splitlines()


@pytest.mark.parametrize(
    ("unit", "service"),
    [
        ("brain.pod", "brain-pod.service"),
        ("brain.network", "brain-network.service"),
        ("brain-ollama.container", "brain-ollama.service"),
    ],
)
def test_a_unit_file_becomes_a_service(unit: str, service: str):
    assert service_of(unit) == service


def test_containers_reach_each_other_on_the_loopback_of_a_pod_and_by_name_in_a_network():
    assert reach("brain-ollama", Form.POD) == "127.0.0.1"
    assert reach("brain-ollama", Form.NETWORK) == "brain-ollama"


def test_the_health_check_takes_whichever_program_the_image_has():
    command = http_health_command(8000, "/health")
    assert [word for word in ("curl -gfsS", "wget -q", "python3 -c") if word in command] == [
        "curl -gfsS",
        "wget -q",
        "python3 -c",
    ]
    assert command.count("http://127.0.0.1:8000/health") == 3


@pytest.mark.parametrize(
    ("command", "status"), [("exit 3", 3), ("true", 0), ("exit 4 # why", 4), ("test -e '/a b' || exit 5", 5)]
)
@pytest.mark.parametrize("programs", [("sh", "timeout"), ("sh",)])
def test_a_health_check_ends_as_it_would_by_itself_whether_or_not_the_image_has_timeout(
    tmp_path: Path, command: str, status: int, programs: tuple[str, ...]
):
    for program in programs:
        (tmp_path / program).symlink_to(shutil.which(program) or "/bin/false")
    done = subprocess.run(["/bin/sh", "-c", in_time(command)], env={"PATH": str(tmp_path)}, check=False)
    assert done.returncode == status


def test_a_health_check_that_hangs_is_ended_before_podmans_time_for_it_is_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quadlet, "HEALTH_TIMEOUT", 2)
    done = subprocess.run(["/bin/sh", "-c", in_time("sleep 60")], timeout=30, check=False)
    assert done.returncode == 124


def test_the_share_is_bound_by_the_folder_above_it():
    assert shared_folder("/mnt/PersonalAssistantHub") == "/mnt:/mnt:ro,rslave"
    assert shared_folder("/srv/shares/brain") == "/srv/shares:/srv/shares:ro,rslave"
