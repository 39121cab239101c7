"""What others say in /etc/fstab of the mount points of a block: systemd heeds the first line of several.

Source: systemd-fstab-generator(8), which keeps the first unit and complains of a "duplicate entry" for the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from providers.kinds.block.text import Span
from providers.kinds.takes_effect import mount_point, mount_points


def rivals(lines: Sequence[str], content: str, span: Span | None) -> list[tuple[int, str]]:
    """Return (number from 0, mount point) of each line outside of the block that mounts where the block does."""
    ours = set(mount_points(content))
    found = ((number, mount_point(line)) for number, line in enumerate(lines))
    return [
        (number, point)
        for number, point in found
        if point in ours and (span is None or not span.first <= number <= span.last)
    ]


def in_the_way(others: Sequence[tuple[int, str]], span: Span) -> list[str]:
    """Return what keeps a block's lines from their effect: lines that come first."""
    return [
        f"line {number + 1} says something else of {point} and comes first, so the block's has no effect"
        for number, point in others
        if number < span.first
    ]


def without_effect(others: Sequence[tuple[int, str]], span: Span) -> list[str]:
    """Return what to tell of lines that have no effect because of the block."""
    return [f"line {number + 1} says something else of {point}" for number, point in others if number > span.last]
