"""How an operation speaks to the person who waits, and what it must not say."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from providers.machine.session import shown
from providers.machine.ssh_session import Tell
from providers.plugin.values import Properties


@dataclass(frozen=True)
class Reporter:
    """How an operation speaks to the person who waits."""

    progress: Tell
    warn: Tell


def redacted(secrets: Sequence[Properties]) -> Callable[[str], str]:
    """Return a function that takes every text out of a message that is secret in one of `secrets`."""
    plain = {text for each in secrets for text in each.texts() if len(text.strip()) >= 4}
    # A tool that stumbles over a secret text quotes a word of it, and not the line.
    plain |= {word for text in plain for word in re.split(r"[\s=:,;'\"]+", text) if len(word) >= 8}
    # Also as a message may quote it: in Python's form, in JSON's, and for a shell.
    quoted = {form for text in plain for form in (repr(text)[1:-1], json.dumps(text)[1:-1], shlex.quote(text))}
    texts = sorted(plain | quoted, key=len, reverse=True)

    def clean(message: str) -> str:
        message = shown(message)
        for text in texts:
            message = message.replace(text, "[secret]")
        return message

    return clean
