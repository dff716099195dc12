"""Gauges of the connection pools: how many connections there may be, how many there are, and how much work waits."""

from functools import partial
from weakref import WeakSet

from prometheus_client import Gauge
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.platform import metrics
from app.platform.db.gate import Gate
from app.platform.db.pool import PoolNumbers

GAUGES = tuple(
    Gauge(f"db_pool_{name}", meaning, multiprocess_mode="livesum")
    for name, meaning in (
        ("size", "Connections that the pools may keep open."),
        ("max_overflow", "Connections that the pools may open beyond their size."),
        ("idle", "Open connections that nobody uses."),
        ("checked_out", "Connections in use."),
        ("overflow", "Open connections beyond the size of their pool."),
        ("waiting", "Units of work that wait for a connection."),
    )
)


class _Connections:
    """The connections of one engine, counted by the events of its pool."""

    def __init__(self, numbers: PoolNumbers, gate: Gate) -> None:
        self._numbers = numbers
        self._gate = gate
        # weak: a disposed pool may still take a connection back, and pool and connection are then freed together
        self._idle: WeakSet[ConnectionPoolEntry] = WeakSet()
        self._checked_out: set[ConnectionPoolEntry] = set()

    def count(self) -> tuple[int, ...]:
        """Return the values of `GAUGES`."""
        size, idle, checked_out = self._numbers.size, len(self._idle), len(self._checked_out)
        overflow = max(0, idle + checked_out - size)
        return size, self._numbers.overflow, idle, checked_out, overflow, self._gate.waiting

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


# this process's engines with a pool
_engines: set[_Connections] = set()
_written = [0] * len(GAUGES)


def count_connections(engine: Engine, numbers: PoolNumbers, gate: Gate) -> None:
    """Count the engine's connections in the gauges, together with those of the process's other engines."""
    connections = _Connections(numbers, gate)
    _engines.add(connections)
    event.listen(engine, "checkout", connections.check_out)
    event.listen(engine, "checkin", connections.check_in)
    event.listen(engine, "close", connections.close)
    event.listen(engine, "detach", connections.detach)
    event.listen(engine, "engine_disposed", connections.dispose)
    _write()


def _number(index: int) -> int:
    return _total()[index]


for _index, _gauge in enumerate(GAUGES):
    _gauge.set_function(partial(_number, _index))


def _total() -> list[int]:
    # a copy, because another thread may add an engine meanwhile
    counted = [each.count() for each in tuple(_engines)]
    return [sum(numbers) for numbers in zip([0] * len(GAUGES), *counted, strict=True)]


def _write() -> None:
    """Set the gauges if processes keep their metrics in files: a scrape cannot call functions of other processes."""
    if not metrics.IN_FILES:
        return
    for index, value in enumerate(_total()):
        if value != _written[index]:
            _written[index] = value
            GAUGES[index].set(value)
