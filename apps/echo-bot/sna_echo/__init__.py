"""The maubot plugin `sna.echo`: says what it is told to, and how long a message took to reach it."""

from .bot import SnaEcho

__all__ = ["SnaEcho"]
