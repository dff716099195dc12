"""Listeners that keep the engine safe: clear connection errors, no lost commits, no dead connections."""

import time
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, ExceptionContext, event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from app.platform import metrics, tracebacks
from app.platform.db import driver, errors
from app.platform.db.errors import Goes
from app.platform.errors import DatabaseUnavailable
from app.platform.settings import DatabaseSettings

log = structlog.get_logger(__name__)

NOTHING_COMMITTED = "nothing can be committed: a statement failed, and its error was caught without a savepoint"


def attach(engine: Engine, settings: DatabaseSettings) -> None:
    """Attach all listeners of this module to the engine."""
    prepare_connections(engine, settings)
    _throw_away_connections(engine)
    _refuse_lost_commits(engine)
    if settings.pool_pre_ping:
        _ping_idle_connections(engine, settings)


def prepare_connections(engine: Engine, settings: DatabaseSettings) -> None:
    """Name failed connection attempts, and run the driver's first statements on each new connection."""
    name_connection_failures(engine)
    statements = driver.first_statements(settings)

    def run(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        autocommit = connection.autocommit
        # outside of a transaction, which would have to be committed
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.autocommit = autocommit

    if statements:
        event.listen(engine, "connect", run)


def name_connection_failures(engine: Engine) -> None:
    """Raise `DatabaseUnavailable` for every failed connection attempt.

    Without it each driver raises errors of its own, and SQLAlchemy lets an `OSError` through unwrapped. The log has the
    reason, but not for each request that fails.
    """
    reported = _Failures()

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _record: ConnectionPoolEntry, args: list[Any], kwargs: dict[str, Any]
    ) -> DBAPIConnection:
        try:
            connection = dialect.connect(*args, **kwargs)
        except Exception as error:
            metrics.DB_ERRORS.labels(errors.NOT_CONNECTED.cause).inc()
            reported.report(error)
            raise DatabaseUnavailable from error
        reported.since_start = True
        return connection


def _throw_away_connections(engine: Engine) -> None:
    """Count errors by their cause, and throw away the connections that an error makes useless (`errors.py`)."""

    @event.listens_for(engine, "handle_error")
    def condemn(context: ExceptionContext) -> None:
        # what the driver's listener made of an error that SQLAlchemy does not know; else there is no such attribute
        error = getattr(context, "chained_exception", None) or context.sqlalchemy_exception
        meaning = errors.meaning(error) if error else None
        if meaning is None:
            return
        metrics.DB_ERRORS.labels(meaning.cause).inc()
        if meaning.goes is not Goes.NONE:
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = meaning.goes is Goes.ALL


def _refuse_lost_commits(engine: Engine) -> None:
    """Raise when a transaction with a failed statement is committed: PostgreSQL would roll it back without an error.

    To continue after a failed statement, run the statement in a savepoint (`session.begin_nested()`).
    """

    @event.listens_for(engine, "handle_error")
    def mark_failed(context: ExceptionContext) -> None:
        connection = context.connection
        if connection is not None and not context.is_disconnect and connection.in_transaction():
            connection.info["failed"] = True

    def clear_mark(connection: Connection, *_: Any) -> None:
        if not connection.invalidated:
            connection.info.pop("failed", None)

    for name in ("begin", "rollback", "rollback_savepoint"):
        event.listen(engine, name, clear_mark)

    @event.listens_for(engine, "commit")
    def refuse_commit(connection: Connection) -> None:
        if connection.info.pop("failed", False):
            raise RuntimeError(NOTHING_COMMITTED)


def _ping_idle_connections(engine: Engine, settings: DatabaseSettings) -> None:
    """Ping connections that were idle for `DB_POOL_PING_IDLE` seconds or longer, and replace the dead ones.

    SQLAlchemy's own pre-ping runs at every checkout, which costs three more round trips per request with asyncpg.
    """

    @event.listens_for(engine, "checkin")
    def note_time(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("idle_since", time.monotonic()) < settings.pool_ping_idle:
            return
        try:
            driver.ping(connection, settings.connect_timeout)
        except Exception as error:
            # makes the pool open a new connection and retry
            raise DisconnectionError from error


class _Failures:
    """Logs the reason of failed connection attempts, at most once in `SECONDS`.

    A process that never connected says the reason when it ends.
    """

    SECONDS = 10.0

    def __init__(self) -> None:
        self._next = 0.0
        self._attempts = 0
        self.since_start = False

    def report(self, error: Exception) -> None:
        self._attempts += 1
        if self.since_start and time.monotonic() >= self._next:
            log.warning("database_not_connected", reason=tracebacks.message(error), attempts=self._attempts)
            self._next, self._attempts = time.monotonic() + self.SECONDS, 0
