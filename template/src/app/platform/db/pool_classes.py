"""The pool's classes: what breaks while a new connection is set up is a failed connection attempt.

SQLAlchemy and `Resources.on_connect` run statements on each new connection. There SQLAlchemy takes errors of the driver
for bugs, because it does not know yet that the connection is lost.
"""

import structlog
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, Pool, PoolProxiedConnection

from app.platform import metrics
from app.platform.db import connecting, errors
from app.platform.errors import DatabaseUnavailable
from app.platform.tracebacks import message

log = structlog.get_logger(__name__)


class _Named(Pool):
    # names the logger: that of SQLAlchemy only shows warnings, because what it says else is in our events
    __module__ = Pool.__module__

    def connect(self) -> PoolProxiedConnection:
        """Return a connection.

        Raises:
            DatabaseUnavailable: a new connection was lost while it was set up.
        """
        try:
            return super().connect()
        except connecting.BROKEN as error:
            metrics.DB_ERRORS.labels(errors.NOT_CONNECTED.cause).inc()
            log.warning("database_not_connected", reason=message(error), attempts=1)
            raise DatabaseUnavailable from error


class Pooled(_Named, AsyncAdaptedQueuePool):
    """Keeps connections open."""

    __module__ = Pool.__module__


class Unpooled(_Named, NullPool):
    """Opens a connection each time, because an external pooler keeps them."""

    __module__ = Pool.__module__
