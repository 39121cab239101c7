"""The lab's locks: names on the whole machine, so that all labs of it wait for each other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lab.errors import LabError
from toolchain.locks import LockHeldError, exclusive

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def machine_lock(name: str, timeout: float = 900) -> Generator[None]:
    """Hold a lock named `name`; wait for `timeout` seconds at most, then raise LabError."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(exclusive(f"hearth-lab-{name}", lambda _: None, timeout))
        except LockHeldError as error:
            raise LabError(
                f"Another process has held the lab's lock {name!r} for {timeout:g} s; two at once would "
                "spoil each other's work. Nothing was made. Wait for it, or end it, and try again."
            ) from error
        yield
