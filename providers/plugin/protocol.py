"""Pulumi's messages and gRPC stubs without the SDK around them, whose import takes longer than all else at a start.

The generated modules import nothing but protobuf, gRPC and each other, by relative imports: so they are read as a
package of another name, whose parent is not `pulumi`. The language host (toolchain/pulumi/language_host.py) does the
same.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        status_pb2,
    )
else:
    sdk = importlib.util.find_spec("pulumi")
    if sdk is None:
        raise ModuleNotFoundError("No module named 'pulumi': run `make setup`", name="pulumi")
    package = sys.modules.setdefault("pulumi_protocol", ModuleType("pulumi_protocol"))
    package.__path__ = [str(Path(folder) / "runtime" / "proto") for folder in sdk.submodule_search_locations]
    from pulumi_protocol import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        status_pb2,
    )

__all__ = ["engine_pb2", "engine_pb2_grpc", "plugin_pb2", "provider_pb2", "provider_pb2_grpc", "status_pb2"]
