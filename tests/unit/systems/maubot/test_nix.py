"""The Nix texts: parsed and evaluated by Nix itself, and the rollout's program, run with commands in its way."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from components.maubot.nix_phases import PHASES, host_module
from components.maubot.nix_text import (
    ANSWERS,
    dev_services_module,
    maubot_module,
    nix_string,
    secrets,
)
from components.maubot.units import told
from config.systems.maubot import Maubot
from tests.needs import needs
from tests.unit.systems.maubot.test_settings import settings
from toolchain.versions import ROOT

WISH = settings(platform="nixos", nixos={"configuration": "ops-jrz1", "flake": "/etc/nixos"}, port=29400)
POSTGRESQL = WISH.model_copy(update={"database": "postgresql"})
needs_nix = needs("nix-instantiate", "nix-bin")

LIB = """
let
  lib = {
    mkIf = condition: content: if condition then content else {};
    mkOption = attributes: attributes;
    mkEnableOption = text: { default = false; };
    mkPackageOption = pkgs: name: attributes: { default = pkgs.${name}; };
    optional = condition: content: if condition then [ content ] else [];
    types = { str = "str"; port = "port"; path = "path"; nullOr = type: type; };
  };
  pkgs = {
    writeText = name: text: "/nix/store/${name}";
    python3 = { withPackages = choose: "/nix/store/python"; outPath = "/nix/store/python3"; };
    maubot = "/nix/store/maubot";
    systemd = "/nix/store/systemd";
  };
in
"""
"""What the modules use of nixpkgs, which can't be had everywhere."""


