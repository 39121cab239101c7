"""A mock of Pulumi's engine that records what a program registers, its options included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pulumi
from pulumi.runtime import mocks, resource
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key
from pulumi.runtime.sync_await import _sync_await

from toolchain.pulumi.language_host import end_loop

Answer = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
"""`(type, name, inputs)` -> the outputs that a resource has beside its inputs."""


@dataclass(frozen=True)
class Recorded:
    """One resource as it was registered."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    """Plain values: secrets without their wrapping, and their names in `secrets`."""
    secrets: frozenset[str]
    parent: str
    after: frozenset[str]
    """Names of the resources that it waits for, by depends_on or by a value."""
    protect: bool
    create_timeout: str
    retained: bool


class Recorder(mocks.Mocks):
    """What was registered, by name. `run` runs a program against it, from beginning to end."""

    def __init__(self, answer: Answer) -> None:
        self.resources: dict[str, Recorded] = {}
        self.outputs: dict[str, Any] = {}
        self._answer = answer

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.custom and args.typ.startswith("hearth:"):
            return f"{args.name}-id", {}
        return f"{args.name}-id", {**args.inputs, **self._answer(args.typ, args.name, args.inputs)}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"no function is called by this program: {args.token}")

    def of_type(self, token: str) -> list[Recorded]:
        return [each for each in self.resources.values() if each.type == token]

    def before(self, name: str) -> set[str]:
        """Return everything that must be there before a resource, near and far."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            for other in self.resources[waiting.pop()].after - found:
                found.add(other)
                waiting.append(other)
        return found

    def run(self, program: Callable[[], None], *, preview: bool = False) -> Recorder:
        """Run a program, in an event loop of its own; what it raises is raised here."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        mocks.set_mocks(self, project="hearth", stack="test", preview=preview, monitor=_Monitor(self))

        @pulumi.runtime.test
        def inside() -> None:
            program()

        try:
            # For each resource, the SDK tells the engine all frames above it, pytest's too: a fifth of the run's time.
            with mock.patch.object(resource, "_get_stack_trace", source_pb2.StackTrace):
                inside()
        finally:
            end_loop(loop)
        return self


class _Monitor(mocks.MockMonitor):
    """Keeps the options, which a mock is not told."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._recorder = recorder

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            given = _sync_await(_deserialized(request.object))
            self._recorder.resources[request.name] = Recorded(
                type=request.type,
                name=request.name,
                inputs={name: _plain(value) for name, value in given.items()},
                secrets=frozenset(name for name, value in given.items() if _is_secret(value)),
                parent=_name(request.parent),
                after=frozenset(_name(urn) for urn in request.dependencies),
                protect=request.protect,
                create_timeout=request.customTimeouts.create,
                retained=request.retainOnDelete,
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        outputs = _sync_await(_deserialized(request.outputs))
        self._recorder.outputs[_name(request.urn)] = {name: _plain(value) for name, value in outputs.items()}
        return super().RegisterResourceOutputs(request)


async def _deserialized(struct: Any) -> dict[str, Any]:
    return pulumi.runtime.rpc.deserialize_properties(struct, keep_unknowns=True) or {}


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get(_special_sig_key) == _special_secret_sig


def _plain(value: Any) -> Any:
    """Return a value without the wrapping of a secret; whole numbers, which the protocol does not know, as such."""
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
