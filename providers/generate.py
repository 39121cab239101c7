"""Writes what is made from the kinds' models: the schema, and the typed resource classes that components use.

`python -m providers.generate` writes both; a test says when they are stale.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.alias_generators import to_camel

from providers.kind import Kind
from providers.kinds.table import all_kinds
from providers.plugin.schema import about, input_properties, output_properties, schema

ROOT = Path(__file__).parent
SCHEMA = ROOT / "schema.json"
RESOURCES = ROOT / "resources"
"""One module of classes for each module of the tokens: `hearth:host:File` is in host.py."""

_HEADER = '''\
"""Typed resources of the provider `hearth`. Made by `python -m providers.generate`: not to edit."""

# ruff: noqa: E501
# Annotations are types and no texts: the SDK evaluates them anew for each resource that a program declares.
from collections.abc import {collections}
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions
'''

_PYTHON = {"string": "str", "boolean": "bool", "integer": "int", "number": "float"}


def _python_type(typed: dict[str, Any], *, is_input: bool) -> str:
    match typed.get("type"):
        case None:
            return "Any"
        case "array":
            inner = _python_type(typed["items"], is_input=is_input)
            return f"Sequence[Input[{inner}]]" if is_input else f"Sequence[{inner}]"
        case "object":
            inner = _python_type(typed["additionalProperties"], is_input=is_input)
            return f"Mapping[str, Input[{inner}]]" if is_input else f"Mapping[str, {inner}]"
        case simple:
            return _PYTHON[simple]


def _annotation(typed: dict[str, Any], required: bool, *, is_input: bool) -> str:
    plain = _python_type(typed, is_input=is_input)
    if is_input:
        return f"Input[{plain}]" if required else f"Input[{plain}] | None = None"
    return f"Output[{plain}]" if required else f"Output[{plain} | None]"


def resource_class(kind: Kind[Any, Any]) -> str:
    """Return the source text of one kind's resource class."""
    fields, made = input_properties(kind), output_properties(kind)
    models = kind.inputs.model_fields
    # Required ones first, `host` at their head; keyword-only, so the order is for reading.
    names = sorted(fields, key=lambda name: (name != "host", not models[name].is_required()))
    lines = [f"class {kind.name}(pulumi.CustomResource):"]
    lines.append(textwrap.indent(f'"""{about(kind)}\n"""', "    "))
    lines.append("")
    for name in names:
        always = models[name].is_required() or "default" in fields[name]
        lines.append(f"    {name}: {_annotation(fields[name], always, is_input=False)}")
        lines.append(f'    """{fields[name]["description"]}"""')
    for name in made:
        lines.append(f"    {name}: {_annotation(made[name], True, is_input=False)}")
        lines.append(f'    """{made[name]["description"]}"""')
    lines.append("    machine: Output[Mapping[str, Any]]")
    lines.append('    """The machine that it is on: its own id, address, port and user."""')
    lines += ["", "    def __init__(", "        self,", "        resource_name: str,", "        *,"]
    given = [name for name in names if name not in kind.computed]
    for name in given:
        lines.append(f"        {name}: {_annotation(fields[name], models[name].is_required(), is_input=True)},")
    lines += ["        opts: ResourceOptions | None = None,", "    ) -> None:"]
    lines.append("        properties: dict[str, Any] = {")
    lines += [f'            "{name}": {name},' for name in given]
    lines += [f'            "{name}": None,' for name in (*kind.computed, *made, "machine")]
    lines.append("        }")
    if kind.formerly:
        lines.append(f'        aliases = ResourceOptions(aliases=[pulumi.Alias(type_="{kind.formerly}")])')
        lines.append("        opts = ResourceOptions.merge(aliases, opts)")
    lines.append(f'        super().__init__("{kind.token}", resource_name, properties, opts)')
    pairs = [(name, to_camel(name)) for name in (*names, *made) if to_camel(name) != name]
    if pairs:
        back = ", ".join(f'"{camel}": "{name}"' for name, camel in pairs)
        forth = ", ".join(f'"{name}": "{camel}"' for name, camel in pairs)
        lines += ["", "    def translate_output_property(self, prop: str) -> str:"]
        lines.append(f"        return {{{back}}}.get(prop, prop)")
        lines += ["", "    def translate_input_property(self, prop: str) -> str:"]
        lines.append(f"        return {{{forth}}}.get(prop, prop)")
    return "\n".join(lines) + "\n"


def generated() -> dict[Path, str]:
    """Return every generated file and its text."""
    classes: dict[str, list[str]] = {}
    for kind in all_kinds():
        classes.setdefault(kind.module, []).append(resource_class(kind))
    modules = {RESOURCES / f"{name}.py": _module(texts) for name, texts in classes.items()}
    return {SCHEMA: json.dumps(schema(all_kinds()), indent=2) + "\n", **modules}


def _module(classes: Sequence[str]) -> str:
    """Return the source text of one module of classes."""
    used = "Mapping, Sequence" if any("Sequence[" in text for text in classes) else "Mapping"
    return "\n\n".join([_HEADER.format(collections=used), *classes])


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT.parent)}")
