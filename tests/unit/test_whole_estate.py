"""The example's five systems as one stack: previewed by the program itself, nothing of one computer in its state."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.blocks.helm_chart import CHART
from components.core import ssh
from config.systems import SYSTEMS
from tests.unit.config.test_example import secrets, whole
from tests.unit.fake_api_server import FakeApiServer, fake_api_server
from tests.unit.recording import Recorder
from tests.unit.systems.secondbrain.program import answer as of_hosts
from toolchain.versions import ROOT

IMAGE = "registry.example.org/todo@sha256:" + "1" * 64
Run = Callable[..., Recorder]


def answer(token: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the providers would add to a resource."""
    if token == "hearth:host:CommandOutput":
        return {"answer": "podman version 5.4.2"}
    if token == "docker-build:index:Image":
        return {"ref": IMAGE}
    if token == "docker:index/remoteImage:RemoteImage":
        return {"imageId": "sha256:0"}
    if token == "hearth:lxd:GpuReservation":
        return {"functions": list(inputs["cards"]), "waiting": ""}
    return of_hosts(token, name, inputs)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApiServer]:
    """Yield a cluster that answers, whose kubeconfig lies in the home of whoever runs this."""
    home = tmp_path / "home-of-somebody"
    (home / ".kube").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # A link that leads to a home is made in the project's folder: not in this one.
    monkeypatch.setattr(ssh, "LINK", Path(os.path.relpath(tmp_path / "link", ROOT)))
    with fake_api_server(tmp_path) as made:
        (home / ".kube" / "config").write_text(made.kubeconfig.read_text())
        yield made


@pytest.fixture
def run(server: FakeApiServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the program of the project on the example's settings."""
    monkeypatch.chdir(ROOT)
    assert server.address

    def made(*, preview: bool, without_secrets: bool = False, **changes: Any) -> Recorder:
        values = whole()
        values["todo"] |= {"context": "trial"}
        values |= changes
        settings = {f"hearth:{key}": json.dumps(value) for key, value in values.items() if key != "ssh-config"}
        settings |= {f"hearth:{key}": value for key, value in values.items() if key == "ssh-config"}
        given = {} if without_secrets else {f"hearth:{key}": value for key, value in secrets().items()}
        pulumi.runtime.set_all_config(settings | given, list(given))
        try:
            return Recorder(lambda *asked: {} if preview else answer(*asked)).run(
                lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"), preview=preview
            )
        finally:
            pulumi.runtime.set_all_config({}, [])

    return made


def components(recorder: Recorder) -> set[str]:
    """Return the keys of the systems whose component was registered."""
    return {
        each.type.split(":")[1] for each in recorder.resources.values() if each.type.count(":") == 2
    } & SYSTEMS.keys()


@pytest.mark.parametrize("without_secrets", [False, True])
def test_the_example_of_five_systems_can_be_previewed(run: Run, without_secrets: bool) -> None:
    # Also where nobody has the secrets, as in a pull request.
    found = run(preview=True, without_secrets=without_secrets)
    assert components(found) == SYSTEMS.keys()
    assert len(found.resources) > 100


def texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield every text in a value, with where it stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"{place}.{key}", str(key)
            yield from texts(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from texts(inner, f"{place}[{number}]")


def test_nothing_of_one_persons_computer_is_in_the_state(run: Run, tmp_path: Path) -> None:
    # Images that are built here, and an SSH configuration of one's own: what has to do with this computer's files.
    built = {"registry": "registry.example.org/app"}
    values = whole()
    changes = {
        "core": {**values["core"], "backend": {**values["core"]["backend"], **built}},
        "todo": {**values["todo"], "context": "trial", "backend": built, "frontend": built},
        "ssh-config": "~/somewhere/ssh_config",
    }
    del changes["core"]["backend"]["image"]
    found = run(preview=False, **changes)
    assert components(found) == SYSTEMS.keys()
    # The home also where a path leads there from elsewhere.
    own = {"the home": "home-of-somebody", "the clone": str(ROOT)}
    # A chart's arguments reach no state: its provider registers it without them (pkg/provider/helm/v4/chart.go there).
    everything = [
        *(pair for each in found.resources.values() if each.type != CHART for pair in texts(each.inputs, each.name)),
        *(pair for name, outputs in found.outputs.items() for pair in texts(outputs, name)),
    ]
    assert len(everything) > 1000
    wrong = {(whose, place): text for place, text in everything for whose, path in own.items() if path in text}
    assert wrong == {}
