"""Runs jobs whose functions are defined in the tests, without a worker process."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from prometheus_client import REGISTRY
from sqlalchemy import func, update

from app.platform.db.session import Database
from app.platform.jobs.job import Job
from app.platform.jobs.models import OutboxMessage
from app.platform.jobs.outbox import enqueue
from app.platform.jobs.registry import Handler, Registry
from app.platform.jobs.runner import Runner
from app.platform.settings import DatabaseSettings

WORKER, OTHER_WORKER = "first", "second"

Function = Callable[..., Awaitable[None]]


class JobHarness:
    """Enqueues jobs, and makes attempts at them."""

    def __init__(self, database: Database, settings: DatabaseSettings) -> None:
        self.database = database
        self._settings = settings

    async def enqueue(self, job: Job, **arguments: Any) -> UUID:
        """Enqueue the job in a transaction of its own."""
        async with self.database.transaction() as session:
            return await enqueue(session, job, **arguments)

    async def attempt(self, key: UUID, job: Job, function: Function | None, worker: str = WORKER) -> None:
        """Make an attempt with this function; with None, the worker does not know the job."""
        registry = Registry(*([Handler[None](job, function)] if function else []))
        await Runner(self.database, self._settings, None, registry, worker).run(key, job.name)

    async def run_once(self, job: Job, function: Function | None, **arguments: Any) -> UUID:
        """Enqueue the job, and attempt it once."""
        key = await self.enqueue(job, **arguments)
        await self.attempt(key, job, function)
        return key

    async def expire_lease(self, key: UUID) -> None:
        """End the lease or the delay of the job."""
        expire = update(OutboxMessage).where(OutboxMessage.id == key).values(due_at=func.now())
        async with self.database.transaction() as session:
            await session.execute(expire)


def outcomes(job: Job) -> dict[str, float]:
    """Return the number of attempts by outcome, from the metrics."""
    samples = [sample for family in REGISTRY.collect() for sample in family.samples]
    return {
        sample.labels["outcome"]: sample.value
        for sample in samples
        if sample.name == "job_duration_seconds_count" and sample.labels["job"] == job.name
    }
