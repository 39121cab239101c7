"""Property values as Pulumi's protocol carries them, and as the verbs see them.

On the wire a secret is a struct with a signature, and an unknown (an output of a resource that a preview has not made)
is a string of a fixed UUID. The verbs see plain JSON-like values, and beside them the names of the top-level
properties that hold a secret or something unknown, at whatever depth.
Source: pulumi/sdk/python/lib/pulumi/runtime/rpc.py, and developer-docs/providers/property-values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import struct_pb2

from providers.machine.session import shown

# Those of the SDK, pulumi/runtime/rpc.py, which is not imported for them: see providers/plugin/protocol.py.
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@dataclass(frozen=True)
class Properties:
    """Values by name (camelCase), and which of them are secret or not yet known."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    secret: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    def texts(self) -> Iterator[str]:
        """Yield every secret text in here, for taking it out of messages: whole, and line by line."""
        for name in self.secret:
            for text in _texts(self.values.get(name)):
                yield text
                yield from text.splitlines()


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                yield from _texts(item)
        case dict():
            for item in value.values():  # pyright: ignore[reportUnknownVariableType]
                yield from _texts(item)
        case _:
            return


@dataclass
class _Marks:
    secret: bool = False
    unknown: bool = False


def _decode(value: struct_pb2.Value, marks: _Marks) -> Any:
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            if value.string_value == UNKNOWN:
                marks.unknown = True
                return None
            return value.string_value
        case "list_value":
            return [_decode(item, marks) for item in value.list_value.values]
        case "struct_value":
            fields = value.struct_value.fields
            signature = fields[SIGNATURE].string_value if SIGNATURE in fields else None
            if signature == SECRET:
                marks.secret = True
                return _decode(fields["value"], marks)
            if signature == OUTPUT:
                marks.secret = marks.secret or ("secret" in fields and fields["secret"].bool_value)
                if "value" not in fields:
                    marks.unknown = True
                    return None
                return _decode(fields["value"], marks)
            return {name: _decode(item, marks) for name, item in fields.items()}
        case _:
            return None


def decode(struct: struct_pb2.Struct) -> Properties:
    """Return the properties from the wire."""
    values: dict[str, Any] = {}
    secret: set[str] = set()
    unknown: set[str] = set()
    for name, item in struct.fields.items():
        marks = _Marks()
        values[name] = _decode(item, marks)
        if marks.secret:
            secret.add(name)
        if marks.unknown:
            unknown.add(name)
    return Properties(values, frozenset(secret), frozenset(unknown))


def _encode(value: Any) -> struct_pb2.Value:
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=value)
        case str():
            # A machine's names and texts may be no UTF-8, and the protocol takes nothing else.
            return struct_pb2.Value(string_value=value if value.isascii() else shown(value))
        case list() | tuple():
            items = [_encode(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
        case dict():
            fields = {str(name): _encode(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
        case _:
            raise TypeError(f"a {type(value).__name__} has no form in Pulumi's protocol")


def encode(properties: Properties) -> struct_pb2.Struct:
    """Return the properties for the wire; a null is left out, as Pulumi does itself."""
    fields: dict[str, struct_pb2.Value] = {}
    for name in properties.unknown:
        fields[name] = struct_pb2.Value(string_value=UNKNOWN)
    for name, item in properties.values.items():
        if name in fields or item is None:
            continue
        fields[name] = _encode(item)
    for name in properties.secret & fields.keys():
        wrapped = {SIGNATURE: struct_pb2.Value(string_value=SECRET), "value": fields[name]}
        fields[name] = struct_pb2.Value(struct_value=struct_pb2.Struct(fields=wrapped))
    return struct_pb2.Struct(fields=fields)
