"""Structured logs on standard output: JSON lines in production, readable text in development.

structlog writes the service's own events directly. Log records of libraries, which use `logging`, get the same format.
"""

import logging
import sys
import threading
import warnings
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import Processor, WrappedLogger

from app.platform import tracebacks
from app.platform.context import actor, request_id
from app.platform.settings import Environment, LogSettings

log = structlog.get_logger(__name__)

# The service's own middleware writes the access log. HTTP clients would log URLs with their query strings, and
# OpenTelemetry the headers for a collector that it cannot read, watchfiles each file that Python compiles.
_QUIET = ("uvicorn.access", "httpx", "httpx2", "urllib3", "opentelemetry.util.re", "watchfiles.main")


def add_context(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the request id and the user id to every event that does not have them."""
    if current := request_id.get():
        event.setdefault("request_id", current)
    if caller := actor.get():
        event.setdefault("user_id", caller.text)
    return event


def add_timestamp(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the time in UTC; structlog's TimeStamper makes the same text with more calls."""
    event["timestamp"] = f"{datetime.now(UTC).isoformat()[:-6]}Z"
    return event


def describe_errors(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show exceptions in fields by class and message, without values."""
    for name, value in event.items():
        if isinstance(value, BaseException) and name != "exc_info":
            event[name] = tracebacks.summary(value)
    return event


def configure(settings: LogSettings, environment: Environment) -> None:
    """Configure all output of this process about itself; a later call replaces the configuration.

    `LOG_LEVEL=DEBUG` is for the service's own events. Records of libraries begin at INFO, because their DEBUG shows
    headers, messages and arguments.
    """
    json_lines = settings.json_lines
    if json_lines is None:
        json_lines = environment is Environment.PRODUCTION
    shared: list[Processor] = [
        add_context,
        structlog.processors.add_log_level,
        add_timestamp,
    ]
    level = logging.getLevelNamesMapping()[settings.level]
    structlog.configure(
        processors=[*shared, *_renderers(orjson.dumps if json_lines else None)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory() if json_lines else structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    _configure_stdlib(max(level, logging.INFO), shared, json_lines=json_lines)
    warnings.showwarning = _log_warning
    _show_uncaught_errors()


def add_processor(processor: Processor) -> None:
    """Have a processor see all events of this process, also those of loggers that have been used before."""
    handlers = [handler.formatter for handler in logging.getLogger().handlers]
    chains = [each.foreign_pre_chain for each in handlers if isinstance(each, structlog.stdlib.ProcessorFormatter)]
    for chain in (structlog.get_config()["processors"], *chains):
        if isinstance(chain, list) and processor not in chain:
            # in place, because loggers keep the list that they began with
            chain.insert(0, processor)


def _configure_stdlib(level: int, shared: list[Processor], *, json_lines: bool) -> None:
    handler = _Handler(sys.stdout)
    handler.addFilter(_without_values)
    renderers = _renderers(_dumps if json_lines else None)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


class _Handler(logging.StreamHandler[TextIO]):
    """Names a record that cannot be formatted; `logging` would print its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name in logging)
        log.error("record_not_logged", logger=record.name, place=f"{record.pathname}:{record.lineno}")


def _without_values(record: logging.LogRecord) -> bool:
    """Take values out of a library's record: out of exceptions in its arguments, and out of text about an exception."""
    if isinstance(record.args, tuple):
        shown = (tracebacks.summary(each) if isinstance(each, BaseException) else each for each in record.args)
        record.args = tuple(shown)
    if record.exc_info and record.exc_info[1]:
        # asyncio's text about a failed task has the exception itself
        record.msg, record.args = tracebacks.without_values(record.getMessage(), record.exc_info[1]), None
    return True


def _log_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    """Log a warning of Python's; the lines after the first may quote values."""
    text = str(message).split("\n", 1)[0]
    log.warning("python_warning", category=category.__name__, text=text, place=f"{filename}:{lineno}")


def _show_uncaught_errors() -> None:
    """Show errors that nobody caught without values; leave hooks of others alone."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = lambda *exc_info: sys.stderr.write(f"{tracebacks.render(exc_info)}\n")
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda failed: log.error("thread_failed", exc_info=failed.exc_value)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda failed: log.error("error_ignored", exc_info=failed.exc_value)


def _renderers(dumps: Callable[..., str | bytes] | None) -> list[Processor]:
    """Return processors that print tracebacks as text: other renderers print local variables, which may be secrets."""
    rendered: list[Processor] = [describe_errors, structlog.processors.ExceptionRenderer(tracebacks.render)]
    if dumps:
        return [*rendered, structlog.processors.JSONRenderer(dumps)]
    return [
        *rendered,
        structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _dumps(event: object, **options: Any) -> str:
    return orjson.dumps(event, **options).decode()
