"""How far a replica is behind its primary, found out by positions in the write-ahead log.

The clocks of the servers do not matter, and neither does whether the primary writes at all: a replica has everything
that was committed until the moment at which the primary's log ended where the replica has got to.
"""

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from app.platform.db import driver, engine, pool
from app.platform.settings import DatabaseSettings

DEADLINE = 1.0
"""Seconds that a check waits for a server; one that needs longer counts as silent."""

_POSITION = text(
    """
    SELECT is_standby, CAST(pg_wal_lsn_diff(
        CASE WHEN is_standby THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_lsn() END, '0/0'
    ) AS bigint) AS position
    FROM pg_is_in_recovery() AS is_standby
    """
)


class Positions:
    """Where the log of the primary ended, and when. Keeps what the last seconds brought, and always the newest."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, at: float, position: int) -> None:
        """Note that the log ended at this position, or already behind it, at this moment."""
        if self._samples and position < self._samples[-1][1]:
            # of another server, which did not get all that the former primary had
            self._samples.clear()
        self._samples.append((at, position))
        while len(self._samples) > 1 and self._samples[0][0] < at - self._seconds:
            self._samples.popleft()

    def reach(self, now: float) -> float:
        """Return for how many seconds positions are known."""
        return now - self._samples[0][0] if self._samples else 0.0

    def lag(self, replayed: int, now: float) -> float:
        """Return the seconds that a replica is behind which has replayed the log up to this position.

        It is 0 if nothing newer is known, and infinite if all that is known is newer.
        """
        newer = False
        for at, position in reversed(self._samples):
            if replayed >= position:
                return now - at if newer else 0.0
            newer = True
        return math.inf


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the log of a server is.

    Attributes:
        asked_at: when the server was asked: what was committed until then is not behind `position` on a primary.
        is_standby: whether the server is a standby.
        position: where the log of a primary ends, or how far a standby has replayed it.
    """

    asked_at: float
    is_standby: bool
    position: int


class Probe:
    """Asks a server how far its log is, on a connection of its own: a busy pool does not look like a silent server."""

    def __init__(self, settings: DatabaseSettings) -> None:
        # the driver gives up some seconds after the server; until then nobody waits for it
        quick = settings.model_copy(update={"statement_timeout": DEADLINE, "pool_size": 1, "max_overflow": 0})
        arguments = pool.engine_arguments(quick)
        # without a log line a second
        arguments["poolclass"] = NullPool if issubclass(arguments["poolclass"], NullPool) else AsyncAdaptedQueuePool
        self._engine = engine.bare_engine(quick, **arguments)
        self._options = driver.options_of_reads(settings)
        self._asking: asyncio.Task[Answer] | None = None

    async def ask(self) -> Answer:
        """Return where the server's log is.

        Raises:
            TimeoutError: it did not answer within `DEADLINE`. The question stays open, and the next call waits for it:
                to cancel it would mean to wait for the server once more.
            Exception: whatever the driver raises.
        """
        asking = self._asking = self._asking or asyncio.create_task(self._ask())
        done, _ = await asyncio.wait({asking}, timeout=DEADLINE)
        if not done:
            message = f"no answer within {DEADLINE:g} s"
            raise TimeoutError(message)
        self._asking = None
        return asking.result()

    async def renew(self) -> None:
        """Connect anew for the next question: the host may have become another server."""
        await self._engine.dispose()

    async def close(self) -> None:
        """Close the connection, and give up an open question."""
        if asking := self._asking:
            asking.cancel()
            # a server that is silent would keep the end of the process waiting
            done, _ = await asyncio.wait({asking}, timeout=DEADLINE)
            if done and not asking.cancelled():
                asking.exception()
        await self._engine.dispose()

    async def _ask(self) -> Answer:
        asked_at = time.monotonic()
        try:
            row = await self._once()
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            # the connection was dead, which says nothing about the server
            row = await self._once()
        return Answer(asked_at, row.is_standby, row.position)

    async def _once(self) -> Row[Any]:
        async with self._engine.connect() as connection:
            await connection.execution_options(**self._options)
            return (await connection.execute(_POSITION)).one()
