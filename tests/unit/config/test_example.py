"""Pulumi.prod.yaml, the example: it is right with all that it has as comments, and has every setting of core."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from typing import Any, cast

import yaml
from pydantic import BaseModel

from config.loader import parse
from config.systems import SYSTEMS
from config.systems.core import Core
from toolchain.versions import ROOT

TEXT = (ROOT / "Pulumi.prod.yaml").read_text()


def whole() -> dict[str, Any]:
    """Return the example's settings, with the systems that stand in it as comments."""
    lines = re.sub(r"^  # (hearth:\w+:$|  .*)", r"  \1", TEXT, flags=re.MULTILINE)
    digest = lines.replace("sha256:...", f"sha256:{'0' * 64}")
    content = cast(dict[str, Any], yaml.safe_load(digest)["config"])
    return {key.removeprefix("hearth:"): value for key, value in content.items()}


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Return every setting of a model, as `backend.port`."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= keys(inner, f"{key}.")
        else:
            found.add(key)
    return found


def written(values: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Return every setting that stands in a file, likewise."""
    found: set[str] = set()
    for key, value in values.items():
        found |= written(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
    return found


def test_it_is_right_also_with_what_stands_in_it_as_comments() -> None:
    values = whole()
    assert {"secondbrain", "core", "todo"} <= values.keys()
    values["hosts"]["pi"] = {}
    secrets = {name for key in values if key in SYSTEMS for name in SYSTEMS[key].settings.SECRETS}
    given = {**dict.fromkeys(secrets, "x" * 32), "secondbrain-backend-environment": "TOKEN=x"}
    parsed = parse({**values, **given}, secrets, ROOT)
    assert set(parsed.systems) == values.keys() & SYSTEMS.keys()


def test_every_setting_and_every_secret_of_the_core_stack_stands_in_it() -> None:
    # One of two that exclude each other stands in a comment of its own.
    assert keys(Core) - written(whole()["core"]) == {"backend.registry"}
    assert "`registry: " in TEXT
    assert [name for name in Core.SECRETS if name not in TEXT] == []


def test_plain_pulumi_installs_what_is_locked() -> None:
    command = [ROOT / ".venv" / "bin" / "uv", "pip", "install", "--offline", "--dry-run", "-r", "requirements.txt"]
    python = ["--python", str(ROOT / ".venv" / "bin" / "python")]
    done = subprocess.run([*command, *python], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Would make no changes" in done.stderr
