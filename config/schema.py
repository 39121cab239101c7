"""The JSON Schema of Pulumi.<stack>.yaml, for completion in editors; and tables of settings for the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from config.hosts import Machines
from config.loader import SECRETS, SECRETS_FILE
from config.model import NAMESPACE
from config.systems import SYSTEMS

SCHEMA_FILE = Path(__file__).with_name("settings.schema.json")


def _of_model(key: str, model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one model; the models it refers to go into `definitions`.

    They stand there by `key` and their own name: the models of two systems may have one name, as `Backup` is.
    """
    schema = model.model_json_schema(ref_template=f"#/$defs/{key}.{{model}}")
    found = cast(dict[str, Any], schema.pop("$defs", {}))
    definitions.update({f"{key}.{name}": definition for name, definition in found.items()})
    return schema


def schema() -> dict[str, Any]:
    """Return the schema of a whole file of settings."""
    definitions: dict[str, Any] = {}
    machines = _of_model("machines", Machines, definitions)
    properties: dict[str, Any] = {
        f"{NAMESPACE}:{key}": value for key, value in cast(dict[str, Any], machines["properties"]).items()
    }
    properties[f"{NAMESPACE}:{SECRETS_FILE}"] = {
        "type": "string",
        "description": "A JSON file of secrets by key, mode 0600, outside git. Without it: Pulumi's settings.",
    }
    for key, system in SYSTEMS.items():
        definition = _of_model(key, system.settings, definitions)
        properties[f"{NAMESPACE}:{key}"] = definition
    for key, description in SECRETS.items():
        properties[f"{NAMESPACE}:{key}"] = {
            "type": "object",
            "description": f"{description} Secret: set with `pulumi config set --secret {NAMESPACE}:{key}`.",
            "properties": {"secure": {"type": "string"}},
            "required": ["secure"],
            "additionalProperties": False,
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of a Hearth stack",
        "type": "object",
        "properties": {
            "secretsprovider": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "encryptionsalt": {"type": "string"},
            "environment": {
                "description": "Environments of Pulumi ESC whose settings this stack takes over.",
                "anyOf": [{"type": "array"}, {"type": "object"}],
            },
            "config": {
                "type": "object",
                "properties": properties,
                "patternProperties": {f"^(?!{NAMESPACE}:)": {}},
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """Return the schema as it stands in its file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _default(value: Any) -> str:
    """Return a default as it is written in YAML, in one table cell."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(str(entry) for entry in cast(tuple[Any, ...], value))}]`"
    return f"`{json.dumps(value) if isinstance(value, bool) else value}`"


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows: list[str] = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = next(
            (part for part in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is_model(part)), None
        )
        if inner is not None:
            rows.append(f"| `{key}` | | {field.description} |")
            rows += _rows(cast(type[BaseModel], inner), f"{key}.")
            continue
        if field.is_required():
            default = "required"
        elif field.default_factory is not None:
            default = "`{}`"
        else:
            default = _default(field.default)
        rows.append(f"| `{key}` | {default} | {field.description} |")
    return rows


def _is_model(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)


def table(system: str) -> str:
    """Return the settings of one system as a Markdown table: key, default, meaning."""
    head = ["| Key | Default | Meaning |", "| --- | --- | --- |"]
    return "\n".join([*head, *_rows(SYSTEMS[system].settings, "")]) + "\n"
