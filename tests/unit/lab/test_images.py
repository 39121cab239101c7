"""What the lab's images are made from, and what they take over from this machine."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lab.docker import recipes
from lab.docker.host_settings import (
    HostSettings,
    Mirrors,
    as_tar,
    debian_mirrors,
    extra_certificates,
    parse_sources,
    sources_list,
)
from lab.errors import LabError

DEB822 = """\
Types: deb
# a comment in the middle
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


def test_deb822_sources_are_read() -> None:
    assert parse_sources(DEB822) == [
        ("http://mirror.example/debian/", ["bookworm", "bookworm-updates"]),
        ("http://mirror.example/debian-security", ["bookworm-security"]),
    ]


def test_disabled_and_source_entries_are_passed_over() -> None:
    source = "Types: deb-src\nURIs: http://a.example\nSuites: x\n"
    disabled = "Types: deb\nEnabled: no\nURIs: http://b.example\nSuites: x\n"
    text = f"{source}\n{disabled}"
    assert parse_sources(text) == []


def test_one_line_sources_with_options_are_read() -> None:
    text = (
        "# deb http://no.example x main\ndeb [arch=amd64 signed-by=/k] http://mirror.example/debian trixie main # why\n"
    )
    assert parse_sources(text) == [("http://mirror.example/debian", ["trixie"])]


def test_the_mirror_is_the_one_that_serves_this_machines_own_release() -> None:
    other = "deb https://packages.example/tool stable main\n"
    assert debian_mirrors([other, DEB822], "bookworm") == Mirrors(
        "http://mirror.example/debian", "http://mirror.example/debian-security"
    )


def test_a_local_mirror_is_not_taken_over() -> None:
    assert debian_mirrors(["deb file:/srv/debian bookworm main"], "bookworm") == Mirrors()


def test_the_images_sources_name_the_hosts_mirrors_for_another_release() -> None:
    assert sources_list(Mirrors("http://m.example/debian", "http://m.example/sec"), "trixie") == (
        "deb http://m.example/debian trixie main\n"
        "deb http://m.example/debian trixie-updates main\n"
        "deb http://m.example/sec trixie-security main\n"
    )


def test_without_a_known_mirror_the_images_own_sources_stay() -> None:
    assert "etc/apt/sources.list" not in HostSettings().files("trixie")


def certificate(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"


def test_only_authorities_beyond_the_package_are_taken_over() -> None:
    bundle = "\n".join([certificate("AAA"), certificate("BBB"), certificate("BBB"), certificate("CCC")])
    assert extra_certificates(bundle, [certificate("AAA"), f"x\n{certificate('CCC')}\n"]) == (certificate("BBB"),)


def test_settings_of_the_host_reach_the_image_as_files() -> None:
    settings = HostSettings(
        apt_lines=('Acquire::http::Proxy "http://proxy.example";',),
        certificates=("pem",),
        pip_conf="[global]\n",
        proxies=(("https_proxy", "http://proxy.example"),),
    )
    files = settings.files("trixie")
    assert "Proxy" in files["etc/apt/apt.conf.d/90lab-host"]
    assert files["usr/local/share/ca-certificates/hearth-lab-0.crt"] == "pem\n"
    assert files["etc/pip.conf"] == "[global]\n"
    assert files["etc/environment"] == 'https_proxy="http://proxy.example"\n'


def test_other_settings_of_the_host_make_other_images() -> None:
    one, two = HostSettings().digest(), HostSettings(pip_conf="[global]\n").digest()
    assert recipes.tag("machine", one) != recipes.tag("machine", two)
    assert recipes.tag("machine", one) == recipes.tag("machine", one)


def test_a_changed_file_of_a_recipe_changes_its_tag_and_its_childrens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("machine", "machine-podman"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text("FROM x\n")
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    before = [recipes.tag(name, "host") for name in ("debian-trixie", "machine", "machine-podman")]
    (tmp_path / "machine" / "Dockerfile").write_text("FROM y\n")
    after = [recipes.tag(name, "host") for name in ("debian-trixie", "machine", "machine-podman")]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, False]


def test_every_recipe_has_its_folder_and_every_published_image_its_recipe() -> None:
    for recipe in recipes.RECIPES.values():
        if recipe.parent is None:
            continue
        assert recipe.parent in recipes.RECIPES
        assert (recipe.folder / "Dockerfile").is_file()
    assert set(recipes.PUBLISHED.values()) <= set(recipes.RECIPES)


def test_an_unknown_image_is_refused_with_those_that_exist() -> None:
    with pytest.raises(LabError, match="machine-podman"):
        recipes.recipe("machine-x")


def test_every_stand_in_says_so_in_a_label() -> None:
    for name in ("ollama", "backend", "windows", "python311"):
        assert "hearth.lab.stand-in=" in (recipes.FOLDER / name / "Dockerfile").read_text()


def test_the_build_context_begins_with_a_plain_header_and_keeps_executables(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o700)
    context = as_tar(tmp_path, {"host/etc/pip.conf": "[global]\n"})
    with tarfile.open(fileobj=io.BytesIO(context)) as archive:
        modes = {member.name: f"{member.mode:o} {member.uid}" for member in archive.getmembers()}
    assert context.startswith(b"Dockerfile")
    assert modes == {"Dockerfile": "644 0", "run": "755 0", "host/etc/pip.conf": "644 0"}
