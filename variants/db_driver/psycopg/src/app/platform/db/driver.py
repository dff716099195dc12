"""All code that depends on the driver psycopg, except `listen.py`."""

import math
from functools import partial
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Engine, event
from sqlalchemy import Connection as SqlConnection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState
from sqlalchemy.util import await_only

from app.platform.db import address
from app.platform.db.bounded import BoundedConnection
from app.platform.settings import DatabaseSettings, PoolProfile

DRIVERNAME = "postgresql+psycopg"


def url(settings: DatabaseSettings) -> URL:
    """Return `DATABASE_URL` with this driver.

    Raises:
        ConfigError: it is not a PostgreSQL URL, or names another driver.
    """
    return address.read(settings, DRIVERNAME)


def connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the arguments of `psycopg.AsyncConnection.connect`: sessions are in UTC, the server enforces the timeouts.

    PgBouncer in transaction mode allows nothing that outlives a transaction: no prepared statements. It also refuses
    libpq's options, so there set the timeouts on the role (docs/tuning.md); `first_statements` sets the time zone.
    """
    # libpq accepts only whole seconds, and treats 1 as 2
    arguments: dict[str, Any] = {
        "connect_timeout": math.ceil(settings.connect_timeout),
        "async_creator_fn": partial(BoundedConnection.connect_within, settings.deadline),
    }
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return arguments | {"prepare_threshold": None}
    return arguments | {
        # in milliseconds
        "options": (
            "-c timezone=UTC"
            f" -c statement_timeout={settings.statement_timeout * 1000:.0f}"
            f" -c lock_timeout={settings.lock_timeout * 1000:.0f}"
            f" -c idle_in_transaction_session_timeout={settings.idle_in_transaction_timeout * 1000:.0f}"
        )
    }


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
    """Switch each connection to transactions when one begins, and back to autocommit when it returns to the pool."""

    @event.listens_for(engine, "begin")
    def begin(connection: SqlConnection) -> None:
        options = connection.get_execution_options()
        if not (options.get("autocommit") or options.get("isolation_level") == "AUTOCOMMIT"):
            _bounded(connection.connection).use_transactions()

    @event.listens_for(engine, "reset")
    def reset(connection: DBAPIConnection, _record: ConnectionPoolEntry, state: PoolResetState) -> None:
        bounded = _bounded(connection)
        if state.asyncio_safe and bounded.is_open:
            connection.rollback()
            bounded.use_autocommit()


def _bounded(connection: DBAPIConnection) -> BoundedConnection:
    bounded: BoundedConnection = connection.driver_connection
    return bounded


def ping(connection: DBAPIConnection, seconds: float) -> None:
    """Make one round trip.

    Raises:
        psycopg.OperationalError: the server did not answer within the seconds.
    """
    bounded = _bounded(connection)
    deadline, bounded.deadline = bounded.deadline, seconds
    await_only(bounded.execute(""))
    bounded.deadline = deadline


def announced_process(connection: Any) -> int:
    """Return the id of the server process that was announced when the connection was made."""
    return int(connection.info.backend_pid)


def constraint_name(error: IntegrityError) -> str | None:
    """Return the name of the violated constraint, if the error has one."""
    return error.orig.diag.constraint_name if isinstance(error.orig, psycopg.Error) else None


def refuses_value(error: DBAPIError) -> bool:
    """Return whether the driver refused a value before it asked the server: a text with NUL."""
    # without a SQLSTATE it is the driver's own; of these, only this one is about a value that a client may send
    return isinstance(error.orig, psycopg.DataError) and not error.orig.sqlstate and "NUL" in str(error.orig)
