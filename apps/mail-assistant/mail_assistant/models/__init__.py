"""The tables."""

from mail_assistant.models.settings import Base, Setting

__all__ = ["Base", "Setting"]
