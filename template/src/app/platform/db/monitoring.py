"""What the service adds to the engine, by SQLAlchemy's events: clear failures, slow statements, living connections."""

import time
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from app.platform import metrics
from app.platform.db import pool_gauges
from app.platform.errors import DatabaseUnavailable
from app.platform.settings import DatabaseSettings

log = structlog.get_logger(__name__)


def watch(engine: Engine, settings: DatabaseSettings) -> None:
    """Attach everything below to the engine."""
    watch_migrations(engine, settings)
    _refuse_lost_commits(engine)
    _log_slow_statements(engine, settings.slow_sql_threshold)
    if settings.pool_pre_ping:
        _ping_idle_connections(engine, settings.pool_ping_idle)
    pool_gauges.count_connections(engine)


def watch_migrations(engine: Engine, settings: DatabaseSettings) -> None:
    """Attach the listeners that migrations need as well: they may be slow, and use their connection once."""
    _name_connection_failures(engine)
    if settings.echo:
        _echo_statements(engine)


def _name_connection_failures(engine: Engine) -> None:
    """One error for every way in which connecting fails: drivers raise their own, and plain `OSError`, unwrapped."""

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _record: ConnectionPoolEntry, args: list[Any], kwargs: dict[str, Any]
    ) -> DBAPIConnection:
        try:
            return dialect.connect(*args, **kwargs)
        except Exception as error:
            raise DatabaseUnavailable from error


def _refuse_lost_commits(engine: Engine) -> None:
    """Raise where a transaction would be lost: after a failed statement PostgreSQL answers COMMIT with a rollback.

    Whoever wants to go on after a failure opens a savepoint (`session.begin_nested()`), which takes it back.
    """

    @event.listens_for(engine, "handle_error")
    def note(context: ExceptionContext) -> None:
        connection = context.connection
        if connection is not None and not context.is_disconnect and connection.in_transaction():
            connection.info["failed"] = True

    def forget(connection: Connection, *_: Any) -> None:
        if not connection.invalidated:
            connection.info.pop("failed", None)

    for name in ("begin", "rollback", "rollback_savepoint"):
        event.listen(engine, name, forget)

    @event.listens_for(engine, "commit")
    def refuse(connection: Connection) -> None:
        if connection.info.pop("failed", False):
            message = "nothing can be committed: a statement failed, and its error was caught without a savepoint"
            raise RuntimeError(message)


def _log_slow_statements(engine: Engine, threshold: float) -> None:
    """Warn of statements that take longer than `threshold` seconds: their text, never their parameters."""

    @event.listens_for(engine, "before_cursor_execute")
    def start(connection: Connection, *_: Any) -> None:
        connection.info["started_at"] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def stop(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        seconds = time.perf_counter() - connection.info["started_at"]
        if seconds >= threshold:
            metrics.DB_SLOW_STATEMENTS.inc()
            log.warning("slow_sql", duration_ms=round(seconds * 1000, 1), statement=statement)


def _echo_statements(engine: Engine) -> None:
    """Log each statement in one line at every LOG_LEVEL, without its parameters.

    SQLAlchemy's own echo adds a handler of its own: each statement would be printed twice, once as plain text.
    """
    echo = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(0))

    @event.listens_for(engine, "before_cursor_execute")
    def show(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        echo.info("sql", statement=" ".join(statement.split("\n")))

    def echo_event(name: str) -> None:
        @event.listens_for(engine, name)
        def show_name(connection: Connection) -> None:
            # in autocommit none of them is sent
            if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
                echo.info("sql", statement=name.upper())

    for name in ("begin", "commit", "rollback"):
        echo_event(name)


def _ping_idle_connections(engine: Engine, idle: float) -> None:
    """Replace connections that died while they sat idle, for `idle` seconds at least.

    SQLAlchemy's own pre-ping asks at every checkout, which is three more round trips per request with asyncpg.
    """

    @event.listens_for(engine, "checkin")
    def note(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("idle_since", time.monotonic()) < idle:
            return
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:
            # makes the pool open a new connection, and try again
            raise DisconnectionError from error