def nix(*words: str, text: str) -> str:
    done = subprocess.run(["nix-instantiate", *words, "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def evaluated(text: str) -> Any:
    return json.loads(nix("--eval", "--strict", "--json", text=LIB + text))


@needs_nix
@pytest.mark.parametrize(
    "text",
    [
        maubot_module(),
        *(dev_services_module(wish) for wish in (WISH, POSTGRESQL)),
        *(host_module(wish, phase) for phase in PHASES for wish in (WISH, POSTGRESQL)),
    ],
)
def test_nix_parses_it(text: str):
    nix("--parse", text=text)


@needs_nix
@hypothesis_settings(max_examples=20, deadline=None)
@given(st.text(st.characters(min_codepoint=1, max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=30))
def test_a_text_is_the_same_text_in_nix(text: str):
    assert json.loads(nix("--eval", "--json", text=nix_string(text))) == text


@needs_nix
@pytest.mark.parametrize("text", ['${builtins.abort "x"}', "$${x}", "''${x}", '"; evil', "\\${x}", "a\nb\tc\r"])
def test_no_text_gets_out_of_its_string(text: str):
    assert json.loads(nix("--eval", "--json", text=nix_string(text))) == text


@needs_nix
def test_the_service_is_as_confined_as_on_debian_and_gets_its_secrets_as_credentials():
    config = """{ services.maubot = { enable = true; serverName = "lab.test"; port = 29316; admin = "admin";
      homeserverUrl = "http://127.0.0.1:8008"; package = "/nix/store/maubot";
      adminPasswordFile = "/run/secrets/maubot-admin-password";
      secretKeyFile = "/run/secrets/maubot-secret-key"; databaseUrlFile = null; }; }"""
    found = evaluated(f"(({maubot_module()}) {{ inherit lib pkgs; config = {config}; }}).config")
    service = found["systemd"]["services"]["maubot"]["serviceConfig"]
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] is True
    assert service["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert service["LoadCredential"] == [
        "admin-password:/run/secrets/maubot-admin-password",
        "secret-key:/run/secrets/maubot-secret-key",
    ]
    assert service["ExecStart"].endswith("--no-update --config /var/lib/maubot/config/config.yaml")
    assert service["ReadOnlyPaths"] == ["-/var/lib/maubot/config"]


@needs_nix
def test_a_service_that_is_off_brings_nothing():
    off = "{ services.maubot.enable = false; }"
    assert evaluated(f"(({maubot_module()}) {{ inherit lib pkgs; config = {off}; }}).config") == {}


@needs_nix
def test_the_wrapper_takes_enable_and_port_and_hands_the_settings_on():
    config = """{ services.dev-platform.maubot = { enable = true; port = 1234; };
      sops.secrets = { maubot-admin-password.path = "/a"; maubot-secret-key.path = "/b"; }; }"""
    found = evaluated(f"(({dev_services_module(WISH)}) {{ inherit lib; config = {config}; }}).config")
    assert found["services"]["maubot"] == {
        "enable": True,
        "port": 1234,
        "homeserverUrl": "http://127.0.0.1:8008",
        "serverName": "lab.test",
        "admin": "admin",
        "adminPasswordFile": "/a",
        "secretKeyFile": "/b",
    }


@needs_nix
@pytest.mark.parametrize("wish", [WISH, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_a_whole_configuration_is_evaluated_in_each_phase(tmp_path: Path, wish: Maubot):
    flake = tmp_path / "flake"
    texts = {
        "configuration.nix": "{ ... }: { imports = [ ./hearth-maubot.nix ]; }",
        "modules/maubot.nix": maubot_module(),
        "modules/dev-services-maubot.nix": dev_services_module(wish),
        "hearth-maubot/told.json": told(wish),
        "secrets/secrets.yaml": "{}",
    }
    for name, text in texts.items():
        (flake / name).parent.mkdir(parents=True, exist_ok=True)
        (flake / name).write_text(text)
    units: dict[str, Any] = {}
    for phase in PHASES:
        (flake / "hearth-maubot.nix").write_text(host_module(wish, phase))
        expression = f"import {ROOT / 'lab/systems/maubot/nixos/modules.nix'} {flake}"
        command = ["nix-instantiate", "--store", f"local?root={tmp_path}/store", "--eval", "--strict", "--json"]
        done = subprocess.run([*command, "--expr", expression], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert sorted(found["sops"]["secrets"]) == ([] if phase == "modules" else sorted(secrets(wish)))
        assert ("systemd" in found) == (phase == "service")
        units = found.get("systemd", {})
    service = units["services"]["maubot"]
    assert service["after"] == ["network-online.target", "postgresql.service", "matrix-continuwuity.service"]
    credentials = service["serviceConfig"]["LoadCredential"]
    assert ("database-url:/run/secrets/maubot-database-url" in credentials) == (wish.database == "postgresql")
    assert units["timers"].keys() == {"maubot-health", "maubot-health-restart", "maubot-backup"}


def test_each_phase_adds_to_the_one_before():
    modules, with_secrets, service = (host_module(WISH, phase) for phase in PHASES)
    assert "sops" not in modules
    name = "maubot-admin-password"
    assert f'{name} = {{ sopsFile = ./. + "/secrets/secrets.yaml"; mode = "0400"; owner = "root"; }}' in with_secrets
    assert "maubot-database-url" not in with_secrets
    assert "sops.secrets.maubot-database-url" in host_module(POSTGRESQL, "secrets")
    assert "enable = true" not in with_secrets
    assert "services.dev-platform.maubot = { enable = true; port = 29400; };" in service
    assert "maubot-health-restart" in service
    assert "maubot-backup" in service
    without = WISH.model_copy(update={"backup": WISH.backup.model_copy(update={"enabled": False})})
    assert "maubot-backup" not in host_module(without, "service")


def test_waiting_for_maubot_ends_when_it_answers_and_when_it_has_ended():
    def waited(port: int, process: int) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-I", "-c", ANSWERS, str(port)]
        environment = {"MAINPID": str(process)}
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)

    with subprocess.Popen(["true"]) as gone:
        pass
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = int(there.getsockname()[1])
        assert waited(port, os.getpid()).returncode == 0
    assert "has ended before it answered" in waited(port, gone.pid).stderr
