"""Rules for secrets: each raises ValueError (`rule; remedy`) and never shows the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from config.addresses import is_loopback
from config.certificates import certificates_in, private_key_in
from config.texts import NO_TEXT


def one_line(value: str) -> None:
    """Hold a secret that ends up in a line of a file to its rule. Raises ValueError, without the value."""
    if not value.strip():
        raise ValueError("must not be empty, nor blanks alone; set it again")
    if re.search(r"[\n\r\x00]", value):
        raise ValueError("must be one line; set it again, without a line break")


def at_least(characters: int) -> Callable[[str], None]:
    """Return the rule for a secret that nobody may guess: one line of so many characters; it never shows the value."""

    def check(value: str) -> None:
        one_line(value)
        if len(value) < characters:
            raise ValueError(
                f"must have {characters} characters or more, or it could be guessed; give another one: "
                "openssl rand -hex 32"
            )

    return check


def environment_lines(value: str) -> None:
    """Hold a file of variables to its rule, as podman-run(1) reads `--env-file`: NAME=value, or a comment.

    A name alone would take the value from whoever starts podman, and of two lines of one name nobody sees which counts.
    What is no character makes systemd refuse the whole file.
    Raises ValueError, without the value.
    """
    names: dict[str, int] = {}
    for number, line in enumerate(value.split("\n"), 1):
        if (
            line.strip()
            and not line.lstrip().startswith("#")
            and not re.fullmatch(rf"[A-Za-z_]\w*=[^\r\x00{NO_TEXT}]*", line, re.ASCII)
        ):
            raise ValueError(f"must be lines of NAME=value, and line {number} is none; set it again, so")
        name = line.partition("=")[0].strip()
        if name and not name.startswith("#") and names.setdefault(name, number) != number:
            raise ValueError(
                f"must give each NAME once, and lines {names[name]} and {number} have the same; set it again"
            )


def postgres_address(value: str) -> None:
    """Hold a database's address, as its user's machine sees it, to its rule. Raises ValueError, without the value.

    A `#`, `/` or `?` of the password would end the host before it began: what asks for the database would ask another
    one, in words that show half of the password.
    """
    _postgres_host(value, r"postgres(ql)?")


def remote_postgres_address(value: str) -> None:
    """Hold the address of a database that a container uses to its rule. Raises ValueError, without the value."""
    if is_loopback(_postgres_host(value, r"postgres(ql)?(\+[a-z0-9]+)?")):
        raise ValueError(
            "must not lead to a loopback address, which in a container is the container itself; set it with the "
            "address by which other machines reach the database"
        )


def _postgres_host(value: str, scheme: str) -> str:
    """Return the host in an address of PostgreSQL; an empty text for its Unix socket. Raises ValueError."""
    one_line(value)
    if not re.match(rf"{scheme}://[^\s]+$", value):
        raise ValueError(
            "must be an address of PostgreSQL on one line, without blanks; set it as "
            "postgresql://user:password@host:5432/database"
        )
    percent = "write each special character of its user and password as %XX (# is %23, / is %2F, ? is %3F, % is %25)"
    if "#" in value or re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise ValueError(f"must be an address of PostgreSQL, and has a # or % that stands for itself; {percent}")
    try:
        place = urlsplit(value)
        host, _ = place.hostname or "", place.port
    except ValueError:
        raise ValueError(
            f"must be an address of PostgreSQL, and its host can't be read; set it again: {percent}"
        ) from None
    return host


def certificates(value: str) -> None:
    try:
        certificates_in(value)
    except ValueError:
        raise ValueError("must be one or more certificates in PEM; set it again from the file") from None


def private_key(value: str) -> None:
    try:
        private_key_in(value)
    except ValueError:
        raise ValueError("must be a key in PEM without a passphrase; set it again from the file") from None


LONGEST_FOR_BCRYPT = 72
"""Bytes that bcrypt looks at; it refuses more."""


def bcrypt_password(value: str) -> None:
    """Rule for a password that is kept as its bcrypt hash. It raises ValueError, without the value."""
    one_line(value)
    size = len(value.encode())
    if len(value) < 12 or size > LONGEST_FOR_BCRYPT:
        raise ValueError(
            f"must be 12 characters to {LONGEST_FOR_BCRYPT} bytes (it is {size} bytes), as bcrypt takes no more; "
            "give another one: openssl rand -base64 24"
        )
