"""Listeners that show what the engine does: slow statements, all statements with `DB_ECHO`, the pool's gauges."""

import time
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from app.platform import metrics, tracing
from app.platform.context import current_route
from app.platform.db import driver, pool, pool_gauges
from app.platform.db.gate import Gate, current_place
from app.platform.settings import DatabaseSettings

log = structlog.get_logger(__name__)


def attach(engine: Engine, settings: DatabaseSettings, gate: Gate) -> None:
    """Attach all listeners of this module to the engine."""
    if settings.echo:
        echo_statements(engine)
    _log_slow_statements(engine, settings.slow_sql_threshold)
    if tracing.spans is not None:
        _trace_statements(engine, tracing.spans.statement)
    _note_server_processes(engine)
    if numbers := pool.numbers(settings):
        pool_gauges.count_connections(engine, numbers, gate)


def echo_statements(engine: Engine) -> None:
    """Log each statement in one line, without its parameters, whatever `LOG_LEVEL` is.

    SQLAlchemy's own echo adds a log handler, so each statement would be printed twice, once as plain text.
    """
    echo = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(0))

    @event.listens_for(engine, "before_cursor_execute")
    def show(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        echo.info("sql", statement=" ".join(statement.split("\n")))

    def echo_event(name: str) -> None:
        @event.listens_for(engine, name)
        def show_name(connection: Connection) -> None:
            # in autocommit the driver sends none of them
            if not connection.get_execution_options().get("autocommit"):
                echo.info("sql", statement=name.upper())

    for name in ("begin", "commit", "rollback"):
        echo_event(name)


def _log_slow_statements(engine: Engine, threshold: float) -> None:
    """Log a warning for each statement that takes `threshold` seconds or longer: its text, never its parameters."""

    @event.listens_for(engine, "before_cursor_execute")
    def start(connection: Connection, *_: Any) -> None:
        connection.info["started_at"] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def stop(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        seconds = time.perf_counter() - connection.info["started_at"]
        if seconds >= threshold:
            _report_slow(statement, seconds)


def report_if_slow(engine: Engine, seconds: float, statement: str) -> None:
    """Report a statement of which the engine's listeners do not know, if it took too long, and record its span."""
    if seconds >= engine.get_execution_options()["slow_sql_threshold"]:
        _report_slow(statement, seconds)
    if tracing.spans is not None:
        tracing.spans.statement(statement, seconds)


def _trace_statements(engine: Engine, record: Callable[..., None]) -> None:
    """Record a span for each statement; no event before it, so that reads keep their short way."""

    @event.listens_for(engine, "after_cursor_execute")
    def succeeded(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        record(statement, time.perf_counter() - connection.info.pop("started_at"))

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> None:
        connection = context.connection
        if context.statement is None or connection is None or connection.closed:
            return
        # none for a statement that was not sent, because its parameters were wrong
        if (started := connection.info.pop("started_at", None)) is not None:
            record(context.statement, time.perf_counter() - started, context.original_exception)


def _report_slow(statement: str, seconds: float) -> None:
    metrics.DB_SLOW_STATEMENTS.inc()
    place = current_place()
    fields = {"route": current_route(), "backend_pid": place.backend_pid if place else None}
    log.warning("slow_sql", duration_ms=round(seconds * 1000, 1), statement=statement, **fields)


def watches_slow_statements_only(engine: Engine) -> bool:
    """Return whether nobody else listens to statements: no `DB_ECHO`, no tracing, no test that counts them."""
    return len(engine.dispatch.before_cursor_execute) == 1


def _note_server_processes(engine: Engine) -> None:
    """Note the server process of each unit of work, which leads from `pg_stat_activity` to a request."""

    @event.listens_for(engine, "checkout")
    def note(connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: object) -> None:
        if place := current_place():
            place.backend_pid = driver.announced_process(connection.driver_connection)
