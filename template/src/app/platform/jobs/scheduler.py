"""Asks for scheduled jobs. Every worker runs one, and of all of them one fires: the row of the schedule says which.

A slot that passes while no worker runs is fired once when one comes back; a new schedule waits for its next slot.
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

# seconds between two looks at the clock: how late a slot may be fired
PRECISION = 1.0


class Scheduler:
    """Turns slots of schedules into jobs in the outbox."""

    def __init__(self, database: Database, schedules: Sequence[Schedule]) -> None:
        self._database = database
        self._schedules = schedules
        # the slots that need not be asked about any more
        self._past: dict[str, datetime] = {}

    async def run(self) -> NoReturn:
        """Fire whatever is due, again and again; never ends by itself."""
        while True:
            try:
                for schedule in self._schedules:
                    await self.tick(schedule, datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 (PostgreSQL comes back, and a missed slot is fired then)
                log.warning("scheduler_interrupted", reason=repr(error))
            await asyncio.sleep(PRECISION)

    async def tick(self, schedule: Schedule, now: datetime) -> bool:
        """Ask for the job if its slot has come and nobody else has; whether it did. Mostly without a query."""
        slot = schedule.slot(now)
        name = schedule.job.name
        if self._past.get(name) == slot:
            return False
        first_seen = insert(JobSchedule).values(name=name, slot=slot).on_conflict_do_nothing()
        take = update(JobSchedule).where(JobSchedule.name == name, JobSchedule.slot < slot).values(slot=slot)
        async with self._database.transaction() as session:
            if name not in self._past:
                await session.execute(first_seen)
            fired = await session.scalar(take.returning(JobSchedule.name)) is not None
            if fired:
                await enqueue(session, schedule.job)
        self._past[name] = slot
        if fired:
            metrics.SCHEDULES_FIRED.labels(name).inc()
            log.info("schedule_fired", job=name, slot=slot.isoformat())
        return fired
