"""The pool in the metrics: how many connections are idle, checked out, and beyond the pool's size."""

from functools import partial
from weakref import WeakSet

from prometheus_client import Gauge
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.platform import metrics

STATES = ("idle", "checked_out", "overflow")


class _Connections:
    """The open connections of one engine, as the events of its pool report them."""

    def __init__(self, size: int) -> None:
        self._size = size
        # weak, because a pool that was disposed of may still take a connection back; then both go together
        self._idle: WeakSet[ConnectionPoolEntry] = WeakSet()
        self._checked_out: set[ConnectionPoolEntry] = set()

    def count(self) -> tuple[int, int, int]:
        """The numbers, in the order of `STATES`."""
        idle, checked_out = len(self._idle), len(self._checked_out)
        return idle, checked_out, max(0, idle + checked_out - self._size)

    def check_out(self, _connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        self._idle.discard(entry)
        self._checked_out.add(entry)
        _engines.add(self)
        _write()

    def check_in(self, connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        # neither a connection that was closed, nor one that was checked out before the engine was disposed of
        if connection is not None and entry in self._checked_out:
            self._idle.add(entry)
        self._checked_out.discard(entry)
        _write()

    def close(self, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        self.detach(connection, entry)
        _write()

    def detach(self, _connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        # not written before the next event: the garbage collector may call this while the gauge holds its lock
        self._idle.discard(entry)
        self._checked_out.discard(entry)

    def dispose(self, _engine: Engine) -> None:
        self._idle.clear()
        self._checked_out.clear()
        _engines.discard(self)
        _write()


# the engines of this process that have open connections
_engines: set[_Connections] = set()
_gauges: list[Gauge] = []
_written = [0, 0, 0]


def count_connections(engine: Engine) -> None:
    """Show the engine's connections, added to those of the other engines of the process."""
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
    # a copy, because another thread may have engines too
    for each in tuple(_engines):
        one = each.count()
        idle, checked_out, overflow = idle + one[0], checked_out + one[1], overflow + one[2]
    return idle, checked_out, overflow


def _write() -> None:
    """Set the gauges where processes count in files: a scrape cannot call functions in other processes."""
    if not metrics.IN_FILES:
        return
    for index, value in enumerate(_total()):
        if value != _written[index]:
            _written[index] = value
            _gauges[index].set(value)
