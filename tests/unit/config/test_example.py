"""Pulumi.prod.yaml, the example: right with all that it has as comments, with every setting of every system."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
from collections.abc import Mapping
from typing import Any, cast, get_args, get_origin

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel

from config.loader import parse
from config.systems import SYSTEMS
from toolchain.versions import ROOT

TEXT = (ROOT / "Pulumi.prod.yaml").read_text()


MACHINES = ("pi", "vps", "bcn1", "bcn2")
"""Those of the systems that stand in it as comments."""


def whole() -> dict[str, Any]:
    """Return the example's settings, with the systems that stand in it as comments."""
    lines = re.sub(r"^  # (hearth:\w+:$|  .*)", r"  \1", TEXT, flags=re.MULTILINE)
    digest = lines.replace("sha256:...", f"sha256:{'0' * 64}")
    content = cast(dict[str, Any], yaml.load(digest, yaml.CSafeLoader)["config"])
    values = {key.removeprefix("hearth:"): value for key, value in content.items()}
    values["hosts"] |= {name: {} for name in MACHINES}
    return values


def section(system: str) -> str:
    """Return the text of a system in the example: from its key, or the comment before it, to the next system's."""
    parts = re.split(r"^  (?:# )?hearth:(\w+):$", TEXT, flags=re.MULTILINE)
    return parts[parts.index(system) + 1]


def model_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the model that a field holds, and whether it holds one for each of several names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        found, _ = model_of(part)
        if found is not None:
            return found, get_origin(annotation) is dict
    return None, False


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return every setting of a model, as `backend.port`; `*` stands for names, as in `members.*.address`."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner, by_name = model_of(field.annotation)
        if inner is None:
            found.add(key)
        else:
            found |= keys(inner, f"{key}.*." if by_name else f"{key}.")
    return found


def written(model: type[BaseModel], values: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Return every setting that stands in a file, likewise."""
    found: set[str] = set()
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, value in values.items():
        inner, by_name = model_of(fields[key].annotation)
        if inner is None or not isinstance(value, dict):
            found.add(f"{prefix}{key}")
            continue
        entries = cast(dict[str, Any], value)
        for each in entries.values() if by_name else [entries]:
            found |= written(inner, each, f"{prefix}{key}.*." if by_name else f"{prefix}{key}.")
    return found


def certificate() -> dict[str, str]:
    """Return a certificate and its key, as the two secrets of the todo app."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "todo.example.org")])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=9999))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "todo-tls-certificate": builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(),
        "todo-tls-key": key.private_bytes(serialization.Encoding.PEM, *plain).decode(),
    }


def secrets() -> dict[str, str]:
    """Return a value for every secret of every system."""
    every = [name for system in SYSTEMS.values() for name in system.settings.SECRETS]
    return {
        **dict.fromkeys(every, "x" * 48),
        "secondbrain-backend-environment": "TOKEN=x",
        "todo-database-url": "postgresql://todo:x@db.example.org/todo",
        "maubot-database-url": "postgresql://maubot:x@127.0.0.1/maubot",
        "maubot-bot-passwords": "instagram-bot=a long password",
        "lxd-environment": "TOKEN=x",
        **certificate(),
    }


def test_it_is_right_also_with_what_stands_in_it_as_comments() -> None:
    values = whole()
    assert SYSTEMS.keys() <= values.keys()
    given = secrets()
    parsed = parse({key: json.dumps(value) for key, value in values.items()} | given, set(given), ROOT)
    assert set(parsed.systems) == SYSTEMS.keys()
    assert not parsed.missing


@pytest.mark.parametrize("key", SYSTEMS)
def test_every_setting_of_the_system_stands_in_it(key: str) -> None:
    model = SYSTEMS[key].settings
    missing = keys(model) - written(model, whole()[key])
    # What excludes another that stands there is told in a comment: `backend.registry`.
    told = set(re.findall(r"`([a-z-]+):", section(key)))
    assert {each for each in missing if each.rpartition(".")[2] not in told} == set()


@pytest.mark.parametrize("key", SYSTEMS)
def test_every_secret_of_the_system_stands_in_it(key: str) -> None:
    assert [name for name in SYSTEMS[key].settings.SECRETS if name not in TEXT] == []


def test_plain_pulumi_installs_what_is_locked() -> None:
    command = [ROOT / ".venv" / "bin" / "uv", "pip", "install", "--offline", "--dry-run", "-r", "requirements.txt"]
    python = ["--python", str(ROOT / ".venv" / "bin" / "python")]
    done = subprocess.run([*command, *python], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Would make no changes" in done.stderr
