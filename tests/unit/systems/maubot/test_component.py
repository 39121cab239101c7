"""The component MaubotHost, against a recording mock: which resources, with what, in which order."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import pulumi
import pytest

from components.maubot.component import MaubotHost
from components.maubot.deployed import DeployedMaubot
from components.system import SystemArgs
from config.hosts import Machines
from config.systems.maubot import Maubot
from providers.kinds.matrix.archive import read
from tests.unit.recording import Recorder
from tests.unit.systems.maubot.test_settings import WISH

ECHO = Path(__file__).parents[3] / "lab" / "systems" / "maubot" / "echo"
MACHINES = Machines.from_namespace({"hosts": {"vps": {"address": "192.0.2.7", "port": 2222, "user": "root"}}})
SECRETS = {
    "maubot-admin-password": "canary-admin-password",
    "maubot-secret-key": "canary-key-" + "k" * 48,
    "maubot-registration-token": "canary-token",
    "maubot-bot-passwords": "instagram-bot=canary-bot\n",
    "maubot-database-url": "postgresql://maubot:canary-url@127.0.0.1/m",
}
PLUGIN = {"plugins": {"org.example.echo": str(ECHO)}}
INSTANCE = {
    "instagram-bot-1": {
        "plugin": "org.example.echo",
        "bot": "instagram-bot",
        "config": {"room_subscriptions": ["!a:lab.test"]},
    }
}


@pytest.fixture(autouse=True, scope="module")
def hashed_once() -> Iterator[None]:
    """Work a password's hash out once: it takes a quarter of a second, as it should."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bcrypt, "hashpw", functools.cache(bcrypt.hashpw))
        yield


def build(preview: bool = False, secrets: bool = True, **changed: Any) -> Recorder:
    return _built(json.dumps({**WISH, **PLUGIN, "instances": INSTANCE, **changed}), preview, secrets)


