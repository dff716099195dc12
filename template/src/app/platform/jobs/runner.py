"""Makes one attempt at a job: claims it, does it, and writes down what became of it.

A claim is a lease: it ends `LEASE_MARGIN` after the job's time limit. Whoever is killed before has lost the job to the
next worker, and whoever comes back after that cannot commit anything that `app.platform.jobs.attempt.finish` guards.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Generic
from uuid import UUID

import structlog
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from app.platform.context import request_id
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from app.platform.jobs import ledger, metrics
from app.platform.jobs.attempt import Attempt, AttemptOverruled, PermanentFailure, attempt
from app.platform.jobs.outbox import Job
from app.platform.jobs.registry import Registry, ServicesT
from app.platform.jobs.statements import Statements
from app.platform.logging import hide_rows
from app.platform.settings import DatabaseSettings

log = structlog.get_logger(__name__)

# seconds that a worker has for writing down how an attempt at its limit ended
LEASE_MARGIN = 5.0
MOST_OF_AN_ERROR = 2000
# between two tries to claim a job while PostgreSQL is away
WAIT_SECONDS = 1.0

_random = random.SystemRandom()


class Runner(Generic[ServicesT]):
    """Does jobs on the services of this process, many at a time. `worker` is the name under which they are claimed."""

    def __init__(
        self,
        database: Database,
        settings: DatabaseSettings,
        services: ServicesT,
        registry: Registry[ServicesT],
        worker: str,
    ) -> None:
        self._database = database
        self._statements = Statements(database, settings)
        self._services = services
        self._registry = registry
        self._worker = worker

    async def run(self, key: UUID, name: str) -> None:
        """Make an attempt at the job, unless it is done, taken, or not due."""
        handler = self._registry.get(name)
        job = handler.job if handler else Job(name)
        lease = timedelta(seconds=job.time_limit + LEASE_MARGIN)
        for row in await self._claimed(key, lease):
            if row.attempts == 1:
                metrics.JOB_DELAY_SECONDS.labels(name).observe(float(row.age))
            current = Attempt(key, row.job, row.attempts, row.arguments, row.request_id)
            with _current(current):
                await self._measured(job, current)

    async def _claimed(self, key: UUID, lease: timedelta) -> Sequence[Row[Any]]:
        """The job's row, or none; once PostgreSQL answers, since the broker says this only once."""
        while True:
            try:
                return await self._statements.rows(ledger.claim(key, self._worker, lease))
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                if isinstance(error, SQLAlchemyError) and translate(error) is None:
                    raise
                log.warning("job_waits", job_id=str(key), reason=repr(error))
                await asyncio.sleep(WAIT_SECONDS)

    async def _measured(self, job: Job, current: Attempt) -> None:
        started = time.perf_counter()
        outcome = "given_back"
        try:
            outcome = await self._attempt(job, current)
        finally:
            seconds = time.perf_counter() - started
            metrics.JOB_SECONDS.labels(job.name, outcome).observe(seconds)
            log.info("job", outcome=outcome, duration_ms=round(seconds * 1000, 1))

    async def _attempt(self, job: Job, current: Attempt) -> str:
        if current.number > job.attempts:
            return await self._bury(current, "no attempt came to an end: the workers died with it")
        try:
            async with asyncio.timeout(job.time_limit) as limit:
                await self._do(current)
        except AttemptOverruled:
            return "overruled"
        except Exception as error:  # noqa: BLE001 (whatever a job raises, it is tried again or set aside)
            late = f"TimeoutError: took longer than {job.time_limit:g} s"
            return await self._failed(job, current, error, late if limit.expired() else described(error))
        await self._statements.count(ledger.done(current))
        return "done"

    async def _do(self, current: Attempt) -> None:
        handler = self._registry.get(current.job)
        if handler is None:
            # a newer release may know it, next to which this one still runs in a rolling update
            message = f"no job is called {current.job}"
            raise LookupError(message)
        await handler(self._services, current.arguments)

    async def _failed(self, job: Job, current: Attempt, error: Exception, reason: str) -> str:
        """Have the job tried again, or set it aside; what the database says of rows is somebody's data, so not kept."""
        reason = str(hide_rows(None, "", {"exception": reason})["exception"])
        # text of PostgreSQL has no zeros, and no halves of characters
        reason = reason.replace("\0", "").encode(errors="replace").decode()[:MOST_OF_AN_ERROR]
        if all(isinstance(each, PermanentFailure) for each in leaves(error)) or current.number >= job.attempts:
            return await self._bury(current, reason, error)
        delay = backoff(job, current.number)
        log.warning("job_failed", reason=reason, delay_s=round(delay, 1), exc_info=error)
        again = ledger.try_again(current, reason, timedelta(seconds=delay))
        return "retried" if await self._statements.count(again) else "overruled"

    async def _bury(self, current: Attempt, reason: str, error: Exception | None = None) -> str:
        log.error("job_dead", reason=reason, exc_info=error)
        async with self._database.transaction() as session:
            return "dead" if await ledger.bury(session, current, reason) else "overruled"


def leaves(error: BaseException) -> list[BaseException]:
    """The error, or those that a group of errors is made of."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


def described(error: BaseException) -> str:
    """What went wrong, in a line for each of its causes."""
    return "\n".join(f"{type(leaf).__name__}: {leaf}" for leaf in leaves(error))


def backoff(job: Job, attempts: int) -> float:
    """Seconds until the next attempt: doubled each time, and spread, so that what failed together comes apart."""
    usual = min(job.longest_delay, job.first_delay * 2.0 ** min(attempts - 1, 32))
    return usual * _random.uniform(0.5, 1.5)


@contextmanager
def _current(current: Attempt) -> Iterator[None]:
    """Have logs and clients name the job, and the request that asked for it."""
    tokens = attempt.set(current), request_id.set(current.request_id)
    try:
        yield
    finally:
        attempt.reset(tokens[0])
        request_id.reset(tokens[1])
