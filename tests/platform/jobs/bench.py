"""Jobs that are functions of a test, attempted by workers that it names."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from prometheus_client import REGISTRY
from sqlalchemy import func, update

from app.platform.db.session import Database
from app.platform.jobs.models import OutboxMessage
from app.platform.jobs.outbox import Job, enqueue
from app.platform.jobs.registry import Handler, Registry
from app.platform.jobs.runner import Runner
from app.platform.settings import DatabaseSettings

FIRST, SECOND = "first", "second"

Function = Callable[..., Awaitable[None]]


class Bench:
    """Asks for jobs and attempts them."""

    def __init__(self, database: Database, settings: DatabaseSettings) -> None:
        self.database = database
        self._settings = settings

    async def ask(self, job: Job, **arguments: Any) -> UUID:
        """Ask for the job in a transaction of its own."""
        async with self.database.transaction() as session:
            return await enqueue(session, job, **arguments)

    async def attempt(self, key: UUID, job: Job, function: Function | None, worker: str = FIRST) -> None:
        """Have a worker try it, which does it with the function, or does not know it."""
        registry = Registry(*([Handler[None](job, function)] if function else []))
        await Runner(self.database, self._settings, None, registry, worker).run(key, job.name)

    async def do(self, job: Job, function: Function | None, **arguments: Any) -> UUID:
        """Ask for it, and attempt it once."""
        key = await self.ask(job, **arguments)
        await self.attempt(key, job, function)
        return key

    async def run_out(self, key: UUID) -> None:
        """Let the time of whoever has the job be over."""
        over = update(OutboxMessage).where(OutboxMessage.id == key).values(due_at=func.now())
        async with self.database.transaction() as session:
            await session.execute(over)


def outcomes(job: Job) -> dict[str, float]:
    """How often attempts at the job ended in which way, as the metrics tell."""
    samples = [sample for family in REGISTRY.collect() for sample in family.samples]
    return {
        sample.labels["outcome"]: sample.value
        for sample in samples
        if sample.name == "job_duration_seconds_count" and sample.labels["job"] == job.name
    }
