"""Every fact about psycopg that the rest of the service does not need to know."""

import math
from typing import Any

import psycopg
from sqlalchemy import URL
from sqlalchemy.exc import IntegrityError

from app.platform.db import address
from app.platform.settings import DatabaseSettings, PoolProfile

DRIVERNAME = "postgresql+psycopg"


def url(settings: DatabaseSettings) -> URL:
    """Return `DATABASE_URL` with this driver in it.

    Raises:
        ConfigError: it is not a PostgreSQL URL, or names another driver.
    """
    return address.read(settings, DRIVERNAME)


def connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Arguments of `psycopg.AsyncConnection.connect`. The timeouts are the server's own, in milliseconds there.

    Behind PgBouncer in transaction mode nothing may outlive a transaction: no prepared statements, and no start-up
    parameters, which PgBouncer refuses (set the timeouts on the role: docs/tuning.md).
    """
    # libpq counts whole seconds, and reads 1 as 2
    arguments: dict[str, Any] = {"connect_timeout": math.ceil(settings.connect_timeout)}
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return arguments | {"prepare_threshold": None}
    return arguments | {
        "options": (
            f"-c statement_timeout={settings.statement_timeout * 1000:.0f}"
            f" -c lock_timeout={settings.lock_timeout * 1000:.0f}"
            f" -c idle_in_transaction_session_timeout={settings.idle_in_transaction_timeout * 1000:.0f}"
        )
    }


def isolation_of_reads(_settings: DatabaseSettings) -> str | None:
    """Autocommit, so that a read of one statement is one round trip, also behind PgBouncer."""
    return "AUTOCOMMIT"


def constraint_name(error: IntegrityError) -> str | None:
    """The name of the violated constraint, when there is one."""
    return error.orig.diag.constraint_name if isinstance(error.orig, psycopg.Error) else None
