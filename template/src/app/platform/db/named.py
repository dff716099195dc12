"""Further databases, each with settings and a pool of its own."""

import re
from collections.abc import Sequence

import structlog

from app.platform.db import pool, startup
from app.platform.db.connections import OnConnect
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.platform.settings import ConfigError, DatabaseSettings

log = structlog.get_logger(__name__)

_VARIABLE = re.compile(r"\b(?=(?:DATABASE|DB)_[A-Z])")


async def open_database(
    name: str,
    settings: DatabaseSettings,
    on_connect: Sequence[OnConnect] = (),
    redis_url: str | None = None,
    *,
    critical: bool,
) -> Database:
    """Open a further database. The service starts without it if it is not critical.

    Raises:
        ConfigError: this service cannot use its URL.
        StartupError: it is critical, and cannot be used.
        TypeError: its settings read the variables of `DATABASE_URL`.
    """
    prefix = _prefix(type(settings))
    database = Database(settings, on_connect, redis_url)
    try:
        await database.init()
    except ConfigError as error:
        # so that each message names the variable to change
        raise ConfigError(_VARIABLE.sub(prefix, str(error))) from None
    try:
        await startup.verify_connection(database, settings)
    except StartupError as error:
        if critical:
            await database.close()
            raise StartupError(f"{name}: {error}") from error
        log.warning("named_database_not_ready", database=name, reason=str(error))
    log.info("database_pool", database=name, **pool.describe(settings))
    return database


def _prefix(kind: type[DatabaseSettings]) -> str:
    """Return what the variables of these settings begin with."""
    prefix = str(kind.model_config.get("env_prefix", "")).removesuffix("DB_")
    wanted = {"url": f"{prefix}DATABASE_URL", "replica_url": f"{prefix}DATABASE_REPLICA_URL"}
    if not prefix or any(kind.model_fields[field].alias != alias for field, alias in wanted.items()):
        message = f"{kind.__name__} needs a prefix that ends with DB_, and the aliases {' and '.join(wanted.values())}"
        raise TypeError(message)
    return prefix
