"""Enqueues scheduled jobs. Every worker runs a scheduler; the row of a schedule lets only one of them fire each slot.

If a slot passes while no worker runs, it is fired once when a worker starts. A new schedule starts with its next slot.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NoReturn

import structlog
from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.platform.db.session import Database
from app.platform.jobs import metrics
from app.platform.jobs.models import JobSchedule
from app.platform.jobs.outbox import enqueue
from app.platform.jobs.registry import Schedule
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

# seconds between two checks of the clock: the longest delay of a slot
PRECISION = 1.0
# seconds between two readings of the database's clock
CLOCK_VALID = 60.0


class Scheduler:
    """Enqueues a job for each slot of its schedule."""

    def __init__(self, database: Database, schedules: Sequence[Schedule]) -> None:
        self._database = database
        self._schedules = deque(schedules)
        # the slot of each schedule that needs no further query
        self._settled: dict[Schedule, datetime] = {}
        # the database's clock, and when it was read by this process's monotonic one
        self._read: tuple[datetime, float] | None = None

    async def run(self) -> NoReturn:
        """Fire schedules that are due, until cancelled."""
        while True:
            try:
                for schedule in self._schedules:
                    await self.fire_if_due(schedule, await self.now())
            except Exception as error:  # noqa: BLE001 (missed slots are fired when PostgreSQL is back)
                log.warning("scheduler_interrupted", reason=summary(error))
            # another one comes first each time, so that one that always fails silences no other
            self._schedules.rotate(1)
            await asyncio.sleep(PRECISION)

    async def now(self) -> datetime:
        """Return the time by the database's clock: a worker whose own clock is wrong must not disturb the others."""
        if self._read is None or time.monotonic() - self._read[1] > CLOCK_VALID:
            async with self._database.read() as session:
                self._read = (await session.scalars(select(func.clock_timestamp()))).one(), time.monotonic()
        moment, read_at = self._read
        return moment + timedelta(seconds=time.monotonic() - read_at)

    async def fire_if_due(self, schedule: Schedule, now: datetime) -> bool:
        """Enqueue the job unless the current slot was fired before, and return whether it was enqueued now."""
        slot = schedule.slot(now)
        name = schedule.job.name
        if self._settled.get(schedule) == slot:
            return False
        first_seen = insert(JobSchedule).values(name=name, slot=slot).on_conflict_do_nothing()
        # a slot beyond the next one was written by a clock that was wrong
        other = or_(JobSchedule.slot < slot, JobSchedule.slot > now + schedule.every)
        take = update(JobSchedule).where(JobSchedule.name == name, other).values(slot=slot)
        async with self._database.transaction() as session:
            if schedule not in self._settled:
                await session.execute(first_seen)
            fired = await session.scalar(take.returning(JobSchedule.name)) is not None
            if fired:
                await enqueue(session, schedule.job)
        self._settled[schedule] = slot
        if fired:
            metrics.SCHEDULES_FIRED.labels(name).inc()
            log.info("schedule_fired", job=name, slot=slot.isoformat())
        return fired
