"""All code that depends on the driver asyncpg, except `connecting.py` and `listen.py`."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, DateTime, Dialect, Engine, ExceptionContext, Numeric, Time, event
from sqlalchemy.dialects.postgresql.asyncpg import (
    AsyncpgDateTime,
    AsyncpgNumeric,
    AsyncpgTime,
    _AsyncpgMultiRange,
    _AsyncpgRange,
)
from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange, AbstractSingleRange
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DontWrapMixin, IntegrityError, OperationalError
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import await_only

from app.platform.db import address, casts, connecting, pool, words
from app.platform.db.connecting import NoAnswer
from app.platform.db.numbers import storable
from app.platform.db.ranges import in_utc, to_column, type_of_ends, with_ends
from app.platform.errors import ValueRefused
from app.platform.settings import DatabaseSettings, PoolProfile

DRIVERNAME = connecting.VOCABULARY.drivername


class NumberRefused(DontWrapMixin, ValueRefused):
    """A number is outside of the range of `numeric`."""


class _Number(AsyncpgNumeric):
    """Refuses numbers beyond the range of `numeric`, and takes a float as the number that Python shows.

    In asyncpg's binary form the largest numbers would become 0.
    """

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:  # noqa: ARG002
        return _storable


class _Moment(AsyncpgDateTime):
    """Takes moments without a time zone in UTC, as the server does: asyncpg takes them in that of the process.

    In a column without a time zone, it stores those with one as UTC has them: asyncpg would refuse them.
    """

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:  # noqa: ARG002
        return to_column(self)


class _Time(AsyncpgTime):
    """Takes times without a time zone in UTC, where the column has one: asyncpg would refuse them."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:  # noqa: ARG002
        return in_utc if self.timezone else None


class _Range(_AsyncpgRange):
    """Does the same for the ends of a range."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return _to_ends(self, super().bind_processor(dialect))  # type: ignore[no-untyped-call]


class _Ranges(_AsyncpgMultiRange):
    """Does the same for the ends of several ranges."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return _to_ends(self, super().bind_processor(dialect))  # type: ignore[no-untyped-call]


def _to_ends(kind: TypeEngine[Any], bind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    ends = type_of_ends(kind)
    convert = (ends and to_column(ends)) or _storable
    return lambda value: bind(with_ends(value, convert))


def _storable(value: Any) -> Any:
    if isinstance(value, float):
        # asyncpg would send all digits of the binary number: 10.1199999999999992… for 10.12
        return Decimal(str(value))
    try:
        return storable(value)
    except OverflowError as error:
        raise NumberRefused from error


def url(settings: DatabaseSettings) -> URL:
    """Return `DATABASE_URL` with this driver, without the words after its `?`, which `connect_arguments` returns.

    Raises:
        ConfigError: it is not a PostgreSQL URL, names another driver, or has words that asyncpg cannot understand.
    """
    return address.read(settings, connecting.VOCABULARY)[0]


def connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the arguments of `asyncpg.connect`: the URL's words, and the service's own.

    Every session is in UTC, and the server enforces the timeouts. PgBouncer in transaction mode allows nothing that
    outlives a transaction: no named or cached prepared statements. Of the start-up parameters it knows the time zone
    and the application's name, so there set the timeouts on the role (docs/tuning.md).

    Raises:
        ConfigError: the URL has words that asyncpg cannot understand, or contradicts a variable.
    """
    given = words.with_defaults(address.read(settings, connecting.VOCABULARY)[1], settings)
    # the deadline of every answer, unless the URL has its own
    arguments = connecting.arguments(given, words.server_settings(settings))
    arguments = {"command_timeout": pool.deadline(settings)} | arguments
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return arguments | {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4().hex}__",
        }
    return arguments


def first_statements(_settings: DatabaseSettings) -> tuple[str, ...]:
    """Return the statements that each new connection needs: none, because the arguments say everything."""
    return ()


def options_of_reads(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the execution options of reads: autocommit, so that a read of one statement takes one round trip.

    Return none, which means a transaction, behind PgBouncer: asyncpg prepares and executes a statement in two steps,
    and in autocommit PgBouncer could send the second step to another server connection.
    """
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return {}
    return {"autocommit": True, "isolation_level": "AUTOCOMMIT"}


def engine_arguments() -> dict[str, Any]:
    """Return the arguments of `create_async_engine` that this driver needs: none."""
    return {}


def attach(engine: Engine) -> None:
    """Send numbers and moments as they are, and turn asyncpg's own errors into those of SQLAlchemy.

    These are a `TimeoutError`, and errors in the middle of a stream.
    """
    casts.attach(engine)
    dialect: Any = engine.dialect
    ours = {AbstractSingleRange: _Range, AbstractMultiRange: _Ranges}
    dialect.colspecs = {**dialect.colspecs, DateTime: _Moment, Numeric: _Number, Time: _Time, **ours}

    @event.listens_for(engine, "handle_error", retval=True)
    def translate(context: ExceptionContext) -> DBAPIError | None:
        error = context.original_exception
        if isinstance(error, OSError):
            context.is_disconnect = True
            silence = NoAnswer(error)
            return OperationalError(context.statement, None, silence, hide_parameters=True, connection_invalidated=True)
        if isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError)):
            # SQLAlchemy lets through what a server-side cursor raises while it fetches rows
            return _of_a_stream(context, error)
        return None


