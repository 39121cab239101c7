"""The loader: everything that is wrong is said at once, and no secret is ever shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import config as runtime_config

from config.loader import GOING_DOWN, load, parse
from config.mistakes import WrongSettings
from config.schema import SCHEMA_FILE, table, text
from config.systems import SYSTEMS
from config.systems.secondbrain import SecondBrain
from toolchain.versions import ROOT

PROJECT = ROOT
SECONDBRAIN: dict[str, Any] = {
    "host": "brain",
    "pod": {"backend-image": "docker.io/secondbrain/backend:latest", "backend-port": 8000},
}
SHARE = {"server": "windows", "name": "PersonalAssistantHub"}
CANARY = "canary-7f3a"


def values(secondbrain: dict[str, Any] | None = None, **further: Any) -> dict[str, Any]:
    """Return a namespace as Pulumi hands it over: structured values are JSON texts."""
    found: dict[str, Any] = {"hosts": {"brain": {}}, "secondbrain": {**SECONDBRAIN, **(secondbrain or {})}}
    found |= {key.replace("_", "-"): value for key, value in further.items()}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def mistakes(given: dict[str, Any], secret_keys: set[str] | None = None, project: Path = PROJECT) -> dict[str, str]:
    """Return path -> rule of every mistake."""
    with pytest.raises(WrongSettings) as caught:
        parse(given, secret_keys or set(), project)
    return {mistake.path: mistake.rule for mistake in caught.value.mistakes}


def test_right_settings_become_models():
    parsed = parse(values(), set(), PROJECT)
    settings = parsed.systems["secondbrain"]
    assert isinstance(settings, SecondBrain)
    assert settings.pod.backend_port == 8000
    assert str(settings.account.home) == "/var/lib/secondbrain"
    assert set(parsed.machines.hosts) == {"brain"}


def test_a_system_whose_key_is_absent_is_not_deployed():
    assert parse({"hosts": "{}"}, set(), PROJECT).systems == {}


def test_all_mistakes_are_listed_at_once_with_path_value_rule_and_remedy():
    given = values(
        {"host": "brian", "manager": "docker", "pod": {"backend-port": 70000, "backend-image": "x"}},
        hosts={"brain": {"port": "ssh"}, "Other_": {}},
        secondbrian={},
    )
    with pytest.raises(WrongSettings) as caught:
        parse(given, set(), PROJECT)
    message = str(caught.value)
    assert "hearth:secondbrain.pod.backend-port is 70000, and it must be at most 65535" in message
    assert "hearth:secondbrain.manager is \"docker\", and it must be one of 'quadlet' or 'podmgr'" in message
    assert 'hearth:hosts.brain.port is "ssh", and it must be a whole number' in message
    assert "did you mean hearth:secondbrain?" in message
    assert "nothing was touched" in message
    assert 'hearth:secondbrain.host is "brian", and it must be a machine of hearth:hosts' in message
    assert message.count("What to do: ") == len(caught.value.mistakes) == 7


def test_a_reference_to_a_machine_that_does_not_exist_is_refused():
    assert mistakes(values({"host": "brian"})) == {
        "hearth:secondbrain.host": "must be a machine of hearth:hosts (there: brain)"
    }


def test_a_key_in_snake_case_is_refused():
    pod = {**SECONDBRAIN["pod"], "ollama_port": 1}
    assert mistakes(values({"pod": pod})) == {"hearth:secondbrain.pod.ollama_port": "is not a key that exists"}


def test_the_value_of_an_unknown_key_is_never_shown():
    with pytest.raises(WrongSettings) as caught:
        parse(values({"share": {**SHARE, "password": CANARY}}), set(), PROJECT)
    assert CANARY not in str(caught.value)


def test_a_secret_in_plain_text_is_refused_without_showing_it():
    given = values(secondbrain_smb_password=CANARY)
    with pytest.raises(WrongSettings) as caught:
        parse(given, set(), PROJECT)
    assert "hearth:secondbrain-smb-password is in plain text" in str(caught.value)
    assert "pulumi config set --secret" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_share_without_its_secrets_is_refused():
    assert set(mistakes(values({"share": SHARE}))) == {
        "hearth:secondbrain-smb-username",
        "hearth:secondbrain-smb-password",
    }


def test_a_preview_goes_on_without_secrets_and_says_which_up_will_want():
    parsed = parse(values({"share": SHARE}), set(), PROJECT, preview=True)
    assert [mistake.path for mistake in parsed.missing] == [
        "hearth:secondbrain-smb-username",
        "hearth:secondbrain-smb-password",
    ]


def test_encrypted_secrets_are_enough_for_a_share():
    given = values({"share": SHARE}, secondbrain_smb_username="u", secondbrain_smb_password="p")
    keys = {"secondbrain-smb-username", "secondbrain-smb-password"}
    assert "secondbrain" in parse(given, keys, PROJECT).systems


def secrets_file(folder: Path, content: str, mode: int = 0o600) -> dict[str, Any]:
    path = folder / "secrets.json"
    path.write_text(content)
    path.chmod(mode)
    return values({"share": SHARE}, secrets_file="secrets.json")


def test_a_file_of_secrets_is_read(tmp_path: Path):
    given = secrets_file(tmp_path, json.dumps({"secondbrain-smb-username": "u", "secondbrain-smb-password": CANARY}))
    assert parse(given, set(), tmp_path).from_file["secondbrain-smb-password"] == CANARY


def test_a_file_of_secrets_that_others_may_read_is_refused(tmp_path: Path):
    found = mistakes(secrets_file(tmp_path, "{}", 0o640), project=tmp_path)
    assert found == {
        "hearth:secrets-file": "must not be readable by others than its owner; its mode is 0640",
    }


@pytest.mark.parametrize(
    ("content", "rule"),
    [("{", "must be a JSON file that can be read"), ("[]", "must hold one JSON object"), ('{"a": 1}', "must hold one")],
)
def test_a_file_of_secrets_that_is_none_is_refused(tmp_path: Path, content: str, rule: str):
    found = mistakes(secrets_file(tmp_path, content), project=tmp_path)
    assert found["hearth:secrets-file"].startswith(rule)


def test_a_file_of_secrets_that_is_missing_is_said_once(tmp_path: Path):
    found = mistakes(values({"share": SHARE}, secrets_file="none.json"), project=tmp_path)
    assert found == {"hearth:secrets-file": "must be there"}


def test_an_unknown_secret_in_the_file_is_refused(tmp_path: Path):
    given = secrets_file(tmp_path, json.dumps({"secondbrain-smb-passwort": CANARY}))
    assert mistakes(given, project=tmp_path) == {
        "hearth:secrets-file (secondbrain-smb-passwort)": "is not a secret that exists"
    }


@pytest.fixture
def stack_settings():
    """Set the settings of the running stack, as the language host would, and take them away again."""
    before = dict(runtime_config.CONFIG.get())

    def set_all(given: dict[str, str], secret_keys: list[str]) -> None:
        runtime_config.set_all_config({f"hearth:{key}": value for key, value in given.items()}, secret_keys)

    yield set_all
    runtime_config.set_all_config(before, [])


async def test_secrets_are_secret_outputs_and_each_system_gets_its_own(stack_settings: Any, tmp_path: Path):
    given = secrets_file(tmp_path, json.dumps({"secondbrain-smb-username": "u"}))
    stack_settings({**given, "secondbrain-smb-password": CANARY}, ["hearth:secondbrain-smb-password"])
    stack = load(tmp_path)
    assert set(stack.systems) == {"secondbrain"}
    assert stack.secrets_of("secondbrain") == stack.secrets
    assert stack.secrets_of("core") == {}
    for key, value in (("secondbrain-smb-username", "u"), ("secondbrain-smb-password", CANARY)):
        assert await stack.secrets[key].is_secret()
        assert await stack.secrets[key].future() == value


def test_settings_without_any_key_of_ours_remove_nothing(stack_settings: Any, tmp_path: Path):
    stack_settings({}, [])
    with pytest.raises(pulumi.RunError, match=r"has no key that begins with hearth:.*nothing was touched") as caught:
        load(tmp_path)
    assert "make down STACK=" in str(caught.value)


@pytest.mark.parametrize("given", [{}, values({"host": "brian"}), values({"host": "brain"}), {"secndbrain": "{}"}])
async def test_what_goes_down_needs_neither_secrets_nor_right_settings(
    stack_settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
):
    monkeypatch.setenv(GOING_DOWN, "1")
    stack_settings(given, [])
    assert load(tmp_path).machines is not None


def test_wrong_settings_end_the_program_with_a_message_and_no_traceback(stack_settings: Any):
    stack_settings(values({"host": "brian"}), [])
    with pytest.raises(pulumi.RunError, match=r"Pulumi\..*\.yaml: 1 mistake in the settings"):
        load(PROJECT)


def test_the_schema_in_the_repository_is_current():
    assert SCHEMA_FILE.read_text() == text(), "stale: run `python -m config schema`"


def test_two_systems_with_a_part_of_one_name_have_each_its_own_in_the_schema():
    schema = json.loads(text())
    at = {}
    for key in ("core", "maubot"):
        place = schema["properties"]["config"]["properties"][f"hearth:{key}"]["properties"]["backup"]["$ref"]
        at[key] = schema["$defs"][place.removeprefix("#/$defs/")]["properties"]["at"]["default"]
    assert at == {"core": "03:15", "maubot": "*-*-* 03:30:00"}


def test_the_schema_knows_every_key_of_the_examples():
    keys = json.loads(text())["properties"]["config"]["properties"]
    for stack in ("dev", "prod"):
        used = re.findall(r"^  (hearth:[a-z-]+):", (PROJECT / f"Pulumi.{stack}.yaml").read_text(), re.MULTILINE)
        assert used
        assert set(used) <= set(keys)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_table_in_the_documentation_is_current(system: str):
    assert table(system) in (PROJECT / "docs" / "systems" / f"{system}.md").read_text(), (
        f"stale: put the output of `python -m config table {system}` there"
    )


def test_the_core_stacks_required_secrets_are_named_where_they_are_missing():
    with pytest.raises(WrongSettings) as caught:
        parse({"hosts": {"pi": {}}, "core": {"host": "pi"}, "core-secret-key": "x" * 32}, {"core-secret-key"}, PROJECT)
    of_the_pages, mistake = caught.value.mistakes
    assert of_the_pages.path == "hearth:core-access-password"
    assert mistake.path == "hearth:core-postgres-password"
    assert mistake.remedy == "pulumi config set --secret hearth:core-postgres-password"
