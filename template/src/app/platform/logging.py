"""Structured logs: JSON lines in production, readable text in development, both on standard output.

Our own events go from structlog straight to bytes; what libraries say through `logging` gets the same shape.
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
    """Name the request and its user in every event that does not do so itself."""
    if current := request_id.get():
        event.setdefault("request_id", current)
    if user := actor_id():
        event.setdefault("user_id", str(user))
    return event


def hide_rows(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out of tracebacks what PostgreSQL tells of the row that violates a constraint: it is somebody's data."""
    if "exception" in event:
        event["exception"] = _DETAIL.sub("", event["exception"])
    return event


def configure(settings: LogSettings, environment: Environment) -> None:
    """Set up structlog and the root logger of this process; a second call replaces the first."""
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
    # Our own middleware writes the access log; asgi-correlation-id would repeat a client's invalid request id.
    for name in ("uvicorn.access", "asgi_correlation_id"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _renderers(dumps: Callable[..., str | bytes] | None) -> list[Processor]:
    """Tracebacks as plain text: the rich and the dict renderers would print local variables, secrets among them."""
    if dumps:
        return [structlog.processors.format_exc_info, hide_rows, structlog.processors.JSONRenderer(dumps)]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _dumps(event: object, **options: Any) -> str:
    return orjson.dumps(event, **options).decode()
