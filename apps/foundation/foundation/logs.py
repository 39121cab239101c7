"""Logs: one JSON object a line on stdout, with `timestamp`, `level`, `service` and `event`, and without secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import structlog
from structlog.types import EventDict, WrappedLogger

from foundation.redaction import Redactor

QUIET = ("httpx", "httpcore", "asyncio", "alembic.runtime.plugins", "sqlalchemy.engine", "sqlalchemy.pool")
"""Libraries whose everyday lines say nothing to an operator."""


class _Service:
    """Every line names a service: this one, unless the line is about another (as a health check's is)."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", self._name)
        return event


class _Redact:
    """The last processor but one: nothing is added after it."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {name: self._redactor.field(name, value) for name, value in event.items()}


class _NoEchoes(logging.Filter):
    """Leaves out what the application has logged itself, and uvicorn would log again."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], SystemExit):
            return False
        message = record.getMessage()
        return "SystemExit" not in message and not message.startswith("Exception in ASGI application")


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get_logger().critical("uncaught_error", exc_info=(kind, error, trace))


def configure(service: str, level: str = "INFO", secrets: Iterable[str] = ()) -> None:
    """Send every log line, of libraries too, through the same processors. May be called again with more secrets.

    `service` is what the lines carry as the field `service`, unless they name another.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
        _Service(service),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Tests configure again; a cached logger would keep the first configuration.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _Redact(Redactor(secrets)),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
    # request_log has a line for each request, without its query.
    logging.getLogger("uvicorn.access").propagate = False
    echoes = logging.getLogger("uvicorn.error")
    echoes.filters = [_NoEchoes()]
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    logging.raiseExceptions = False
    sys.excepthook = _uncaught


def get_logger() -> Any:
    """Return a logger; its lines carry the field `service` that `configure` was given."""
    return structlog.get_logger("application")
