"""Pulumi's provider protocol over the verbs: the one module that speaks gRPC to the engine.

It implements the generated service itself and not the SDK's experimental `Provider`, which puts a traceback behind
every error, takes an unknown value for a text, and has no way to report a half-done creation (docs/adr/0001).
Source of the protocol: pulumi/proto/pulumi/provider.proto.
"""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pydantic import ValidationError

from config.hosts import KEYS, Machines
from providers.errors import ConnectionFailed, ConnectionLost, HearthError
from providers.kind import Kind
from providers.machine.inventory import Inventory
from providers.plugin.answers import abort_half_done, diff_response
from providers.plugin.protocol import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)
from providers.plugin.reporter import Reporter, redacted
from providers.plugin.schema import VERSION, schema
from providers.plugin.state import HalfDone, State
from providers.plugin.values import Properties, decode, encode
from providers.plugin.verbs import Verbs

Result = TypeVar("Result")
log = logging.getLogger("hearth")


class Adapter(provider_pb2_grpc.ResourceProviderServicer):
    """The provider as the engine sees it."""

    def __init__(
        self,
        kinds: Mapping[str, Kind[Any, Any]],
        engine_address: str,
        project: Path,
        formerly: Mapping[str, str] | None = None,
    ) -> None:
        self._kinds = kinds
        self._formerly = formerly or {}
        self._verbs: dict[str, Verbs[Any, Any]] = {}
        self._project = project
        self._estate = Inventory(Machines(hosts={}), project)
        self._engine = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(engine_address)) if engine_address else None
        self._sayings: set[asyncio.Task[Any]] = set()
        self._out_of_reach: set[str] = set()

    # --- about the provider itself ---

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    async def Handshake(self, request: Any, context: Any) -> Any:
        """Return what the engine says here is where the plugin is.

        The project's folder is the one it was started in.
        """
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    async def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    async def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema(self._kinds.values())))

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        """Take the provider's own keys of the namespace `hearth`, which is the whole program's, and no others."""
        news = decode(request.news)
        own = Properties({key: news.values[key] for key in KEYS if key in news.values})
        failures: list[Any] = []
        try:
            Machines.from_namespace(own.values)
        except ValidationError as error:
            for mistake in error.errors(include_url=False):
                place = ".".join(str(part) for part in mistake["loc"])
                failures.append(provider_pb2.CheckFailure(property=f"hearth:{place}", reason=mistake["msg"]))
        return provider_pb2.CheckResponse(inputs=encode(own), failures=failures)

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        changes = decode(request.olds).values != decode(request.news).values
        response = provider_pb2.DiffResponse
        return response(changes=response.DIFF_SOME if changes else response.DIFF_NONE)

    async def Configure(self, request: Any, context: Any) -> Any:
        try:
            self._estate = Inventory(Machines.from_namespace(decode(request.args).values), self._project)
        except ValidationError as error:
            lines = [f"hearth:{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "\n".join(lines))
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=False)

    async def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    async def close(self) -> None:
        await self._estate.close()

    # --- the verbs ---

    async def Check(self, request: Any, context: Any) -> Any:
        news = decode(request.news)
        token = _token(request.urn)
        if token not in self._kinds and token not in self._formerly:
            known = ", ".join(sorted(self._kinds))
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"the provider hearth has no resource {token!r}, so nothing was touched; it has: {known}",
            )
        inputs, failures = self._of(request.urn).desired.check(news)
        clean = redacted([news])
        return provider_pb2.CheckResponse(
            inputs=encode(inputs),
            failures=[provider_pb2.CheckFailure(property=place, reason=clean(reason)) for place, reason in failures],
        )

    async def Diff(self, request: Any, context: Any) -> Any:
        old, new = decode(request.olds), decode(request.news)
        ignored = set(request.ignoreChanges)
        found = await self._answer(
            context,
            request.urn,
            [old, new],
            lambda tell: self._of(request.urn).difference(self._estate, old, new, tell),
        )
        return diff_response(found, ignored)

    async def Create(self, request: Any, context: Any) -> Any:
        news = decode(request.properties)
        verbs = self._of(request.urn)
        if request.preview:
            planned = await self._answer(
                context, request.urn, [news], lambda tell: verbs.planned(self._estate, news, tell)
            )
            return provider_pb2.CreateResponse(id="", properties=encode(planned))
        state = await self._answer(
            context,
            request.urn,
            [news],
            lambda tell: verbs.create(self._estate, request.urn, news, request.timeout, tell),
        )
        return provider_pb2.CreateResponse(id=state.id, properties=encode(state.outputs))

    async def Update(self, request: Any, context: Any) -> Any:
        old, news = decode(request.olds), decode(request.news)
        verbs = self._of(request.urn)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(verbs.desired.planned(news, old)))
        state = await self._answer(
            context,
            request.urn,
            [old, news],
            lambda tell: verbs.update(self._estate, request.urn, State(request.id, old), news, request.timeout, tell),
        )
        return provider_pb2.UpdateResponse(properties=encode(state.outputs))

    async def Read(self, request: Any, context: Any) -> Any:
        state = State(request.id, decode(request.properties), decode(request.inputs))
        verbs = self._of(request.urn)
        found = await self._answer(
            context,
            request.urn,
            [state.outputs, state.inputs],
            lambda tell: verbs.read(self._estate, request.urn, state, tell),
        )
        return provider_pb2.ReadResponse(id=found.id, properties=encode(found.outputs), inputs=encode(found.inputs))

    async def Delete(self, request: Any, context: Any) -> Any:
        state = State(request.id, decode(request.properties), decode(request.old_inputs))
        verbs = self._of(request.urn)
        await self._answer(
            context,
            request.urn,
            [state.outputs, state.inputs],
            lambda tell: verbs.delete(self._estate, request.urn, state, request.timeout, tell),
        )
        return empty_pb2.Empty()

    # --- plumbing ---

    def _of(self, urn: str) -> Verbs[Any, Any]:
        # A state from before a kind got another name has that.
        token = _token(urn)
        token = self._formerly.get(token, token)
        if token not in self._verbs:
            self._verbs[token] = Verbs(self._kinds[token])
        return self._verbs[token]

    async def _answer(
        self, context: Any, urn: str, secrets: list[Properties], work: Callable[[Reporter], Awaitable[Result]]
    ) -> Result:
        """Carry out a verb; turn what goes wrong into the engine's errors, with every secret taken out."""
        clean = redacted(secrets)
        tell = Reporter(
            progress=lambda message: self._say(urn, clean(message), engine_pb2.INFO, ephemeral=True),
            warn=lambda message: self._say(urn, clean(message), engine_pb2.WARNING),
        )
        try:
            return await work(tell)
        except HalfDone as error:
            await abort_half_done(context, error, clean(self._once(error)))
        except HearthError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, clean(self._once(error)))
        except ValidationError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, clean(str(error)))
        except Exception as error:  # noqa: BLE001 - a bug in Hearth: the person gets a line, the log the rest
            log.debug("%s\n%s", urn, clean(traceback.format_exc()))
            name = type(error).__name__
            await context.abort(
                grpc.StatusCode.INTERNAL,
                clean(f"a bug in Hearth: {name}: {error}; please report it, with what HEARTH_LOG=DEBUG shows"),
            )
        raise AssertionError("abort always raises")

    def _once(self, error: HearthError) -> str:
        """Return the message of an error.

        That a machine is out of reach is told in full for one of its resources: for the others there is nothing more to
        know.
        """
        cause = error.__cause__ if isinstance(error, HalfDone) else error
        machine = cause.machine if isinstance(cause, ConnectionFailed | ConnectionLost) else ""
        if machine and machine in self._out_of_reach:
            return f"{machine} is out of reach: why is said at another resource"
        if machine:
            self._out_of_reach.add(machine)
        return str(error)

    def _say(self, urn: str, message: str, severity: Any, *, ephemeral: bool = False) -> None:
        if self._engine is None:
            return
        request = engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral)
        task = asyncio.ensure_future(self._log(request))
        self._sayings.add(task)
        task.add_done_callback(self._sayings.discard)

    async def _log(self, request: Any) -> None:
        assert self._engine is not None
        try:
            await cast(Any, self._engine).Log(request)  # the SDK's stub is typed for the synchronous channel
        except grpc.aio.AioRpcError:
            log.debug("the engine took no message: %s", request.message)


def _token(urn: str) -> str:
    """Return the type in `urn:pulumi:STACK::PROJECT::PARENT-TYPE$TYPE::NAME`."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


async def serve(adapter: Adapter, announce: Callable[[int], None], until: Awaitable[Any]) -> None:
    """Serve on a free port of the loopback address, say which, and go on until `until` is done."""
    limit = 400 * 1024 * 1024  # as the engine's own
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", limit)]
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(adapter, server)  # pyright: ignore[reportUnknownMemberType]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(port)
    await until
    await adapter.close()
    await server.stop(grace=1)
