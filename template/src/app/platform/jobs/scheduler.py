"""Enqueues scheduled jobs. Every worker runs a scheduler; the row of a schedule lets only one of them fire each slot.

If a slot passes while no worker runs, it is fired once when a worker starts. A new schedule starts with its next slot.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

import structlog
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from app.platform.db.session import Database
from app.platform.jobs import metrics
from app.platform.jobs.models import JobSchedule
from app.platform.jobs.outbox import enqueue
from app.platform.jobs.registry import Schedule

log = structlog.get_logger(__name__)

# seconds between two checks of the clock: the longest delay of a slot
PRECISION = 1.0


class Scheduler:
    """Enqueues a job for each slot of its schedule."""

    def __init__(self, database: Database, schedules: Sequence[Schedule]) -> None:
        self._database = database
        self._schedules = schedules
        # the slot of each schedule that needs no further query
        self._settled: dict[str, datetime] = {}

    async def run(self) -> NoReturn:
        """Fire schedules that are due, until cancelled."""
        while True:
            try:
                for schedule in self._schedules:
                    await self.fire_if_due(schedule, datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 (missed slots are fired when PostgreSQL is back)
                log.warning("scheduler_interrupted", reason=repr(error))
            await asyncio.sleep(PRECISION)

    async def fire_if_due(self, schedule: Schedule, now: datetime) -> bool:
        """Enqueue the job unless the current slot was fired before, and return whether it was enqueued now."""
        slot = schedule.slot(now)
        name = schedule.job.name
        if self._settled.get(name) == slot:
            return False
        first_seen = insert(JobSchedule).values(name=name, slot=slot).on_conflict_do_nothing()
        take = update(JobSchedule).where(JobSchedule.name == name, JobSchedule.slot < slot).values(slot=slot)
        async with self._database.transaction() as session:
            if name not in self._settled:
                await session.execute(first_seen)
            fired = await session.scalar(take.returning(JobSchedule.name)) is not None
            if fired:
                await enqueue(session, schedule.job)
        self._settled[name] = slot
        if fired:
            metrics.SCHEDULES_FIRED.labels(name).inc()
            log.info("schedule_fired", job=name, slot=slot.isoformat())
        return fired
