"""Every kind of resource that the provider `hearth` offers. A new kind is one module, and two lines here."""

from __future__ import annotations

from typing import Any

from providers.host import (
    block,
    container_image,
    container_record,
    directory,
    fact,
    file,
    git_checkout,
    mount_point,
    package,
    script,
    unit,
    user,
    venv,
)
from providers.kind import Kind

KINDS: tuple[Kind[Any, Any], ...] = (
    file.KIND,
    directory.KIND,
    block.KIND,
    package.KIND,
    user.KIND,
    script.KIND,
    unit.KIND,
    git_checkout.KIND,
    venv.KIND,
    container_image.KIND,
    container_record.KIND,
    fact.KIND,
    mount_point.KIND,
)
