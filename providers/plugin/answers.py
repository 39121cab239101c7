"""What the engine is answered, in its own messages, where that takes more than one of them."""

from __future__ import annotations

from typing import Any, NoReturn, cast

import grpc
from google.protobuf import any_pb2

from providers.plugin.difference import Difference
from providers.plugin.protocol import provider_pb2, status_pb2
from providers.plugin.state import HalfDone
from providers.plugin.values import encode


async def abort_half_done(context: Any, error: HalfDone, message: str) -> NoReturn:
    """Tell the engine to keep the resource, as failed: destroy then puts back what was there."""
    details = provider_pb2.ErrorResourceInitFailed(
        id=error.state.id,
        properties=encode(error.state.outputs),
        inputs=encode(error.state.inputs),
        reasons=[message],
    )
    packed = any_pb2.Any()
    packed.Pack(details)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort always raises")


def diff_response(found: Difference, ignored: set[str]) -> Any:
    """Return a difference as the engine wants it, without the properties that the program told it to ignore."""
    response, property_diff = provider_pb2.DiffResponse, provider_pb2.PropertyDiff
    changes = {name: change for name, change in found.changes.items() if name not in ignored}
    items = {name: change for name, change in found.items.items() if name.partition("[")[0] in changes}
    replaces = [name for name in found.replaces if name not in ignored]
    return response(
        changes=response.DIFF_SOME if changes or replaces else response.DIFF_NONE,
        diffs=list(changes),
        replaces=replaces,
        deleteBeforeReplace=found.delete_first,
        hasDetailedDiff=True,
        detailedDiff={
            name: property_diff(kind=cast(Any, change.value + (1 if name in replaces else 0)))
            for name, change in items.items()
        },
    )
