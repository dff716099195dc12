"""All code that depends on the driver psycopg, except `connecting.py` and `listen.py`."""

from typing import Any

import psycopg
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.platform.db import address, connecting, words
from app.platform.settings import DatabaseSettings, PoolProfile

DRIVERNAME = connecting.VOCABULARY.drivername


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
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return connecting.arguments(given, {}) | {"prepare_threshold": None}
    return connecting.arguments(given, words.server_settings(settings))


def first_statements(settings: DatabaseSettings) -> tuple[str, ...]:
    """Return the statements that each new connection needs; PgBouncer keeps the time zone of each client."""
    return ("SET timezone TO 'UTC'",) if settings.pool_profile is PoolProfile.EXTERNAL_POOLER else ()


def isolation_of_reads(_settings: DatabaseSettings) -> str | None:
    """Return the isolation level of reads: autocommit, so that a read of one statement takes one round trip."""
    return "AUTOCOMMIT"


def constraint_name(error: IntegrityError) -> str | None:
    """Return the name of the violated constraint, if the error has one."""
    return error.orig.diag.constraint_name if isinstance(error.orig, psycopg.Error) else None


def refuses_value(error: DBAPIError) -> bool:
    """Return whether the driver refused a value before it asked the server: a text with NUL."""
    # without a SQLSTATE it is the driver's own; of these, only this one is about a value that a client may send
    return isinstance(error.orig, psycopg.DataError) and not error.orig.sqlstate and "NUL" in str(error.orig)
