"""Pulumi's Kubernetes provider as the lab builds it: its pins, its name, and where the engine finds it."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

from lab.kubernetes import build, provider_build
from toolchain import versions

# What only command lines draw with, which the two ask for in different versions.
APART = {"github.com/fatih/color", "github.com/go-errors/errors", "github.com/mattn/go-runewidth"}


def pins(path: Path) -> dict[str, str]:
    """Return module -> version, as a go.mod requires and replaces them."""
    text = path.read_text()
    required = dict(re.findall(r"^(?:\t|require )(\S+) (v\S+)(?: // indirect)?$", text, re.MULTILINE))
    return required | dict(re.findall(r"^\t(\S+) => \S+ (v\S+)$", text, re.MULTILINE))


def test_each_library_that_the_cluster_has_too_is_compiled_once_for_both() -> None:
    cluster, provider = pins(build.SOURCE / "go.mod"), pins(provider_build.SOURCE / "go.mod")
    common = (cluster.keys() & provider.keys()) - APART
    assert len(common) > 100
    assert {name: provider[name] for name in common} == {name: cluster[name] for name in common}
    assert provider_build.MODULE in provider
    # The same Go, or nothing would be shared.
    assert versions.go_floor(provider_build.SOURCE / "go.mod") == versions.go_floor(build.SOURCE / "go.mod")


def test_the_provider_is_kept_under_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert provider_build.SOURCE not in build.SOURCE.parents
    assert build.SOURCE not in provider_build.SOURCE.parents
    (tmp_path / "go.mod").write_text("one")
    monkeypatch.setattr(provider_build, "SOURCE", tmp_path)
    cluster, before = build.build_key(), provider_build.build_key()
    (tmp_path / "go.mod").write_text("two")
    assert provider_build.build_key() != before
    assert build.build_key() == cluster


def test_the_engine_finds_it_as_the_release_that_the_sdk_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTH_CACHE", str(tmp_path))
    program = provider_build.build_folder() / provider_build.PROGRAM
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    version = importlib.metadata.version("pulumi-kubernetes")
    for _ in range(2):
        folder = provider_build.plugin_folder(version, print)
        (plugin,) = folder.iterdir()
        # pkg/workspace/plugins.go of Pulumi: kind, name, version.
        assert plugin.name == f"resource-kubernetes-v{version}"
        assert (plugin / provider_build.PROGRAM).samefile(program)
