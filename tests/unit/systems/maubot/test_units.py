"""The texts of maubot's units and configuration."""

from __future__ import annotations

import json
import logging.config
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.maubot.config_file import config_text
from components.maubot.units import backup_units, health_units, service, told
from providers.kinds.matrix.config_text import loads
from tests.unit.systems.maubot.test_settings import settings


def sections(text: str) -> dict[str, list[str]]:
    """Name=value lines by section; the blank ones left out."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            found[line] = lines = []
        elif line:
            lines.append(line)
    return found


def test_the_service_runs_as_its_own_account_with_its_configuration_as_a_credential():
    lines = sections(service(settings()))["[Service]"]
    for line in (
        "User=maubot",
        "LoadCredential=config.yaml:/var/lib/maubot/config/config.yaml",
        "LoadCredential=secret-key:/etc/maubot/secret-key",
        "ExecStart=/opt/maubot/bin/python -m maubot --no-update --config %d/config.yaml",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "ReadOnlyPaths=/var/lib/maubot/config",
        "TimeoutStopSec=15",
        "Restart=always",
    ):
        assert line in lines


def test_a_wait_that_fails_does_not_take_maubot_down_with_it():
    (after,) = [line for line in service(settings()).splitlines() if line.startswith("ExecStartPost=")]
    assert after.startswith("ExecStartPost=-/")


def test_it_starts_after_the_homeserver_of_the_settings():
    (after,) = [line for line in service(settings(homeserver_unit="conduit")).splitlines() if line.startswith("After=")]
    assert "conduit.service" in after.split()


@pytest.mark.parametrize("every", [20, 45, 600])
def test_the_timers_look_as_often_as_the_settings_say(every: int):
    units = health_units(settings(health={"every": every}))
    assert list(units) == [
        *("maubot-health.service", "maubot-health.timer"),
        *("maubot-health-restart.service", "maubot-health-restart.timer"),
    ]
    for name in ("maubot-health.timer", "maubot-health-restart.timer"):
        assert f"OnUnitInactiveSec={every}" in units[name].splitlines()


def test_figures_are_written_only_where_there_is_a_folder_for_them():
    folder = "/var/lib/prometheus/node-exporter"
    assert "prometheus" not in health_units(settings())["maubot-health.service"]
    with_folder = settings(health={"metrics-folder": folder})
    restarts = health_units(with_folder)["maubot-health-restart.service"]  # root's, as the folder is
    assert f"ReadWritePaths=-{folder}\n" in restarts
    assert "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n" in restarts
    assert "CapabilityBoundingSet=\n" in health_units(settings())["maubot-health-restart.service"]
    assert json.loads(told(with_folder))["metrics"] == f"{folder}/maubot.prom"


def test_a_backup_comes_when_the_settings_say():
    units = backup_units(settings(backup={"at": "Sun 04:00"}))
    assert "OnCalendar=Sun 04:00" in units["maubot-backup.timer"].splitlines()


def test_the_programs_are_told_of_what_is_enabled_and_of_nothing_secret():
    bots = {"instagram-bot": {}, "off": {"enabled": False}}
    found = json.loads(told(settings(bots=bots, health={"alert-room": "#admins:lab.test"})))
    assert found["clients"] == ["@instagram-bot:lab.test"]
    assert found["instances"] == ["instagram-bot-1"]
    assert found["alerts"] == {"room": "#admins:lab.test", "user": "@instagram-bot:lab.test"}
    assert json.loads(told(settings()))["alerts"] is None


def config(**changed: Any) -> dict[str, Any]:
    return loads(config_text(settings(**changed), "hash", "key", None))


def test_the_configuration_is_for_loopback_and_has_no_registration_secret():
    found = config(port=29400)
    assert (found["server"]["hostname"], found["server"]["port"]) == ("127.0.0.1", 29400)
    assert found["homeservers"] == {"lab.test": {"url": "http://127.0.0.1:8008"}}
    assert found["admins"] == {"root": "", "admin": "hash"}
    assert found["api_features"]["dev_open"] is False
    assert found["database"] == "sqlite:/var/lib/maubot/bot.db"
    logging.config.DictConfigurator(found["logging"])  # its parts are known to Python's own logging


@given(
    admin=st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True) | st.sampled_from(["on", "1e3", "0o17", "null", "-"]),
    url=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80),
)
def test_whatever_the_values_maubots_parser_reads_them_as_they_are(admin: str, url: str, key: str):
    found = loads(config_text(settings(admin=admin), f"$2b$12${key}", key, f"postgresql://{url}"))
    assert found["admins"].get(admin) == (f"$2b$12${key}" if admin != "root" else found["admins"]["root"])
    assert found["server"]["unshared_secret"] == key
    assert found["database"] == f"postgresql://{url}"
