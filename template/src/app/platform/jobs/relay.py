"""The relay delivers due jobs to the broker: new ones, failed ones after their delay, and lost ones.

Any number of relays may run at once: each locks rows that no other relay has locked. A relay marks the rows in the
transaction in which it publishes them. If it is killed in between, the rows are still due, and are delivered again.
"""

import asyncio
from datetime import timedelta
from typing import NoReturn

import structlog

from app.platform.db.listen import listening
from app.platform.db.session import Database
from app.platform.jobs.broker import Delivery, Publisher
from app.platform.jobs.outbox import CHANNEL, take_due
from app.platform.settings import JobSettings
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

# jobs in one transaction: a larger batch holds locks for longer and is not faster
BATCH = 200


class Relay:
    """Delivers due jobs from the outbox to the broker."""

    def __init__(self, database: Database, broker: Publisher, settings: JobSettings) -> None:
        self._database = database
        self._broker = broker
        self._interval = settings.poll_interval
        self._redeliver_after = timedelta(seconds=settings.redeliver_after)

    async def run(self) -> NoReturn:
        """Deliver due jobs at every notification, and every `TASKS_POLL_INTERVAL`, until cancelled."""
        while True:
            try:
                async with listening(self._database.engine, CHANNEL) as wait:
                    while True:
                        if await self.deliver_due() < BATCH:
                            await wait(self._interval)
            except Exception as error:  # noqa: BLE001 (jobs wait in the outbox until PostgreSQL or the broker is back)
                log.warning("relay_interrupted", reason=summary(error))
                await asyncio.sleep(self._interval)

    async def deliver_due(self) -> int:
        """Deliver up to `BATCH` due jobs, and return their number."""
        async with self._database.transaction() as session:
            rows = await session.execute(*take_due(BATCH, self._redeliver_after))
            deliveries = [Delivery(*row) for row in rows]
            if deliveries:
                await self._broker.publish(deliveries)
        return len(deliveries)
