"""A post as a room sees it: who wrote what, and the pictures and videos in their order."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

Kind = Literal["image", "video"]


@dataclasses.dataclass(frozen=True)
class Rendition:
    """One file of an item: its address, and its size in pixels where the site says it."""

    url: str
    width: int | None = None
    height: int | None = None

    @property
    def area(self) -> int:
        return (self.width or 0) * (self.height or 0)


@dataclasses.dataclass(frozen=True)
class Item:
    """A picture or a video. `renditions` are the same in several sizes, the best first; `duration` is in seconds."""

    kind: Kind
    renditions: tuple[Rendition, ...]
    duration: float | None = None


@dataclasses.dataclass(frozen=True)
class Post:
    """`author` is the user name without @, `caption` the plain text; both may be empty."""

    shortcode: str
    author: str
    caption: str
    items: tuple[Item, ...]

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Post:
        """Return the post that `as_json` wrote. Raises KeyError or TypeError on anything else."""
        items = tuple(
            Item(
                kind="video" if item["kind"] == "video" else "image",
                renditions=tuple(Rendition(**rendition) for rendition in item["renditions"]),
                duration=item["duration"],
            )
            for item in data["items"]
        )
        return cls(shortcode=data["shortcode"], author=data["author"], caption=data["caption"], items=items)


def best_first(renditions: list[Rendition]) -> tuple[Rendition, ...]:
    """Return the largest picture first. Those of unknown size keep the order in which the site names them."""
    return tuple(sorted(renditions, key=lambda rendition: -rendition.area))
