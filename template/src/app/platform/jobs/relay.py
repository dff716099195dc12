"""Hands jobs that are due over to the broker: new ones, those to be tried again, and those that were lost on the way.

Any number of relays may run at once: each takes rows that no other has. A row is marked in the transaction in which the
broker is told, so a relay that is killed in between hands it over again, or another one does.
"""

import asyncio
from datetime import timedelta
from typing import NoReturn

import structlog
from sqlalchemy import func, select, update

from app.platform.db.listen import listening
from app.platform.db.session import Database
from app.platform.jobs.broker import Handover, Tells
from app.platform.jobs.models import JobState, OutboxMessage
from app.platform.jobs.outbox import CHANNEL
from app.platform.settings import TaskSettings

log = structlog.get_logger(__name__)

# jobs in one transaction; more of them hold locks for longer without being faster
BATCH = 200


class Relay:
    """Moves jobs from the outbox to the broker."""

    def __init__(self, database: Database, broker: Tells, settings: TaskSettings) -> None:
        self._database = database
        self._broker = broker
        self._interval = settings.poll_interval
        self._redeliver_after = timedelta(seconds=settings.redeliver_after)

    async def run(self) -> NoReturn:
        """Hand over at every notification, and every `TASKS_POLL_INTERVAL`; never ends by itself."""
        while True:
            try:
                async with listening(self._database.engine, CHANNEL) as wait:
                    while True:
                        if await self.hand_over() < BATCH:
                            await wait(self._interval)
            except Exception as error:  # noqa: BLE001 (PostgreSQL and the broker come back, and the jobs wait meanwhile)
                log.warning("relay_interrupted", reason=repr(error))
                await asyncio.sleep(self._interval)

    async def hand_over(self) -> int:
        """Tell the broker of up to `BATCH` jobs that are due, and return how many they were."""
        due = (
            select(OutboxMessage.id)
            .where(OutboxMessage.due_at <= func.now())
            .order_by(OutboxMessage.due_at)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        mark = (
            update(OutboxMessage)
            .where(OutboxMessage.id == due.c.id)
            .values(state=JobState.HANDED_OVER, due_at=func.now() + self._redeliver_after)
            .returning(OutboxMessage.id, OutboxMessage.job, OutboxMessage.attempts)
            .execution_options(synchronize_session=False)
        )
        async with self._database.transaction() as session:
            handovers = [Handover(*row) for row in await session.execute(mark)]
            if handovers:
                await self._broker.push(handovers)
        return len(handovers)
