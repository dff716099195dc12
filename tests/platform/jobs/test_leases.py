"""A job belongs to one attempt at a time: how it is claimed, given back, and lost."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import pytest

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs import ledger
from app.platform.jobs.attempt import AttemptOverruled, PermanentFailure
from app.platform.jobs.broker import Handover
from app.platform.jobs.models import JobState
from app.platform.jobs.outbox import Job
from app.platform.jobs.relay import Relay
from app.platform.jobs.runner import LEASE_MARGIN
from app.platform.jobs.statements import Query
from tests.platform.jobs.bench import FIRST, SECOND, Bench, Function, outcomes
from tests.platform.jobs.rows import SOON, graveyard, put, row_of, waiting_for_locks
from tests.support.outbox import outbox
from tests.support.server import PATIENCE

pytestmark = pytest.mark.commits


class Held:
    """A job that says when it has begun, and goes on when it is told to."""

    def __init__(self, end: Function | None = None) -> None:
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.begins = 0
        self._end = end

    async def __call__(self, _services: None) -> None:
        self.begins += 1
        self.begun.set()
        async with asyncio.timeout(PATIENCE):
            await self.goes_on.wait()
        if self._end:
            await self._end(_services)


async def change(bench: Bench, query: Query) -> None:
    async with bench.database.transaction() as session:
        await session.execute(*query)


async def fail(_services: None) -> None:
    raise LookupError


async def give_up(_services: None) -> None:
    raise PermanentFailure


async def test_job_that_was_done_is_not_begun_again(bench: Bench, job: Job) -> None:
    work = Held()
    work.goes_on.set()
    key = await bench.do(job, work)
    await bench.attempt(key, job, work)
    assert work.begins == 1
    assert outcomes(job) == {"done": 1}


@pytest.mark.parametrize("state", [JobState.WAITING, JobState.RUNNING])
async def test_job_that_is_not_due_is_not_begun(bench: Bench, job: Job, state: JobState) -> None:
    work = Held()
    key = await put(bench.database, job.name, state, SOON, worker=SECOND, attempts=2)
    before = (await row_of(bench.database, key)).due_at
    await bench.attempt(key, job, work)
    row = await row_of(bench.database, key)
    assert work.begins == 0
    assert (row.state, row.due_at, row.worker, row.attempts) == (state, before, SECOND, 2)
    assert outcomes(job) == {}


@pytest.mark.parametrize(
    ("state", "due"),
    [(JobState.WAITING, timedelta()), (JobState.RUNNING, timedelta()), (JobState.HANDED_OVER, SOON)],
)
async def test_begun_job_is_the_workers_until_its_lease_ends(
    bench: Bench, job: Job, state: JobState, due: timedelta
) -> None:
    work = Held()
    key = await put(bench.database, job.name, state, due, attempts=2)
    running = asyncio.create_task(bench.attempt(key, job, work))
    await work.begun.wait()
    row = await row_of(bench.database, key)
    assert (row.state, row.worker, row.attempts) == (JobState.RUNNING, FIRST, 3)
    lease = (row.due_at - row.created_at).total_seconds()
    assert job.time_limit + LEASE_MARGIN <= lease < job.time_limit + LEASE_MARGIN + PATIENCE
    await bench.attempt(key, job, work, SECOND)
    assert work.begins == 1
    work.goes_on.set()
    await running
    assert await outbox(bench.database) == []


async def test_worker_waits_for_the_relay_that_is_handing_the_job_over(
    bench: Bench, job: Job, database: Database, settings: Settings
) -> None:
    attempts: list[asyncio.Task[None]] = []
    work = Held()
    work.goes_on.set()

    class Quick:
        """Its workers begin before the relay has written down that they were told."""

        async def push(self, handovers: Sequence[Handover]) -> None:
            attempts.extend(asyncio.create_task(bench.attempt(each.key, job, work)) for each in handovers)
            await waiting_for_locks(database)

    await bench.ask(job)
    await Relay(database, Quick(), settings.tasks).hand_over()
    await asyncio.gather(*attempts)
    assert work.begins == 1
    assert await outbox(database) == []


@pytest.mark.parametrize("end", [None, fail, give_up])
async def test_attempt_whose_lease_ran_out_leaves_the_job_to_the_other_worker(
    bench: Bench, job: Job, end: Function | None
) -> None:
    late, other = Held(end), Held()
    key = await bench.ask(job)
    first = asyncio.create_task(bench.attempt(key, job, late))
    await late.begun.wait()
    await bench.run_out(key)
    second = asyncio.create_task(bench.attempt(key, job, other, SECOND))
    await other.begun.wait()
    late.goes_on.set()
    await first
    row = await row_of(bench.database, key)
    assert (row.state, row.worker, row.attempts, row.error) == (JobState.RUNNING, SECOND, 2, None)
    other.goes_on.set()
    await second
    assert await outbox(bench.database) == []
    assert await graveyard(bench.database) == []
    assert outcomes(job) == ({"done": 2} if end is None else {"overruled": 1, "done": 1})


async def test_cancelled_job_is_given_back_and_the_attempt_does_not_count(bench: Bench, job: Job) -> None:
    work = Held()
    key = await bench.ask(job)
    task = asyncio.create_task(bench.attempt(key, job, work))
    await work.begun.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert (await row_of(bench.database, key)).state == JobState.RUNNING
    assert outcomes(job) == {"given_back": 1}
    await change(bench, ledger.give_back(SECOND))
    assert (await row_of(bench.database, key)).state == JobState.RUNNING
    await change(bench, ledger.give_back(FIRST))
    row = await row_of(bench.database, key)
    assert (row.state, row.worker, row.attempts, row.error) == (JobState.WAITING, None, 0, None)
    work.goes_on.set()
    await bench.attempt(key, job, work, SECOND)
    assert await outbox(bench.database) == []


async def test_what_a_worker_has_not_on_its_hands_is_not_given_back(bench: Bench) -> None:
    waiting = await put(bench.database, attempts=2, due=SOON, worker=None)
    await change(bench, ledger.give_back(FIRST))
    row = await row_of(bench.database, waiting)
    assert (row.attempts, row.due_at > row.created_at) == (2, True)


async def test_attempt_that_says_it_was_overruled_is_no_failure(bench: Bench, job: Job) -> None:
    async def overruled(_services: None) -> None:
        raise AttemptOverruled

    key = await bench.do(job, overruled)
    row = await row_of(bench.database, key)
    assert (row.state, row.error) == (JobState.RUNNING, None)
    assert outcomes(job) == {"overruled": 1}