@functools.cache
def _built(settings: str, preview: bool, with_secrets: bool) -> Recorder:
    def answer(token: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if preview or token != "hearth:matrix:MatrixUser":
            return {}
        return {"userId": f"@{inputs['user']}:lab.test", "accessToken": pulumi.Output.secret("canary-access")}

    def program() -> None:
        secrets = {key: pulumi.Output.secret(value if with_secrets else "") for key, value in SECRETS.items()}
        args = SystemArgs(Maubot.model_validate_json(settings), MACHINES, secrets)
        pulumi.export("maubot", MaubotHost("maubot", args).deployed)

    return Recorder(answer).run(program, preview=preview)


def test_everything_is_a_child_of_the_component():
    made = build()
    assert made.resources["maubot"].type == "hearth:maubot:MaubotHost"
    assert {each.parent for each in made.resources.values() if each.name != "maubot"} == {"maubot"}


def test_no_secret_stands_in_an_input_that_is_not_marked():
    for each in build().resources.values():
        for name, value in each.inputs.items():
            assert name in each.secrets or "canary" not in json.dumps(value), f"{each.name}.{name}"


def test_the_order_is_service_then_client_and_plugin_then_instance():
    made = build()
    before = made.before("maubot-instance-instagram-bot-1")
    for name in ("service", "client-instagram-bot", "account-instagram-bot", "plugin-org.example.echo", "config"):
        assert f"maubot-{name}" in before
    assert "maubot-service" not in made.before("maubot-account-instagram-bot")
    assert "maubot-health-service" in made.before("maubot-health-timer")


def test_a_plugin_is_known_by_what_its_archive_is():
    assert build().resources["maubot-plugin-org.example.echo"].inputs["sha256"] == read(ECHO).sha256


def test_another_plugin_than_its_key_says_stops_the_program_before_anything():
    instances = {"x": {"plugin": "sna.instagram", "bot": "instagram-bot"}}
    with pytest.raises(Exception, match=r"it is org\.example\.echo"):
        build(plugins={"sna.instagram": str(ECHO)}, instances=instances)


def test_an_instance_is_looked_at_again_where_its_plugin_or_a_package_that_it_needs_changes():
    made = build(**{"python-packages": ["yt-dlp==2026.10.26"]})
    plugin = made.resources["maubot-plugin-org.example.echo"].inputs["sha256"]
    found = made.resources["maubot-instance-instagram-bot-1"].inputs["recheckOn"]
    assert found == [plugin, "maubot==0.6.0", "yt-dlp==2026.10.26"]


def test_a_bot_that_is_not_enabled_neither_starts_nor_runs():
    made = build(bots={"instagram-bot": {"enabled": False}}, instances={})
    inputs = made.resources["maubot-client-instagram-bot"].inputs
    assert (inputs["enabled"], inputs["started"]) == (False, False)


def test_data_is_kept_unless_the_settings_say_otherwise_and_protected_where_they_do():
    kept, gone = build(), build(data="remove")
    assert kept.resources["maubot-instance-instagram-bot-1"].inputs["database"] == "keep"
    assert not kept.resources["maubot-user"].inputs["removeHome"]
    assert not kept.resources["maubot-dbs-folder"].inputs["purge"]
    assert gone.resources["maubot-instance-instagram-bot-1"].inputs["database"] == "remove"
    assert gone.resources["maubot-user"].inputs["removeHome"]
    assert build(**{"protect-data": True}).resources["maubot-user"].protect


def test_packages_that_plugins_need_come_before_the_environment():
    made = build(**{"packages": ["ffmpeg"], "python-packages": ["yt-dlp==2026.10.26"]})
    assert "maubot-package-ffmpeg" in made.before("maubot-venv")
    assert made.resources["maubot-venv"].inputs["requirements"] == ["maubot==0.6.0", "yt-dlp==2026.10.26"]


def test_a_preview_without_secrets_goes_on():
    made = build(preview=True, secrets=False)
    assert "maubot-config" in made.resources


def test_without_a_backup_there_is_none():
    made = build(backup={"enabled": False})
    assert not [name for name in made.resources if name.startswith("maubot-backup-") and "program" not in name]


def test_with_postgresql_its_own_programs_are_there_and_its_address_is_in_the_configuration_alone():
    made = build(database="postgresql")
    assert "maubot-package-postgresql-client" in made.before("maubot-venv")
    assert "postgresql://maubot:canary-url@127.0.0.1/m" in made.resources["maubot-config"].inputs["content"]
    assert "maubot-package-postgresql-client" not in build().resources


def test_the_file_of_the_figures_is_there_before_what_writes_it_and_goes_after_it():
    made = build(health={"metrics-folder": "/var/lib/prometheus/node-exporter"})
    assert "maubot-figures" in made.before("maubot-health-restart-timer")
    assert made.resources["maubot-figures"].inputs["undo"] == "rm -f /var/lib/prometheus/node-exporter/maubot.prom\n"
    assert "maubot-figures" not in build().resources


def test_what_the_checks_are_told_can_be_parsed_and_names_tunnel_and_rooms():
    found = DeployedMaubot.parse("maubot", build().outputs["maubot"]["deployed"])
    assert found.tunnel == "ssh -N -L 29316:127.0.0.1:29316 -p 2222 root@192.0.2.7"
    assert found.bots["@instagram-bot:lab.test"].rooms == ["!a:lab.test"]
    assert found.instances["instagram-bot-1"].plugin == "org.example.echo"


def test_what_there_is_none_of_is_told_so_too():
    found = DeployedMaubot.parse("maubot", build(backup={"enabled": False}).outputs["maubot"]["deployed"])
    assert (found.backup, found.flake) == (None, None)


# --- nixos ---


def nixos(**changed: Any) -> Recorder:
    return build(platform="nixos", nixos={"configuration": "ops-jrz1"}, **changed)


def test_on_nixos_the_phases_come_one_after_another_and_the_bots_after_the_last():
    made = nixos()
    before = made.before("maubot-client-instagram-bot")
    assert {f"maubot-phase-{phase}" for phase in ("modules", "secrets", "service")} <= before
    assert "maubot-phase-secrets" in made.before("maubot-phase-service")
    assert "maubot-phase-modules" in made.before("maubot-phase-secrets")
    assert "maubot-nixos-import" in made.before("maubot-phase-modules")
    assert "maubot-nixos-module" in made.before("maubot-phase-modules")


def test_on_nixos_the_checks_are_told_of_the_flake():
    assert DeployedMaubot.parse("maubot", nixos().outputs["maubot"]["deployed"]).flake == "/etc/nixos"


def test_on_nixos_nothing_of_debians_is_made_and_no_secret_is_written():
    made = nixos()
    tokens = {each.type for each in made.resources.values()}
    assert tokens.isdisjoint({"hearth:host:Package", "hearth:host:Unit", "hearth:host:Venv", "hearth:host:User"})
    files = [each for each in made.resources.values() if each.type == "hearth:host:File"]
    assert not [each.name for each in files if "canary" in json.dumps(each.inputs)]


def test_a_new_maubot_begins_with_a_backup_before_it_starts_where_the_settings_name_one():
    made = build(backup={"restore-from": "/srv/My rescue"})
    begun = made.resources["maubot-begun"]
    assert "maubot-begun" in made.before("maubot-service")
    assert "begin /etc/maubot/hearth.json '/srv/My rescue'" in begun.inputs["apply"]
    assert "begun /etc/maubot/hearth.json" in begun.inputs["check"]
    assert {name.rpartition("-")[2] for name in made.before(begun.name)} >= {"config", "program", "told", "user"}
    assert "maubot-begun" not in build().resources
