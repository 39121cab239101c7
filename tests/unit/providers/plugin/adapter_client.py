"""An engine in this process, and a client of the provider over gRPC, for the tests of the adapter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest_asyncio
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from providers.plugin.adapter import Adapter, serve
from providers.plugin.values import Properties, decode, encode
from tests.unit.providers.plugin.memory_machine import NOTE

URN = "urn:pulumi:dev::inventory::hearth:test:System$hearth:test:Note::shopping"
CANARY = "canary-81c2f7"
DIFF = provider_pb2.PropertyDiff


class FakeEngine(engine_pb2_grpc.EngineServicer):
    """What the engine was told to show."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    async def Log(self, request: Any, context: Any) -> Any:
        self.shown.append(request.message)
        return empty_pb2.Empty()


@dataclass
class Client:
    stub: Any
    engine: FakeEngine

    async def check(self, news: Properties, urn: str = URN) -> Any:
        return await self.stub.Check(provider_pb2.CheckRequest(urn=urn, news=encode(news)))

    async def create(self, news: Properties, *, preview: bool = False) -> Any:
        checked = decode((await self.check(news)).inputs)
        request = provider_pb2.CreateRequest(urn=URN, properties=encode(checked), preview=preview)
        return await self.stub.Create(request)

    async def diff(self, old: Any, news: Properties, ignore: tuple[str, ...] = ()) -> Any:
        checked = (await self.check(news)).inputs
        request = provider_pb2.DiffRequest(urn=URN, id="box/shopping", olds=old, news=checked, ignoreChanges=ignore)
        return await self.stub.Diff(request)


def wish(secret: frozenset[str] = frozenset(), unknown: frozenset[str] = frozenset(), **values: Any) -> Properties:
    return Properties({"host": "box", "name": "shopping", "text": "milk", **values}, secret, unknown)


Start = Callable[..., Any]


@pytest_asyncio.fixture
async def start() -> AsyncIterator[Start]:
    over = asyncio.Event()
    running: list[asyncio.Task[None]] = []
    channels: list[Any] = []
    engine, engine_server = FakeEngine(), grpc.aio.server()
    engine_pb2_grpc.add_EngineServicer_to_server(engine, engine_server)
    engine_port = engine_server.add_insecure_port("127.0.0.1:0")
    await engine_server.start()

    async def make(*kinds: Any, hosts: str = '{"box": {}}') -> Client:
        ports: asyncio.Queue[int] = asyncio.Queue()
        adapter = Adapter({kind.token: kind for kind in kinds or (NOTE,)}, f"127.0.0.1:{engine_port}", Path("/"))
        running.append(asyncio.create_task(serve(adapter, ports.put_nowait, over.wait())))
        channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{await ports.get()}"))
        stub: Any = provider_pb2_grpc.ResourceProviderStub(channels[-1])
        await stub.Configure(provider_pb2.ConfigureRequest(args=encode(Properties({"hosts": hosts}))))
        return Client(stub, engine)

    yield make
    over.set()
    await asyncio.gather(*running)
    for channel in channels:
        await channel.close()
    await engine_server.stop(None)
