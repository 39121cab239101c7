"""Typed resources of the provider `hearth`. Made by `python -m providers.generate`: not to edit."""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output, ResourceOptions


class File(pulumi.CustomResource):
    """A file on a machine: its text, mode, owner and group.

    Manages one regular file, whole. Does not make the folder it lies in (see `Directory`), and does not share the file
    with others (see `Block`). A link or a file that was there before is put back on destroy, byte for byte.
    """
    host: Output[str]
    """Name of the machine: a key of `hearth:hosts`."""
    path: Output[str]
    """Where the file is. A change replaces the resource."""
    content: Output[str]
    """The whole text, in UTF-8. Give a secret and it stays one everywhere."""
    mode: Output[str]
    """Permission bits, as four octal digits."""
    owner: Output[str]
    """Name of the user who owns it."""
    group: Output[str]
    """Name of the group that owns it."""
    machine: Output[Mapping[str, Any]]
    """The machine that it is on: its own id, address, port and user."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        path: Input[str],
        content: Input[str],
        mode: Input[str] | None = None,
        owner: Input[str] | None = None,
        group: Input[str] | None = None,
        opts: ResourceOptions | None = None,
    ) -> None:
        properties: dict[str, Any] = {
            "host": host,
            "path": path,
            "content": content,
            "mode": mode,
            "owner": owner,
            "group": group,
            "machine": None,
        }
        super().__init__("hearth:host:File", resource_name, properties, opts)