def _of_a_stream(context: ExceptionContext, error: Exception) -> DBAPIError:
    connection = context.connection
    if connection is not None and not connection.invalidated:
        native: Any = connection.connection.driver_connection
        context.is_disconnect = native.is_closed()
    # the class that keeps the SQLSTATE
    orig = context.dialect.loaded_dbapi.Error(str(error), error)
    orig.__cause__ = error
    statement = context.execution_context.statement if context.execution_context else None
    return DBAPIError(statement, None, orig, hide_parameters=True, connection_invalidated=context.is_disconnect)


def use_transaction(_connection: DBAPIConnection) -> None:
    """Begin a transaction with the next statement, as asyncpg's connections do anyway."""


def ping(connection: DBAPIConnection, seconds: float) -> None:
    """Make one round trip.

    Raises:
        TimeoutError: the server did not answer within the seconds.
    """
    await_only(connection.driver_connection.execute("", timeout=seconds))


def announced_process(connection: Any) -> int:
    """Return the id of the server process that was announced when the connection was made."""
    return int(connection.get_server_pid())


def constraint_name(error: IntegrityError) -> str | None:
    """Return the name of the violated constraint, if the error has one."""
    name = getattr(error.orig.__cause__, "constraint_name", None) if error.orig else None
    return name if isinstance(name, str) else None


def sqlstate(error: DBAPIError) -> str:
    """Return the SQLSTATE; of a connection that the server closed, the one that the server gave as its reason."""
    said = error.orig.__cause__ if error.orig else None
    if isinstance(said, asyncpg.ConnectionDoesNotExistError) and isinstance(said.__cause__, asyncpg.PostgresError):
        said = said.__cause__
    return getattr(said, "sqlstate", None) or getattr(error.orig, "sqlstate", None) or ""


def commit_was_not_sent(error: DBAPIError) -> bool:
    """Return whether the connection was known to be lost before the commit was sent: the change was not saved."""
    cause = error.orig.__cause__ if error.orig else None
    # refused before anything is sent, while asyncpg has not read yet why the server ended the connection
    is_busy = isinstance(cause, asyncpg.InternalClientError) and str(cause).startswith("cannot switch to state")
    return is_busy or isinstance(cause, asyncpg.InterfaceError)


def refuses_value(error: DBAPIError) -> bool:
    """Return whether the driver refused a value before it asked the server: a number too large for its type."""
    refusal = error.orig.__cause__ if error.orig else None
    return refusal is not None and isinstance(refusal.__cause__, OverflowError)


def plan_is_outdated(error: DBAPIError) -> bool:
    """Return whether a prepared statement has other types than when it was prepared: a migration ran."""
    cause = error.orig.__cause__ if error.orig else None
    is_gone = isinstance(cause, asyncpg.InternalServerError) and "cache lookup failed for type" in str(cause)
    return is_gone or isinstance(cause, asyncpg.InvalidCachedStatementError)
