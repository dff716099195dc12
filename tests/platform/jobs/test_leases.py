"""One attempt at a time holds a job: how jobs are claimed, given back, and lost."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import pytest

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs.attempt import AttemptSuperseded, PermanentFailure
from app.platform.jobs.autocommit import Statement
from app.platform.jobs.broker import Delivery
from app.platform.jobs.job import Job
from app.platform.jobs.models import JobState
from app.platform.jobs.outbox import give_back
from app.platform.jobs.relay import Relay
from app.platform.jobs.runner import LEASE_MARGIN
from tests.platform.jobs.harness import OTHER_WORKER, WORKER, Function, JobHarness, outcomes
from tests.platform.jobs.rows import SOON, dead_letters, insert_job, row_of, waiting_for_locks
from tests.support.outbox import outbox
from tests.support.server import PATIENCE

pytestmark = pytest.mark.commits


class HeldJob:
    """A job that waits after its start until the test releases it."""

    def __init__(self, end: Function | None = None) -> None:
        self.started = asyncio.Event()
        self.released = asyncio.Event()
        self.starts = 0
        self._end = end

    async def __call__(self, _services: None) -> None:
        self.starts += 1
        self.started.set()
        async with asyncio.timeout(PATIENCE):
            await self.released.wait()
        if self._end:
            await self._end(_services)


async def execute(harness: JobHarness, statement: Statement) -> None:
    async with harness.database.transaction() as session:
        await session.execute(*statement)


async def fail(_services: None) -> None:
    raise LookupError


async def fail_for_good(_services: None) -> None:
    raise PermanentFailure


async def test_finished_job_is_not_started_again(harness: JobHarness, job: Job) -> None:
    work = HeldJob()
    work.released.set()
    key = await harness.run_once(job, work)
    await harness.attempt(key, job, work)
    assert work.starts == 1
    assert outcomes(job) == {"done": 1}


@pytest.mark.parametrize("state", [JobState.WAITING, JobState.RUNNING])
async def test_job_that_is_not_due_is_not_started(harness: JobHarness, job: Job, state: JobState) -> None:
    work = HeldJob()
    key = await insert_job(harness.database, job.name, state, SOON, worker=OTHER_WORKER, attempts=2)
    before = (await row_of(harness.database, key)).due_at
    await harness.attempt(key, job, work)
    row = await row_of(harness.database, key)
    assert work.starts == 0
    assert (row.state, row.due_at, row.worker, row.attempts) == (state, before, OTHER_WORKER, 2)
    assert outcomes(job) == {}


@pytest.mark.parametrize(
    ("state", "due"),
    [(JobState.WAITING, timedelta()), (JobState.RUNNING, timedelta()), (JobState.DELIVERED, SOON)],
)
async def test_claimed_job_belongs_to_the_worker_until_its_lease_ends(
    harness: JobHarness, job: Job, state: JobState, due: timedelta
) -> None:
    work = HeldJob()
    key = await insert_job(harness.database, job.name, state, due, attempts=2)
    running = asyncio.create_task(harness.attempt(key, job, work))
    await work.started.wait()
    row = await row_of(harness.database, key)
    assert (row.state, row.worker, row.attempts) == (JobState.RUNNING, WORKER, 3)
    lease = (row.due_at - row.created_at).total_seconds()
    assert job.time_limit + LEASE_MARGIN <= lease < job.time_limit + LEASE_MARGIN + PATIENCE
    await harness.attempt(key, job, work, OTHER_WORKER)
    assert work.starts == 1
    work.released.set()
    await running
    assert await outbox(harness.database) == []


async def test_claim_waits_for_the_relay_that_is_delivering_the_job(
    harness: JobHarness, job: Job, database: Database, settings: Settings
) -> None:
    attempts: list[asyncio.Task[None]] = []
    work = HeldJob()
    work.released.set()

    class EarlyBroker:
        """Starts the attempts before the relay has committed the deliveries."""

        async def publish(self, deliveries: Sequence[Delivery]) -> None:
            attempts.extend(asyncio.create_task(harness.attempt(each.key, job, work)) for each in deliveries)
            await waiting_for_locks(database)

    await harness.enqueue(job)
    await Relay(database, EarlyBroker(), settings.jobs).deliver_due()
    await asyncio.gather(*attempts)
    assert work.starts == 1
    assert await outbox(database) == []


@pytest.mark.parametrize("end", [None, fail, fail_for_good])
async def test_attempt_with_an_expired_lease_leaves_the_job_to_the_other_worker(
    harness: JobHarness, job: Job, end: Function | None
) -> None:
    late, other = HeldJob(end), HeldJob()
    key = await harness.enqueue(job)
    first = asyncio.create_task(harness.attempt(key, job, late))
    await late.started.wait()
    await harness.expire_lease(key)
    second = asyncio.create_task(harness.attempt(key, job, other, OTHER_WORKER))
    await other.started.wait()
    late.released.set()
    await first
    row = await row_of(harness.database, key)
    assert (row.state, row.worker, row.attempts, row.error) == (JobState.RUNNING, OTHER_WORKER, 2, None)
    other.released.set()
    await second
    assert await outbox(harness.database) == []
    assert await dead_letters(harness.database) == []
    assert outcomes(job) == ({"done": 2} if end is None else {"overruled": 1, "done": 1})


async def test_cancelled_job_can_be_given_back_without_counting_the_attempt(harness: JobHarness, job: Job) -> None:
    work = HeldJob()
    key = await harness.enqueue(job)
    task = asyncio.create_task(harness.attempt(key, job, work))
    await work.started.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert (await row_of(harness.database, key)).state == JobState.RUNNING
    assert outcomes(job) == {"given_back": 1}
    await execute(harness, give_back(OTHER_WORKER))
    assert (await row_of(harness.database, key)).state == JobState.RUNNING
    await execute(harness, give_back(WORKER))
    row = await row_of(harness.database, key)
    assert (row.state, row.worker, row.attempts, row.error) == (JobState.WAITING, None, 0, None)
    work.released.set()
    await harness.attempt(key, job, work, OTHER_WORKER)
    assert await outbox(harness.database) == []


async def test_job_that_the_worker_does_not_run_is_not_given_back(harness: JobHarness) -> None:
    waiting = await insert_job(harness.database, attempts=2, due=SOON, worker=None)
    await execute(harness, give_back(WORKER))
    row = await row_of(harness.database, waiting)
    assert (row.attempts, row.due_at > row.created_at) == (2, True)


async def test_superseded_attempt_is_no_failure(harness: JobHarness, job: Job) -> None:
    async def find_out(_services: None) -> None:
        raise AttemptSuperseded

    key = await harness.run_once(job, find_out)
    row = await row_of(harness.database, key)
    assert (row.state, row.error) == (JobState.RUNNING, None)
    assert outcomes(job) == {"overruled": 1}
