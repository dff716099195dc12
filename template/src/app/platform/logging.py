"""Structured logs on standard output: JSON lines in production, readable text in development.

structlog writes the service's own events directly. Log records of libraries, which use `logging`, get the same format.
"""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import orjson
import structlog
from structlog.typing import Processor, WrappedLogger

from app.platform.context import actor_id, request_id
from app.platform.settings import Environment, LogSettings

_DETAIL = re.compile(r"\n\s*DETAIL:.*")


def add_context(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the request id and the user id to every event that does not have them."""
    if current := request_id.get():
        event.setdefault("request_id", current)
    if user := actor_id():
        event.setdefault("user_id", str(user))
    return event


def hide_rows(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove PostgreSQL's DETAIL lines from tracebacks: they show the row that violates a constraint."""
    if "exception" in event:
        event["exception"] = _DETAIL.sub("", event["exception"])
    return event


def configure(settings: LogSettings, environment: Environment) -> None:
    """Configure structlog and the root logger of this process; a later call replaces the configuration."""
    json_lines = settings.json_lines
    if json_lines is None:
        json_lines = environment is Environment.PRODUCTION
    shared: list[Processor] = [
        add_context,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    level = logging.getLevelNamesMapping()[settings.level]
    structlog.configure(
        processors=[*shared, *_renderers(orjson.dumps if json_lines else None)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory() if json_lines else structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    _configure_stdlib(level, shared, json_lines=json_lines)


def _configure_stdlib(level: int, shared: list[Processor], *, json_lines: bool) -> None:
    handler = logging.StreamHandler(sys.stdout)
    renderers = _renderers(_dumps if json_lines else None)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # The service's own middleware writes the access log; asgi-correlation-id would log a client's invalid request id.
    for name in ("uvicorn.access", "asgi_correlation_id"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _renderers(dumps: Callable[..., str | bytes] | None) -> list[Processor]:
    """Return processors that print tracebacks as plain text: other renderers print local variables with secrets."""
    if dumps:
        return [structlog.processors.format_exc_info, hide_rows, structlog.processors.JSONRenderer(dumps)]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _dumps(event: object, **options: Any) -> str:
    return orjson.dumps(event, **options).decode()
