"""Makes one attempt at a job: claims the job, calls its function, and records the outcome.

A claim is a lease, which ends `LEASE_MARGIN` after the job's time limit. If the worker is killed, another worker takes
the job when the lease has ended. An attempt that outlives its lease cannot commit a transaction that calls
`app.platform.jobs.outbox.finish`.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Generic
from uuid import UUID

import structlog
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from app.platform import tracing
from app.platform.context import request_id
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from app.platform.jobs import metrics, outbox
from app.platform.jobs.attempt import Attempt, AttemptSuperseded, PermanentFailure, attempt
from app.platform.jobs.autocommit import Statements
from app.platform.jobs.cause import parts
from app.platform.jobs.job import Job
from app.platform.jobs.registry import Registry, ServicesT
from app.platform.settings import DatabaseSettings
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

# seconds for recording the outcome of an attempt that reached its time limit
LEASE_MARGIN = 5.0
MAX_ERROR_LENGTH = 2000
# seconds between attempts to claim a job while PostgreSQL is unavailable
CLAIM_RETRY_SECONDS = 1.0
# older than the name: dashboards use this value of the label `outcome`
SUPERSEDED = "overruled"

_random = random.SystemRandom()


class Runner(Generic[ServicesT]):
    """Runs jobs on the services of this process, many at a time. `worker` is the name in their claims."""

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
        """Make an attempt at the job, unless it is done, running or not due."""
        handler = self._registry.get(name)
        job = handler.job if handler else Job(name)
        lease = timedelta(seconds=job.time_limit + LEASE_MARGIN)
        for row in await self._claim(key, lease):
            if row.attempts == 1:
                metrics.JOB_DELAY_SECONDS.labels(name).observe(float(row.age))
            current = Attempt(key, row.job, row.attempts, row.arguments, *parts(row.request_id))
            with _context_of(current):
                if tracing.spans is None:
                    await self._measure(job, current)
                else:
                    about = {"messaging.message.id": str(key), "job.attempt": current.number}
                    await tracing.spans.attempt(job.name, current.span, about, partial(self._measure, job, current))

    async def _claim(self, key: UUID, lease: timedelta) -> Sequence[Row[Any]]:
        """Return the job's row if it can be claimed. Wait for PostgreSQL: the broker will not repeat the delivery."""
        while True:
            try:
                return await self._statements.rows(outbox.claim(key, self._worker, lease))
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                if isinstance(error, SQLAlchemyError) and translate(error) is None:
                    raise
                log.warning("job_waits", job_id=str(key), reason=summary(error))
                await asyncio.sleep(CLAIM_RETRY_SECONDS)

    async def _measure(self, job: Job, current: Attempt) -> str:
        """Make the attempt; measure and log it, and return its outcome."""
        started = time.perf_counter()
        # the outcome if the attempt is cancelled
        outcome = "given_back"
        try:
            outcome = await self._attempt(job, current)
        finally:
            seconds = time.perf_counter() - started
            metrics.JOB_SECONDS.labels(job.name, outcome).observe(seconds)
            log.info("job", outcome=outcome, duration_ms=round(seconds * 1000, 1))
        return outcome

    async def _attempt(self, job: Job, current: Attempt) -> str:
        if current.number > job.attempts:
            return await self._give_up(current, "no attempt came to an end: the workers died with it")
        try:
            async with asyncio.timeout(job.time_limit) as limit:
                await self._call(current)
        except AttemptSuperseded:
            return SUPERSEDED
        except Exception as error:  # noqa: BLE001 (any error of a job leads to another attempt or a dead letter)
            late = f"TimeoutError: took longer than {job.time_limit:g} s"
            return await self._fail(job, current, error, late if limit.expired() else describe(error))
        await self._statements.count(outbox.done(current))
        return "done"

    async def _call(self, current: Attempt) -> None:
        handler = self._registry.get(current.job)
        if handler is None:
            # during a rolling update, a newer release may have enqueued it: fail, so that a new worker gets it later
            message = f"no job is called {current.job}"
            raise LookupError(message)
        await handler(self._services, current.arguments)

    async def _fail(self, job: Job, current: Attempt, error: Exception, reason: str) -> str:
        """Schedule another attempt, or give up."""
        # PostgreSQL's text cannot store null characters or lone surrogates
        reason = reason.replace("\0", "").encode(errors="replace").decode()[:MAX_ERROR_LENGTH]
        if all(isinstance(each, PermanentFailure) for each in leaves(error)) or current.number >= job.attempts:
            return await self._give_up(current, reason, error)
        delay = backoff(job, current.number)
        log.warning("job_failed", reason=reason, delay_s=round(delay, 1), exc_info=error)
        again = outbox.try_again(current, reason, timedelta(seconds=delay))
        return "retried" if await self._statements.count(again) else SUPERSEDED

    async def _give_up(self, current: Attempt, reason: str, error: Exception | None = None) -> str:
        log.error("job_dead", reason=reason, exc_info=error)
        async with self._database.transaction() as session:
            return "dead" if await outbox.move_to_dead_letters(session, current, reason) else SUPERSEDED


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group, including nested groups; of another error, the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]


def describe(error: BaseException) -> str:
    """Return class and message of the error, without values: one line for each error of a group."""
    return "\n".join(map(summary, leaves(error)))


def backoff(job: Job, attempts: int) -> float:
    """Return the seconds until the next attempt; they double each time, and vary so that failed jobs spread out."""
    usual = min(job.longest_delay, job.first_delay * 2.0 ** min(attempts - 1, 32))
    return usual * _random.uniform(0.5, 1.5)


@contextmanager
def _context_of(current: Attempt) -> Iterator[None]:
    """Set the context variables of the attempt and of the request that enqueued the job."""
    tokens = attempt.set(current), request_id.set(current.request_id)
    try:
        yield
    finally:
        attempt.reset(tokens[0])
        request_id.reset(tokens[1])
