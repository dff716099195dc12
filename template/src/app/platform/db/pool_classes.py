"""The pool's classes: what breaks while a new connection is set up is a failed connection attempt.

SQLAlchemy and `Resources.on_connect` run statements on each new connection. There SQLAlchemy takes errors of the driver
for bugs, because it does not know yet that the connection is lost.
"""

import time

import structlog
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, NullPool, Pool, PoolProxiedConnection

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


KEEP_SECONDS = 30.0
"""How long, at least, a pool keeps more connections than its size open after it last used that many at a time."""


class Pooled(_Named, AsyncAdaptedQueuePool):
    """Keeps as many connections open as it needed lately, and never fewer than `kept`.

    SQLAlchemy's pool closes each connection beyond its size as soon as it is returned. One turn of the event loop often
    returns several and the next one opens as many again, which cost a third of the CPU time of small reads: 2.9 ms
    instead of 2.0 ms for 16 clients of 5 + 5 connections.
    """

    __module__ = Pool.__module__

    kept = 0
    """How many connections stay open without being needed."""

    _closing = 0
    _most_in_use = _most_in_use_before = 0
    _count_until = 0.0

    def _do_get(self) -> ConnectionPoolEntry:
        entry = super()._do_get()
        self._most_in_use = max(self._most_in_use, self._in_use)
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        opened = self._in_use + self.checkedin()
        if opened > self.kept and opened > self._needed():
            self._closing += 1
            try:
                record.close()
            finally:
                self._closing -= 1
                self._dec_overflow()
        else:
            super()._do_return_conn(record)

    @property
    def _in_use(self) -> int:
        # asyncpg lets others take and return connections while it closes one
        return self.checkedout() - self._closing

    def _needed(self) -> int:
        """Return how many connections were in use at the same time in the last `KEEP_SECONDS`, or a little longer."""
        now = time.monotonic()
        if now >= self._count_until:
            self._most_in_use_before = self._most_in_use if now < self._count_until + KEEP_SECONDS else 0
            self._most_in_use, self._count_until = self._in_use, now + KEEP_SECONDS
        return max(self._most_in_use, self._most_in_use_before)


def keeping(connections: int) -> type[Pooled]:
    """Return the class of a pool that keeps this many connections open, whether or not they are needed."""
    # a class, because SQLAlchemy makes a new pool of the same class whenever an engine is disposed of
    return type("Pooled", (Pooled,), {"__module__": Pool.__module__, "kept": connections})


class Unpooled(_Named, NullPool):
    """Opens a connection each time, because an external pooler keeps them."""

    __module__ = Pool.__module__
