"""The rollout on NixOS: its program, run with commands of ours in its way, and each phase's resource."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.maubot.nix_phases import PHASE_LINE, PHASES, host_module
from components.maubot.nix_text import secrets
from components.maubot.nixos import FILES, checked_on, import_script, phase_script, undo_script
from components.maubot.units import PROGRAMS
from tests.unit.systems.maubot.test_nix import WISH
from tests.unit.systems.maubot.test_settings import settings


class Rollout:
    """A folder that stands for the machine: `well` names the services that are."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.flake, self.bin = folder / "hearth", folder / "flake", folder / "bin"
        for path in (self.folder, self.flake, self.bin):
            path.mkdir()
        for phase in PHASES:
            (self.folder / f"{phase}.nix").write_text(host_module(WISH, phase))
        for file in FILES:
            (self.flake / file).parent.mkdir(exist_ok=True)
            (self.flake / file).write_text("first")
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        for name in secrets(WISH):
            (self.secrets / name).touch(mode=0o400)
        self.state = folder / "state"
        self.state.mkdir()
        self.well("nginx", "postgresql", "maubot")
        self.command(
            "systemctl",
            "case $1 in show|is-failed) name=${3%.service};; *) name=${2%.service};; esac\n"
            '[ "$1" != is-failed ] || { [ "$name" != forgejo ] && [ ! -e "$STATE/$name" ]; exit; }\n'
            'if [ -e "$STATE/$name" ]; then s=active; else s=failed; fi\n'
            'case $1 in show) [ "$name" = forgejo ] && echo LoadState=not-found || echo LoadState=loaded;\n'
            "  echo ActiveState=$s;; *) echo $s;; esac",
        )
        self.command("journalctl", 'echo "the log of $2"')
        self.command(
            "nixos-rebuild",
            'echo "nixos-rebuild $*" >>"$STATE/calls"\n'
            '[ ! -e "$STATE/refuses" ] || case $* in *--flake*) echo "error: evaluation failed"; exit 1;; esac\n'
            '[ ! -e "$STATE/breaks" ] || rm -f "$STATE/nginx"',
        )

    def command(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / name).chmod(0o755)

    def well(self, *names: str) -> None:
        for path in self.state.iterdir():
            path.unlink()
        for name in names:
            (self.state / name).touch()

    def run(self, phase: str) -> subprocess.CompletedProcess[str]:
        words = ["sh", str(PROGRAMS / "rollout.sh"), str(self.flake), "ops-jrz1", str(self.folder), phase]
        environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "STATE": str(self.state),
            "SETTLE_TRIES": "2",
            "SETTLE_LOOKS": "2",
            "SETTLE_PAUSE": "0",
            "RUN_SECRETS": str(self.secrets),
        }
        wanted = "" if phase == "modules" else " ".join(secrets(WISH))
        command = [*words, wanted, "nginx", "postgresql", "forgejo"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    @property
    def calls(self) -> list[str]:
        path = self.state / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def now(self) -> str | None:
        path = self.flake / "hearth-maubot.nix"
        return path.read_text() if path.exists() else None


def test_a_phase_is_switched_to_while_all_is_well(tmp_path: Path):
    rollout = Rollout(tmp_path)
    for phase in PHASES:
        done = rollout.run(phase)
        assert done.returncode == 0, done.stderr
        assert rollout.now == host_module(WISH, phase)
    assert rollout.calls == [f"nixos-rebuild switch --flake {rollout.flake}#ops-jrz1"] * 3


def test_a_service_that_is_not_well_before_stops_the_phase_and_nothing_is_changed(tmp_path: Path):
    rollout = Rollout(tmp_path)
    rollout.well("nginx")
    done = rollout.run("modules")
    assert done.returncode == 1
    assert "before the phase 'modules' these were not well, so nothing was changed: postgresql" in done.stderr
    assert (rollout.calls, rollout.now) == ([], None)


def test_a_phase_that_harms_a_service_is_rolled_back_and_the_error_says_which_and_why(tmp_path: Path):
    rollout = Rollout(tmp_path)
    assert rollout.run("modules").returncode == 0
    (rollout.state / "breaks").touch()
    done = rollout.run("secrets")
    assert done.returncode == 1
    assert "after the phase 'secrets' these were not well, so it was rolled back: nginx" in done.stderr
    assert "the log of nginx" in done.stderr
    assert rollout.calls[-1] == "nixos-rebuild switch --rollback"
    assert rollout.now == host_module(WISH, "modules")


def test_a_rollback_puts_the_flake_back_too_as_the_next_rebuild_takes_it_from_there(tmp_path: Path):
    rollout = Rollout(tmp_path)
    assert rollout.run("service").returncode == 0
    for file in FILES:
        (rollout.flake / file).write_text("second")
    (rollout.state / "breaks").touch()
    assert rollout.run("service").returncode == 1
    assert {(rollout.flake / file).read_text() for file in FILES} == {"first"}


@pytest.mark.parametrize("harm", ["missing", "open"])
def test_secrets_that_are_not_there_for_root_alone_roll_the_phase_back(tmp_path: Path, harm: str):
    rollout = Rollout(tmp_path)
    path = rollout.secrets / "maubot-secret-key"
    path.unlink() if harm == "missing" else path.chmod(0o444)
    assert rollout.run("modules").returncode == 0
    done = rollout.run("secrets")
    assert done.returncode == 1
    assert "with mode 400: maubot-secret-key" in done.stderr
    assert rollout.calls[-1] == "nixos-rebuild switch --rollback"


def test_a_service_that_is_started_anew_all_the_time_is_not_well(tmp_path: Path):
    rollout = Rollout(tmp_path)
    rollout.command(
        "systemctl",
        "case $1$2 in is-failed*) exit 1;; show*) echo LoadState=loaded;; *nginx*) echo >>$STATE/asked\n"
        "  [ $(($(wc -l <$STATE/asked) % 2)) = 1 ] && echo active || echo activating;; *) echo active;; esac",
    )
    done = rollout.run("modules")
    assert done.returncode == 1
    assert "so it was rolled back: nginx" in done.stderr


def test_a_switch_that_fails_is_rolled_back_and_its_own_words_are_shown(tmp_path: Path):
    rollout = Rollout(tmp_path)
    (rollout.state / "refuses").touch()
    done = rollout.run("modules")
    assert done.returncode == 1
    assert "error: evaluation failed" in done.stderr
    assert "could not be switched to, and was rolled back" in done.stderr
    assert rollout.now is None


def test_maubot_itself_must_be_well_after_the_last_phase(tmp_path: Path):
    rollout = Rollout(tmp_path)
    rollout.well("nginx", "postgresql")
    done = rollout.run("service")
    assert "so it was rolled back: maubot" in done.stderr


def test_a_phase_holds_where_a_later_one_is_reached_and_the_last_where_everything_is_as_rolled_out(tmp_path: Path):
    assert WISH.nixos is not None
    nixos = WISH.nixos.model_copy(update={"flake": tmp_path})
    wish = WISH.model_copy(update={"nixos": nixos})
    for phase, holds in (("modules", [1, 1, 1]), ("secrets", [0, 1, 1])):
        apply, check = phase_script(wish, nixos, phase)
        assert apply.startswith(
            f"sh /var/lib/hearth-maubot/rollout.sh {tmp_path} ops-jrz1 /var/lib/hearth-maubot {phase} "
        )
        for there, wished in zip(PHASES, holds, strict=True):
            (tmp_path / "hearth-maubot.nix").write_text(host_module(wish, there))
            assert subprocess.run(["sh", "-c", check], check=False).returncode == 1 - wished
    _, check = phase_script(wish, nixos, "service")
    assert check.count("cmp -s") == 1 + len(FILES)
    assert PHASE_LINE in host_module(wish, "modules")
    assert f"nixos-rebuild switch --flake '{tmp_path}#ops-jrz1'" in undo_script(wish, nixos)


@pytest.mark.parametrize("changed", [{"health": {"every": 31}}, {"port": 29401}, {"server_name": "another.example"}])
def test_a_changed_setting_changes_the_last_phases_resource_alone_so_that_an_up_without_a_refresh_asks(
    changed: dict[str, Any],
):
    nixos = WISH.nixos
    assert nixos is not None
    other = settings(**{"platform": "nixos", "nixos": {"configuration": "ops-jrz1"}, "port": 29400, **changed})
    differ = [phase for phase in PHASES if checked_on(WISH, nixos, phase) != checked_on(other, nixos, phase)]
    assert differ == ["service"]
    assert checked_on(WISH, nixos, "service") == checked_on(WISH, nixos, "service")


def test_a_flake_that_imports_nothing_of_it_is_told_so(tmp_path: Path):
    assert WISH.nixos is not None
    wish = WISH.nixos.model_copy(update={"flake": tmp_path})
    apply, check = import_script(wish)
    (tmp_path / "host.nix").write_text("{ imports = [ # ./hearth-maubot.nix\n ]; }\n")
    assert subprocess.run(["sh", "-c", check], check=False).returncode == 1
    told = subprocess.run(["sh", "-c", apply], capture_output=True, text=True, check=False)
    assert (told.returncode, "imports ./hearth-maubot.nix" in told.stderr) == (1, True)
    (tmp_path / "host.nix").write_text("{ imports = [\n ./hearth-maubot.nix\n ]; }\n")
    assert subprocess.run(["sh", "-c", check], check=False).returncode == 0
