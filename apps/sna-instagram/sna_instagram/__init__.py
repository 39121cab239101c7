"""The maubot plugin `sna.instagram`: answers a link to Instagram with what is behind it."""

from .bot import SnaInstagram

__all__ = ["SnaInstagram"]
