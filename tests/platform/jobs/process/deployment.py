"""A database and a queue for the workers of one test."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from app.platform.db.session import Database
from app.platform.jobs.job import Job
from app.platform.jobs.outbox import enqueue
from app.platform.settings import PoolProfile
from tests.platform.jobs.process.jobs import TABLES
from tests.platform.jobs.process.workers import Worker, running, wait_until
from tests.support.databases import execute, settings_for
from tests.support.server import environment

ROOT = Path(__file__).parents[4]


@dataclass(frozen=True, slots=True)
class Tally:
    """Enqueued jobs, their effects, jobs without an effect, and superfluous effects."""

    enqueued: int
    effects: int
    lost: int
    repeated: int

    def __str__(self) -> str:
        return f"jobs: enqueued {self.enqueued}, effects {self.effects}, lost {self.lost}, repeated {self.repeated}"


class Deployment:
    """Enqueues jobs, starts workers, and reads their effects. Its database holds no idle connections."""

    def __init__(self, database: Database, variables: dict[str, str], directory: Path) -> None:
        self.database = database
        self._variables = variables
        self._directory = directory

    def environment(self, name: str, **variables: str) -> dict[str, str]:
        """Return the environment of a worker; intervals are short unless the test sets others."""
        given = {"WORKER_NAME": name, "TMPDIR": str(self._directory)} | self._variables | variables
        inherited = environment(given["DATABASE_URL"])
        return {key: value for key, value in inherited.items() if not key.startswith("TASKS_")} | given

    def worker(self, name: str = "worker", **variables: str) -> AbstractContextManager[Worker]:
        """Start a worker, without waiting until it is ready."""
        return running(self._directory, self.environment(name, **variables))

    async def rows(self, query: str, **values: Any) -> list[Any]:
        """Run a query, and return its rows."""
        async with self.database.transaction() as session:
            return list((await session.execute(text(query), values)).all())

    async def count(self, table: str, where: str = "true", **values: Any) -> int:
        """Return the number of rows that match."""
        ((number,),) = await self.rows(f"SELECT count(*) FROM {table} WHERE {where}", **values)
        return int(number)

    async def enqueue(self, job: Job, jobs: int = 1, **arguments: Any) -> list[UUID]:
        """Enqueue jobs in one transaction, and return their keys."""
        async with self.database.transaction() as session:
            return [await enqueue(session, job, **arguments) for _ in range(jobs)]

    async def open_gate(self) -> None:
        """Let held jobs end."""
        async with self.database.transaction() as session:
            await session.execute(text("INSERT INTO gate DEFAULT VALUES"))

    async def close_gate(self) -> None:
        """Make held jobs wait again."""
        async with self.database.transaction() as session:
            await session.execute(text("DELETE FROM gate"))

    async def wait_until_started(self, key: UUID) -> str:
        """Wait until a held job has started, and return the name of its worker."""
        await wait_until(lambda: self._has("started", key), "the job has started", progress=self._left)
        ((worker,),) = await self.rows("SELECT worker FROM started WHERE key = :key LIMIT 1", key=key)
        return str(worker)

    async def _has(self, table: str, key: UUID) -> bool:
        return bool(await self.count(table, "key = :key", key=key))

    async def wait_until_done(self, keys: Sequence[UUID]) -> None:
        """Wait until none of the jobs is in the outbox."""

        async def done() -> bool:
            return not await self.count("outbox_messages", "id = ANY(:keys)", keys=list(keys))

        await wait_until(done, "all jobs are done", progress=self._left)

    async def _left(self) -> int:
        return await self.count("outbox_messages")

    async def tally(self, keys: Sequence[UUID]) -> Tally:
        """Compare the effects with the enqueued jobs."""
        counted = await self.rows("SELECT count(*) FROM effects WHERE key = ANY(:keys) GROUP BY key", keys=list(keys))
        effects = sum(number for (number,) in counted)
        return Tally(len(keys), effects, len(keys) - len(counted), effects - len(counted))


@asynccontextmanager
async def deployment_of(database_url: str, redis_url: str, directory: Path) -> AsyncIterator[Deployment]:
    """Yield a deployment on a migrated database."""
    await execute(database_url, *TABLES)
    database = Database(settings_for(database_url, pool_profile=PoolProfile.EXTERNAL_POOLER))
    await database.init()
    variables = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "TASKS_QUEUE": uuid4().hex,
        "TASKS_CONCURRENCY": "2",
        "TASKS_POLL_INTERVAL": "0.2",
        "TASKS_REDELIVER_AFTER": "5",
        "TASKS_METRICS_PORT": "0",
    }
    yield Deployment(database, variables, directory)
    await database.close()
