"""All code that depends on the driver asyncpg, except `connecting.py` and `listen.py`."""

from typing import Any
from uuid import uuid4

from sqlalchemy import URL, Engine, ExceptionContext, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.util import await_only

from app.platform import metrics
from app.platform.db import address, connecting, pool, words
from app.platform.db.connecting import NoAnswer
from app.platform.settings import DatabaseSettings, PoolProfile

DRIVERNAME = connecting.VOCABULARY.drivername


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
    """Turn asyncpg's own `TimeoutError` into an error of the database, whose connection is thrown away."""

    @event.listens_for(engine, "handle_error")
    def name_silence(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, OSError):
            context.is_disconnect = True
            metrics.DB_ERRORS.labels("no_answer").inc()
            raise OperationalError(
                context.statement, None, NoAnswer(error), hide_parameters=True, connection_invalidated=True
            ) from error


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


def refuses_value(error: DBAPIError) -> bool:
    """Return whether the driver refused a value before it asked the server: a number too large for its type."""
    refusal = error.orig.__cause__ if error.orig else None
    return refusal is not None and isinstance(refusal.__cause__, OverflowError)


def plan_is_outdated(error: DBAPIError) -> bool:
    """Return whether a prepared statement has other result types than when it was prepared: a migration ran."""
    # asyncpg.InvalidCachedStatementError is a FeatureNotSupportedError, too
    return getattr(error.orig, "sqlstate", None) == "0A000" and "cached" in str(error.orig)
