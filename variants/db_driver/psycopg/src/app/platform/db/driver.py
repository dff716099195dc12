"""All code that depends on the driver psycopg, except `connecting.py` and `listen.py`."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import URL, DateTime, Dialect, Engine, event
from sqlalchemy import Connection as SqlConnection
from sqlalchemy.dialects.postgresql.psycopg import _PGTimeStamp, _PsycopgMultiRange, _PsycopgRange
from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange, AbstractSingleRange
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DontWrapMixin, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import await_only

from app.platform.db import address, casts, connecting, pool, words
from app.platform.db.connecting import BoundedConnection
from app.platform.db.ranges import to_column, type_of_ends, with_ends
from app.platform.errors import ValueRefused
from app.platform.settings import DatabaseSettings, PoolProfile

DRIVERNAME = connecting.VOCABULARY.drivername


class MomentRefused(DontWrapMixin, ValueRefused):
    """A moment is before the year 1 or after the year 9999 in UTC."""


class _Moment(_PGTimeStamp):
    """Refuses moments that PostgreSQL would store and psycopg could not read."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:  # noqa: ARG002
        return _readable if self.timezone else None


class _Range(_PsycopgRange):
    """Gives the ends a time zone if the column has one: psycopg would send a range of another type."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return _to_ends(self, super().bind_processor(dialect))  # type: ignore[no-untyped-call]


class _Ranges(_PsycopgMultiRange):
    """Does the same for the ends of several ranges."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return _to_ends(self, super().bind_processor(dialect))  # type: ignore[no-untyped-call]


def _readable(value: Any) -> Any:
    # by identity: some libraries' time zones have no hash
    if isinstance(value, datetime) and value.tzinfo is not None and value.tzinfo is not UTC:
        try:
            value.astimezone(UTC)
        except OverflowError as error:
            raise MomentRefused from error
    return value


def _to_ends(kind: TypeEngine[Any], bind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    ends = type_of_ends(kind)
    convert = ends and to_column(ends)
    return (lambda value: bind(with_ends(value, lambda end: _readable(convert(end))))) if convert else bind


def url(settings: DatabaseSettings) -> URL:
    """Return `DATABASE_URL` with this driver, without the words after its `?`, which `connect_arguments` returns.

    Raises:
        ConfigError: it is not a PostgreSQL URL, names another driver, or has words that libpq does not know.
    """
    return address.read(settings, connecting.VOCABULARY)[0]


def connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the arguments of `psycopg.AsyncConnection.connect`: the URL's words, and the service's own.

    Sessions are in UTC, and the server enforces the timeouts. PgBouncer in transaction mode allows nothing that
    outlives a transaction: no prepared statements. It also refuses libpq's options, so there set the timeouts on the
    role (docs/tuning.md); `first_statements` sets the time zone.

    Raises:
        ConfigError: the URL has words that libpq does not know, or contradicts a variable.
    """
    given = words.with_defaults(address.read(settings, connecting.VOCABULARY)[1], settings)
    bounded = {"async_creator_fn": partial(BoundedConnection.connect_within, pool.deadline(settings))}
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return bounded | connecting.arguments(given, {}) | {"prepare_threshold": None}
    return bounded | connecting.arguments(given, words.server_settings(settings))


def first_statements(settings: DatabaseSettings) -> tuple[str, ...]:
    """Return the statements that each new connection needs; PgBouncer keeps the time zone of each client."""
    return ("SET timezone TO 'UTC'",) if settings.pool_profile is PoolProfile.EXTERNAL_POOLER else ()


def options_of_reads(_settings: DatabaseSettings) -> dict[str, Any]:
    """Return the execution options of reads: autocommit, so that a read of one statement takes one round trip."""
    return {"autocommit": True}


def engine_arguments() -> dict[str, Any]:
    """Return the arguments of `create_async_engine` that this driver needs: `attach` does the rest."""
    return {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}


def attach(engine: Engine) -> None:
    """Send values as they are, and switch each connection between autocommit and transactions.

    It is in a transaction from where one begins until it returns to the pool.
    """
    casts.attach(engine)
    dialect: Any = engine.dialect
    ours = {DateTime: _Moment, AbstractSingleRange: _Range, AbstractMultiRange: _Ranges}
    dialect.colspecs = {**dialect.colspecs, **ours}

    @event.listens_for(engine, "begin")
    def begin(connection: SqlConnection) -> None:
        options = connection.get_execution_options()
        if not (options.get("autocommit") or options.get("isolation_level") == "AUTOCOMMIT"):
            use_transaction(connection.connection)

    @event.listens_for(engine, "reset")
    def reset(connection: DBAPIConnection, _record: ConnectionPoolEntry, state: PoolResetState) -> None:
        bounded = _bounded(connection)
        if state.asyncio_safe and bounded.is_open:
            connection.rollback()
            bounded.use_autocommit()


def _bounded(connection: DBAPIConnection) -> BoundedConnection:
    bounded: BoundedConnection = connection.driver_connection
    return bounded


def use_transaction(connection: DBAPIConnection) -> None:
    """Begin a transaction with the next statement, until the connection returns to the pool."""
    _bounded(connection).use_transactions()


def ping(connection: DBAPIConnection, seconds: float) -> None:
    """Make one round trip.

    Raises:
        NoAnswer: the server did not answer within the seconds.
    """
    bounded = _bounded(connection)
    deadline, bounded.deadline = bounded.deadline, seconds
    await_only(bounded.execute(""))
    bounded.deadline = deadline


def announced_process(connection: Any) -> int:
    """Return the id of the server process that was announced when the connection was made."""
    return int(connection.pgconn.backend_pid)


def constraint_name(error: IntegrityError) -> str | None:
    """Return the name of the violated constraint, if the error has one."""
    return error.orig.diag.constraint_name if isinstance(error.orig, psycopg.Error) else None


def sqlstate(error: DBAPIError) -> str:
    """Return the SQLSTATE; of a connection that the server closed, the one that the server gave as its reason."""
    return getattr(error.orig, "sqlstate", None) or ""


def commit_was_not_sent(error: DBAPIError) -> bool:
    """Return whether the connection was known to be lost before the commit was sent: the change was not saved."""
    # idle_in_transaction_session_timeout; psycopg itself reads what the server said only after it has sent COMMIT
    return sqlstate(error) == "25P03"


def refuses_value(error: DBAPIError) -> bool:
    """Return whether the driver refused a value before it asked the server: a text with NUL."""
    # without a SQLSTATE it is the driver's own; of these, only this one is about a value that a client may send
    return isinstance(error.orig, psycopg.DataError) and not error.orig.sqlstate and "NUL" in str(error.orig)


def plan_is_outdated(error: DBAPIError) -> bool:
    """Return whether a prepared statement has other types than when it was prepared: a migration ran."""
    told = {"0A000": "cached plan", "XX000": "cache lookup failed for type"}.get(sqlstate(error) or "")
    return told is not None and told in str(error.orig)
