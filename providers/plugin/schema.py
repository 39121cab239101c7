"""The provider's schema in Pulumi's form, made from the models of its kinds.

Source of the form: pulumi/pkg/codegen/schema/pulumi.json (the schema of schemas).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from providers.kind import Kind, SameAs

VERSION = "0.1.0"
ANY = {"$ref": "pulumi.json#/Any"}
"""A value of any type, as Pulumi's schema has it."""
MACHINE_PROPERTIES = {"id": "string", "address": "string", "port": "integer", "user": "string"}


def property_type(json_schema: dict[str, Any]) -> dict[str, Any]:
    """Return Pulumi's type of a property, from its JSON schema: `null` only says that it may be left out."""
    every: list[dict[str, Any]] = json_schema.get("anyOf", [json_schema])
    options = [option for option in every if option.get("type") != "null"]
    found: dict[str, Any] = options[0] if len(options) == 1 else {"type": "string"}
    match found.get("type"):
        case "array":
            return {"type": "array", "items": property_type(found.get("items", {}))}
        case "object" if found.get("additionalProperties") is True:
            return {"type": "object", "additionalProperties": ANY}
        case "object":
            inner = found.get("additionalProperties")
            return {"type": "object", "additionalProperties": property_type(inner if isinstance(inner, dict) else {})}  # pyright: ignore[reportUnknownArgumentType]
        case "boolean" | "integer" | "number" as simple:
            return {"type": simple}
        case _:
            return {"type": "string"}


def properties(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return each field's Pulumi type and description, by snake_case name."""
    fields: dict[str, Any] = model.model_json_schema(by_alias=False)["properties"]
    result: dict[str, dict[str, Any]] = {}
    for name, info in model.model_fields.items():
        typed = property_type(fields[name])
        typed["description"] = info.description or ""
        if not info.is_required() and info.default is not None and isinstance(info.default, str | bool | int | float):
            typed["default"] = info.default
        result[name] = typed
    return result


def about(kind: Kind[Any, Any]) -> str:
    """Return what a kind is: the docstring of the module that carries it out."""
    module = __import__(kind.apply.__module__, fromlist=["__doc__"])
    return (module.__doc__ or "").strip()


def input_properties(kind: Kind[Any, Any]) -> dict[str, dict[str, Any]]:
    """Return the inputs of a kind; a default of the kind is told in words: only a new thing gets it."""
    found = properties(kind.inputs)
    for name, value in kind.defaults.items():
        if isinstance(value, SameAs):
            shown = f"what `{to_camel(value.field)}` says"
        else:
            shown = f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"
        found[name]["description"] += f" Left out, a new one gets {shown}, and one that is there keeps its own."
    return found


def output_properties(kind: Kind[Any, Any]) -> dict[str, dict[str, Any]]:
    """Return what a resource of this kind has beside its inputs: the kind's own outputs. `machine` comes on top."""
    facts = properties(kind.facts)
    found = {name: {key: value for key, value in facts[name].items() if key != "default"} for name in kind.outputs}
    for name in found.keys() & set(kind.secret_outputs):
        found[name]["secret"] = True
    return found


def schema(kinds: Iterable[Kind[Any, Any]]) -> dict[str, Any]:
    """Return the whole schema of the provider `hearth`."""
    resources: dict[str, Any] = {}
    for kind in kinds:
        inputs = {to_camel(name): value for name, value in input_properties(kind).items()}
        outputs = {to_camel(name): value for name, value in output_properties(kind).items()}
        machine = {"$ref": "#/types/hearth:index:Machine", "description": "The machine that it is on."}
        required = [to_camel(name) for name, info in kind.inputs.model_fields.items() if info.is_required()]
        resources[kind.token] = {
            "description": about(kind),
            **({"aliases": [{"type": kind.formerly}]} if kind.formerly else {}),
            "properties": {**inputs, **outputs, "machine": machine},
            "required": [*required, *outputs, "machine"],
            "inputProperties": inputs,
            "requiredInputs": required,
        }
    machine_type = {name: {"type": typed} for name, typed in MACHINE_PROPERTIES.items()}
    return {
        "name": "hearth",
        "version": VERSION,
        "description": "What is on machines: typed resources over SSH, with drift detection and exact removal.",
        "config": {
            "variables": {
                "hosts": {"type": "string", "description": "The machines by name, as JSON: address, port, user."},
                "lost": {"type": "string", "description": "Addresses of machines that are gone for good, as JSON."},
                "ssh-config": {"type": "string", "description": "An OpenSSH client configuration to use."},
            }
        },
        "types": {
            "hearth:index:Machine": {"type": "object", "properties": machine_type, "required": ["id", "address"]}
        },
        "resources": resources,
    }
