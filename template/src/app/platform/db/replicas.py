"""Read from streaming replicas that answer, are not far behind, and do not hide a user's own writes.

A read of `Database.read()` goes to a replica in a GET or HEAD request of a signed-in user who has not written a moment
ago, outside of any transaction. Other requests, jobs and commands read from the primary, unless they ask for a replica
with `reading_from`: what decides over a write must not be out of date.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import Context, ContextVar
from types import TracebackType
from typing import Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform import metrics
from app.platform.context import actor_id, only_reads
from app.platform.db import gate
from app.platform.db.recent_writers import RecentWriters
from app.platform.db.replica import Replica
from app.platform.db.replica_watch import DEADLINE, Positions, Probe
from app.platform.db.unit_of_work import UnitOfWork
from app.platform.settings import DatabaseSettings
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

INTERVAL = 1.0
"""Seconds between two checks of all servers."""

USABLE = INTERVAL + 2 * DEADLINE
"""Seconds for which a good check counts: until the next one, even if both servers are slow to answer."""

MARGIN = USABLE + DEADLINE + INTERVAL
"""Seconds for which a write counts beyond `DB_REPLICA_MAX_LAG`: what the primary has done since it was asked last,
what the replica may fall behind until its next check, and one more."""

Server = Literal["primary", "replica"]

_reads_from: ContextVar[Server | None] = ContextVar("reads_from", default=None)


@contextmanager
def reading_from(server: Server) -> Iterator[None]:
    """Read from this kind of server inside the block, whoever asks; from the primary while no replica is in use.

    On a replica, the reads may lack what was committed in the last seconds. In a transaction they see that transaction.
    """
    token = _reads_from.set(server)
    try:
        yield
    finally:
        _reads_from.reset(token)


class Replicas:
    """The replicas of a database, and the task that checks them. It starts with the first read that may use one."""

    def __init__(self, settings: DatabaseSettings, replicas: Sequence[Replica], writers: RecentWriters) -> None:
        self.writers = writers
        self._max_lag = settings.replica_max_lag
        self._settings = settings
        self._replicas = replicas
        self._turns = itertools.count()
        self._positions = Positions(self._max_lag + USABLE)
        self._primary: Probe | None = None
        self._task: asyncio.Task[None] | None = None
        self._checked = asyncio.Event()
        self._primary_answers = True

    async def choose(self) -> Replica | None:
        """Return the replica for the next read of the caller; `None` if it should come from the primary."""
        wanted = _reads_from.get()
        user = actor_id() if wanted is None and only_reads.get() else None
        if gate.current_place() or (user is None and wanted != "replica"):
            return None
        self._start()
        usable = [each for each in self._replicas if each.usable]
        if not usable or (user and await self.writers.has(user)):
            return None
        return usable[next(self._turns) % len(usable)]

    async def ping(self) -> None:
        """Wait for the first check.

        Raises:
            ConnectionError: no replica is in use.
        """
        self._start()
        await self._checked.wait()
        if not any(each.usable for each in self._replicas):
            reasons = ", ".join(f"{each.name} {each.reason or 'not known yet'}" for each in self._replicas)
            message = f"no replica is in use: {reasons}"
            raise ConnectionError(message)

    async def drop(self, *, close: bool) -> None:
        """End the checks, and close all connections, or forget those of another process or event loop."""
        if close:
            if self._task:
                self._task.cancel()
                await asyncio.wait({self._task})
            if self._primary:
                await self._primary.close()
            await self.writers.close()
        for each in self._replicas:
            await each.drop(close=close)

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._primary = self._primary or Probe(self._settings)
            # not in the context of the request that comes first
            self._task = asyncio.get_running_loop().create_task(self._watch(self._primary), context=Context())

    async def _watch(self, primary: Probe) -> None:
        while True:
            await self._note_position(primary)
            await asyncio.gather(*(self._check(each) for each in self._replicas))
            self._checked.set()
            await asyncio.sleep(INTERVAL)

    async def _note_position(self, primary: Probe) -> None:
        """Note where the primary is; while it does not answer, the replicas are judged by what it said last."""
        try:
            answer = await primary.ask()
            if answer.is_standby:
                await primary.renew()
            else:
                self._positions.add(answer.asked_at, answer.position)
            self._primary_answers = True
        except Exception as error:  # noqa: BLE001 (whatever it is, where the primary is remains unknown)
            if self._primary_answers:
                log.warning("primary_position_unknown", reason=summary(error))
            self._primary_answers = False

    async def _check(self, replica: Replica) -> None:
        started = time.monotonic()
        try:
            answer = await replica.probe.ask()
            if not answer.is_standby:
                if replica.leave_out("not_a_standby"):
                    await replica.renew()
                return
        except Exception as error:  # noqa: BLE001 (whatever it is, the replica cannot be used)
            replica.leave_out("not_answering", error=summary(error))
            return
        now = time.monotonic()
        lag = self._positions.lag(answer.position, now)
        if math.isinf(lag) and self._positions.reach(now) <= self._max_lag:
            # too early to know, just after the start
            return
        metrics.DB_REPLICA_LAG_SECONDS.labels(replica.name).set(lag)
        if lag > self._max_lag:
            replica.leave_out("lagging", seconds=round(lag, 1) if math.isfinite(lag) else None)
        else:
            replica.use(started + USABLE)


class Reading(AbstractAsyncContextManager[AsyncSession]):
    """A unit of work that reads, from a replica if one may be used."""

    __slots__ = ("_on_primary", "_replicas", "_unit")

    def __init__(self, replicas: Replicas, on_primary: Callable[[], UnitOfWork]) -> None:
        self._replicas = replicas
        self._on_primary = on_primary

    async def __aenter__(self) -> AsyncSession:
        replica = await self._replicas.choose()
        self._unit = replica.unit_of_work() if replica else self._on_primary()
        metrics.DB_READS.labels("replica" if replica else "primary").inc()
        return await self._unit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._unit.__aexit__(kind, error, traceback)
