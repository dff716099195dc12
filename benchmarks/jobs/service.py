"""A worker of the service with two more jobs, and a client of its outbox; runs in the service's environment."""

import asyncio
import sys

from app.config import load_settings
from app.jobs import JOBS
from app.platform import logging
from app.platform.db.session import Database
from app.platform.jobs.job import Job
from app.platform.jobs.models import OutboxMessage
from app.platform.jobs.outbox import enqueue
from app.platform.jobs.registry import Handler, Registry
from app.platform.jobs.worker import Application, work
from app.resources import Resources
from app.services import Services
from sqlalchemy import func, select

from benchmarks.jobs import client

EMPTY, NOTE = Job("benchmark_empty"), Job("benchmark_note")


async def empty(_services: Services) -> None:
    """Do nothing."""


async def note(_services: Services, number: int) -> None:
    """Record that the job has started."""
    client.write_note(number)


class Outbox:
    """Enqueues jobs as a service does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def empty(self, jobs: int) -> None:
        """Enqueue jobs in one transaction."""
        async with self._database.transaction() as session:
            for _ in range(jobs):
                await enqueue(session, EMPTY)

    async def note(self, number: int) -> None:
        """Enqueue one job with an argument."""
        async with self._database.transaction() as session:
            await enqueue(session, NOTE, number=number)

    async def left(self) -> int:
        """Return the number of rows in the outbox."""
        async with self._database.read() as session:
            return await session.scalar(select(func.count()).select_from(OutboxMessage)) or 0


async def run_client(plan: str) -> None:
    """Run the client."""
    async with Resources(load_settings()) as resources:
        await client.serve(Outbox(resources.database), plan)


def main(role: str, argument: str = "") -> None:
    """Run the worker or the client."""
    settings = load_settings()
    logging.configure(settings.log, settings.process.environment)
    if role == "worker":
        jobs: Registry[Services] = Registry(*JOBS, Handler(EMPTY, empty), Handler(NOTE, note))
        asyncio.run(work(settings, Application(Resources, Services, jobs, schedules=())))
    else:
        asyncio.run(run_client(argument))


if __name__ == "__main__":
    main(*sys.argv[1:])
