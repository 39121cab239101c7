"""Where the database is, and how it is talked to: DATABASE_URL as PostgreSQL's own programs read it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+asyncpg"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
IGNORED_PARAMETERS = {
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
}
"""Of libpq's parameters, those that hosted databases put into their addresses and this driver settles by itself."""
READ_PARAMETERS = {"pgbouncer", "sslmode", "sslrootcert"}
SYSTEM = "system"
"""As sslrootcert: the authorities that the system trusts (libpq since 16)."""
POOLER_PORTS = (6432, 6543)
"""PgBouncer's own, and Supabase's for its mode `transaction`."""
FORM = "must be written as postgresql://user:password@host:5432/name"


@dataclass(frozen=True)
class DatabaseAddress:
    """What a connection needs to know."""

    url: URL
    """For SQLAlchemy. `str` of it hides the password."""
    tls: bool | str | ssl.SSLContext
    """As asyncpg takes it: False, a mode of libpq's that proves nobody's identity, or what proves it."""
    pooled: bool
    """Whether a pooler may give each transaction another connection, so that none keeps a prepared statement."""


def read(text: str, authority: str | None = None) -> DatabaseAddress:
    """Return the address of DATABASE_URL; `authority`: certificates in PEM that sign the database's own.

    Raises ValueError with the rule, which begins with "must" or "has" and never holds the value.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(FORM) from None
    # The name before any driver: a dialect that is not installed would be looked for otherwise.
    if url.drivername.split("+")[0] not in {"postgresql", "postgres"} or not url.host or not url.database:
        raise ValueError(FORM)
    given = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    unknown = sorted(set(given) - IGNORED_PARAMETERS - READ_PARAMETERS)
    if unknown:
        raise ValueError(
            f"has the parameter {unknown[0]!r}; only sslmode, sslrootcert and pgbouncer can be given there"
        )
    return DatabaseAddress(url.set(drivername=DRIVER, query={}), _tls(given, authority), _is_pooled(url, given))


def _tls(given: Mapping[str, str], authority: str | None) -> bool | str | ssl.SSLContext:
    mode = given.get("sslmode", "verify-full" if authority else "prefer")
    root = given.get("sslrootcert")
    if mode not in SSL_MODES:
        raise ValueError(f"has another sslmode than {', '.join(SSL_MODES)}")
    if authority and root:
        raise ValueError("has sslrootcert, and DATABASE_CA says the same; give one of them")
    if authority and mode in SSL_MODES[:3]:
        raise ValueError(f"has sslmode={mode}, which never looks at DATABASE_CA; write sslmode=verify-full")
    if mode == "disable":
        return False
    # libpq: with an authority at hand, `require` asks for its signature too.
    if SSL_MODES.index(mode) < SSL_MODES.index("verify-ca") and not (mode == "require" and (authority or root)):
        return mode
    if mode != "verify-full" and not (authority or root not in (None, SYSTEM)):
        # Anybody has a certificate of a public authority for a name of their own.
        raise ValueError(f"has sslmode={mode} without an authority; give DATABASE_CA, or write sslmode=verify-full")
    return _context(authority, None if root == SYSTEM else root, check_hostname=mode == "verify-full")


def _context(authority: str | None, file: str | None, *, check_hostname: bool) -> ssl.SSLContext:
    """Return what accepts certificates of this authority alone; without one, of those that the system trusts."""
    try:
        if file is not None:
            authority = Path(file).read_text()
        context = ssl.create_default_context(cadata=authority)
    except OSError as error:  # ssl.SSLError is one
        if authority is not None:
            raise ValueError("has an authority that is no certificate in PEM; see DATABASE_CA or sslrootcert") from None
        raise ValueError(f"has an sslrootcert that can't be read here ({type(error).__name__})") from None
    except ValueError:
        raise ValueError("has an authority that is no certificate in PEM; see DATABASE_CA or sslrootcert") from None
    context.check_hostname = check_hostname
    return context


def _is_pooled(url: URL, given: Mapping[str, str]) -> bool:
    """Tell a pooler by `pgbouncer=true`, as other programs have it too; by Neon's names, and by ports."""
    told = given.get("pgbouncer")
    if told is not None:
        if told not in ("true", "false"):
            raise ValueError("has another pgbouncer than true or false")
        return told == "true"
    return "-pooler." in (url.host or "") or url.port in POOLER_PORTS
