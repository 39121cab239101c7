"""The resource Image of the provider docker-build, without its SDK: one resource needs no package for hundreds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi
from pulumi import Output, ResourceOptions

from components.blocks.build_context import BuildContext

# renovate: datasource=github-releases depName=pulumi/pulumi-docker-build
VERSION = "0.0.22"


class BuiltImage(pulumi.CustomResource):
    """An image, built by buildx for one or more processors, and pushed. Nothing is built in a preview."""

    ref: Output[str]
    """Its name with the digest that was pushed."""

    def __init__(
        self,
        resource_name: str,
        *,
        context: BuildContext,
        tags: Sequence[str],
        platforms: Sequence[str],
        opts: ResourceOptions | None = None,
    ) -> None:
        folder = context.seen_from(Path.cwd())
        properties = {
            # As seen from the project: an absolute path would make another clone build it all anew.
            "context": {"location": folder},
            "dockerfile": {"location": f"{folder}/{context.dockerfile}"},
            "tags": list(tags),
            "platforms": list(platforms),
            "push": True,
            # Its default is true, and a preview would take minutes.
            "buildOnPreview": False,
            "ref": None,
        }
        versioned = ResourceOptions.merge(ResourceOptions(version=VERSION), opts)
        super().__init__("docker-build:index:Image", resource_name, properties, versioned)
