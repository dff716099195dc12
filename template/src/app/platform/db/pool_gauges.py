"""Gauges of the connection pool: how many connections are idle, checked out, and beyond the pool's size."""

from functools import partial
from weakref import WeakSet

from prometheus_client import Gauge
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.platform import metrics

STATES = ("idle", "checked_out", "overflow")


class _Connections:
    """The open connections of one engine, counted by the events of its pool."""

    def __init__(self, size: int) -> None:
        self._size = size
        # weak: a disposed pool may still take a connection back, and pool and connection are then freed together
        self._idle: WeakSet[ConnectionPoolEntry] = WeakSet()
        self._checked_out: set[ConnectionPoolEntry] = set()

    def count(self) -> tuple[int, int, int]:
        """Return the number of connections in each state, in the order of `STATES`."""
        idle, checked_out = len(self._idle), len(self._checked_out)
        return idle, checked_out, max(0, idle + checked_out - self._size)

    def check_out(self, _connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        self._idle.discard(entry)
        self._checked_out.add(entry)
        _engines.add(self)
        _write()

    def check_in(self, connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        # skip a closed connection, and one that was checked out before the engine was disposed of
        if connection is not None and entry in self._checked_out:
            self._idle.add(entry)
        self._checked_out.discard(entry)
        _write()

    def close(self, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        self.detach(connection, entry)
        _write()

    def detach(self, _connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        # do not write the gauges here: the garbage collector may call this while a gauge holds its lock
        self._idle.discard(entry)
        self._checked_out.discard(entry)

    def dispose(self, _engine: Engine) -> None:
        self._idle.clear()
        self._checked_out.clear()
        _engines.discard(self)
        _write()


# this process's engines with open connections
_engines: set[_Connections] = set()
_gauges: list[Gauge] = []
_written = [0, 0, 0]


def count_connections(engine: Engine) -> None:
    """Count the engine's connections in the gauges, together with those of the process's other engines."""
    if not isinstance(engine.pool, QueuePool):
        return
    if not _gauges:
        _gauges.extend(metrics.DB_POOL_CONNECTIONS.labels(state) for state in STATES)
        for index, gauge in enumerate(_gauges):
            gauge.set_function(partial(_number, index))
    connections = _Connections(engine.pool.size())
    event.listen(engine, "checkout", connections.check_out)
    event.listen(engine, "checkin", connections.check_in)
    event.listen(engine, "close", connections.close)
    event.listen(engine, "detach", connections.detach)
    event.listen(engine, "engine_disposed", connections.dispose)


def _number(index: int) -> int:
    return _total()[index]


def _total() -> tuple[int, int, int]:
    idle = checked_out = overflow = 0
    # a copy, because another thread may add an engine meanwhile
    for each in tuple(_engines):
        one = each.count()
        idle, checked_out, overflow = idle + one[0], checked_out + one[1], overflow + one[2]
    return idle, checked_out, overflow


def _write() -> None:
    """Set the gauges if processes keep their metrics in files: a scrape cannot call functions of other processes."""
    if not metrics.IN_FILES:
        return
    for index, value in enumerate(_total()):
        if value != _written[index]:
            _written[index] = value
            _gauges[index].set(value)
