"""Every kind of resource that the provider `hearth` offers. A new kind is one module, and one line here."""

from __future__ import annotations

from typing import Any

from providers.host import file
from providers.kind import Kind

KINDS: tuple[Kind[Any, Any], ...] = (file.KIND,)
