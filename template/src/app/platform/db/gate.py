"""Admit work to the connection pool: first come, first served.

SQLAlchemy's pool hands a free connection to whoever asks next, not to whoever has waited longest. When requests
outnumber connections, some of them would never be served.
"""

import asyncio
import time
from collections import deque
from contextvars import Context, ContextVar
from dataclasses import dataclass

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.platform import metrics


@dataclass(slots=True, eq=False)
class Place:
    """The right to use one connection.

    Attributes:
        outer: the place of the unit of work around this one, which keeps its connection meanwhile.
        waiting: how many units of work inside this one wait for a place.
        gate: whose place it is; each pool has a gate of its own.
        spare: whether this is the gate's spare place.
        taken: whether the unit of work is still open.
        backend_pid: the server process of its connection, once it has one.
        deadline: seconds that an answer of the server may take.
    """

    outer: "Place | None" = None
    waiting: int = 0
    gate: "Gate | None" = None
    spare: bool = False
    taken: bool = True
    backend_pid: int | None = None
    deadline: float | None = None


_current: ContextVar[Place | None] = ContextVar("place", default=None)

_Entry = tuple[float, asyncio.Future[Place]]
"""When the wait ends, by `time.monotonic`, and what gets the place."""


def current_place() -> Place | None:
    """Return the place of the unit of work that the caller is inside of; `None` outside of all."""
    place = _current.get()
    while place is not None and not place.taken:
        place = place.outer
    return place


def latest_deadline() -> float | None:
    """Return the deadline of the caller's latest unit of work, also after it has ended; `None` without any."""
    place = _current.get()
    return place.deadline if place else None


class Gate:
    """As many places as the pool has connections, and a queue.

    Work inside other work (it holds one connection, and asks for a second one) goes first, because others wait for what
    it holds. If all places are held by such work, none would ever become free: then the gate gives away one spare
    place, for which the pool has one more connection.
    """

    def __init__(self, places: int, timeout: float, max_waiting: int, deadline: float | None = None) -> None:
        self.places = places
        self._deadline = deadline
        self._timeout = timeout
        self._max_waiting = max_waiting
        self._free = places
        self._spare = True
        # the places whose work waits for one more
        self._stuck = 0
        self._first: deque[_Entry] = deque()
        self._inner: deque[_Entry] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Return how many units of work wait for a place."""
        return len(self._first) + len(self._inner)

    async def enter(self) -> Place:
        """Return a place, as soon as one is free.

        Raises:
            sqlalchemy.exc.TimeoutError: none became free within the timeout, or too many wait already.
        """
        outer = current_place()
        if self._free:
            self._free -= 1
            place = Place(gate=self)
            metrics.DB_POOL_CHECKOUT_SECONDS.observe(0.0)
        else:
            started = time.perf_counter()
            place = await self._wait(outer)
            metrics.DB_POOL_CHECKOUT_SECONDS.observe(time.perf_counter() - started)
        place.outer, place.deadline = outer, self._deadline
        _current.set(place)
        return place

    def leave(self, place: Place) -> None:
        """Give the place back; the next in the queue gets it."""
        place.taken = False
        if place.waiting:
            self._stuck -= 1
        if place.spare:
            self._spare = True
            self._give_spare()
        elif waiting := _next(self._inner) or _next(self._first):
            waiting.set_result(Place(gate=self))
        else:
            self._free += 1

    async def _wait(self, outer: Place | None) -> Place:
        if self.waiting >= self._max_waiting:
            metrics.DB_POOL_TIMEOUTS.inc()
            message = f"{self.waiting} units of work wait for a connection already"
            raise PoolTimeoutError(message)
        # work that holds a connection of another pool keeps nobody here from getting one
        holders = [place for place in _with_outer(outer) if place.gate is self]
        queue = self._inner if holders else self._first
        given: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        entry = (time.monotonic() + self._timeout, given)
        queue.append(entry)
        if self._timer is None:
            self._timer = self._later(self._timeout)
        self._mark(holders, 1)
        self._give_spare()
        try:
            return await given
        except BaseException:
            if entry in queue:
                queue.remove(entry)
            elif given.done() and not given.cancelled() and not given.exception():
                # cancelled just when the place was given
                self.leave(given.result())
            raise
        finally:
            self._mark(holders, -1)

    def _expire(self) -> None:
        """End the waits whose time is over. A timer for each would cost 2 % of a small read that waits."""
        self._timer = None
        now = time.monotonic()
        for queue in (self._first, self._inner):
            while queue and queue[0][0] <= now:
                _, given = queue.popleft()
                if not given.done():
                    metrics.DB_POOL_TIMEOUTS.inc()
                    given.set_exception(PoolTimeoutError(f"no connection became free within {self._timeout:g} s"))
        if firsts := [queue[0][0] for queue in (self._first, self._inner) if queue]:
            self._timer = self._later(min(firsts) - now)

    def _later(self, seconds: float) -> asyncio.TimerHandle:
        # with no context: it would be that of some request
        return asyncio.get_running_loop().call_later(seconds, self._expire, context=Context())

    def _mark(self, holders: list[Place], change: int) -> None:
        """Count the places whose work waits for one more."""
        for place in holders:
            before, place.waiting = place.waiting, place.waiting + change
            if place.taken and 0 in {before, place.waiting}:
                self._stuck += change

    def _give_spare(self) -> None:
        if self._spare and self._stuck >= self.places and (waiting := _next(self._inner)):
            self._spare = False
            waiting.set_result(Place(gate=self, spare=True))


def _next(queue: deque[_Entry]) -> asyncio.Future[Place] | None:
    """Remove and return the first in the queue that still waits."""
    while queue:
        if not (first := queue.popleft()[1]).done():
            return first
    return None


def _with_outer(place: Place | None) -> list[Place]:
    """Return the place, and those of the work around it."""
    holders = []
    while place is not None:
        holders.append(place)
        place = place.outer
    return holders
