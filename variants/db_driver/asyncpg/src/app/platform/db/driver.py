"""Every fact about asyncpg that the rest of the service does not need to know."""

from typing import Any
from uuid import uuid4

from sqlalchemy import URL
from sqlalchemy.exc import IntegrityError

from app.platform.db import address
from app.platform.settings import DatabaseSettings, PoolProfile

DRIVERNAME = "postgresql+asyncpg"


def url(settings: DatabaseSettings) -> URL:
    """Return `DATABASE_URL` with this driver in it.

    Raises:
        ConfigError: it is not a PostgreSQL URL, or names another driver.
    """
    given = address.read(settings, DRIVERNAME)
    # managed databases hand out URLs in libpq's words
    return given.set(query={"ssl" if key == "sslmode" else key: value for key, value in given.query.items()})


def connect_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Arguments of `asyncpg.connect`. The timeouts are the server's own, in milliseconds there.

    Behind PgBouncer in transaction mode nothing may outlive a transaction: no named or cached prepared statements, and
    no start-up parameters, which PgBouncer refuses (set the timeouts on the role: docs/tuning.md).
    """
    arguments: dict[str, Any] = {"timeout": settings.connect_timeout}
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return arguments | {
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"__asyncpg_{uuid4().hex}__",
        }
    return arguments | {
        "server_settings": {
            "statement_timeout": f"{settings.statement_timeout * 1000:.0f}",
            "lock_timeout": f"{settings.lock_timeout * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{settings.idle_in_transaction_timeout * 1000:.0f}",
        }
    }


def isolation_of_reads(settings: DatabaseSettings) -> str | None:
    """Autocommit, so that a read of one statement is one round trip; `None` is the server's default, in a transaction.

    asyncpg prepares and executes in two steps. Behind PgBouncer each step would be a transaction of its own, and the
    second one may meet another server connection, on which nothing was prepared.
    """
    return None if settings.pool_profile is PoolProfile.EXTERNAL_POOLER else "AUTOCOMMIT"


def constraint_name(error: IntegrityError) -> str | None:
    """The name of the violated constraint, when there is one."""
    name = getattr(error.orig.__cause__, "constraint_name", None) if error.orig else None
    return name if isinstance(name, str) else None
