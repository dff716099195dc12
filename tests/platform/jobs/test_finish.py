"""Effects that are committed with the end of their job happen once."""

import asyncio

import pytest
from sqlalchemy import Engine, func, select

from app.features.users.models import User
from app.platform.db.session import Database
from app.platform.jobs.attempt import finish
from app.platform.jobs.models import JobState
from app.platform.jobs.outbox import Job
from tests.platform.jobs.bench import SECOND, Bench, outcomes
from tests.platform.jobs.rows import put, row_of
from tests.support.outbox import outbox
from tests.support.sql import recorded_statements

pytestmark = pytest.mark.commits


async def effects(database: Database) -> int:
    async with database.read() as session:
        return (await session.scalars(select(func.count()).select_from(User))).one()


async def have_effect(database: Database, name: str, *, fail: bool = False) -> None:
    async with database.transaction() as session:
        session.add(User(email=f"{name}@example.com", password_hash="x"))
        await finish(session)
        if fail:
            raise LookupError


async def test_effect_and_end_of_the_job_are_committed_together(bench: Bench, job: Job) -> None:
    async def work(_services: None) -> None:
        await have_effect(bench.database, "ada")
        assert await outbox(bench.database) == []

    await bench.do(job, work)
    assert await effects(bench.database) == 1
    assert outcomes(job) == {"done": 1}


async def test_effect_and_end_of_the_job_are_rolled_back_together(bench: Bench, job: Job) -> None:
    async def work(_services: None) -> None:
        await have_effect(bench.database, "ada", fail=True)

    key = await bench.do(job, work)
    assert await effects(bench.database) == 0
    row = await row_of(bench.database, key)
    assert (row.state, row.attempts) == (JobState.WAITING, 1)
    assert outcomes(job) == {"retried": 1}


async def test_failure_after_the_end_does_not_bring_the_job_back(bench: Bench, job: Job) -> None:
    async def work(_services: None) -> None:
        await have_effect(bench.database, "ada")
        raise LookupError

    await bench.do(job, work)
    assert await effects(bench.database) == 1
    assert await outbox(bench.database) == []
    assert outcomes(job) == {"overruled": 1}


@pytest.mark.parametrize("other_is_done", [False, True])
async def test_attempt_whose_lease_ran_out_has_no_effect(bench: Bench, job: Job, other_is_done: bool) -> None:
    begun, goes_on = asyncio.Event(), asyncio.Event()
    other_begun, other_goes_on = asyncio.Event(), asyncio.Event()

    async def late(_services: None) -> None:
        begun.set()
        await goes_on.wait()
        await have_effect(bench.database, "late")

    async def other(_services: None) -> None:
        other_begun.set()
        await other_goes_on.wait()
        await have_effect(bench.database, "other")

    key = await bench.ask(job)
    first = asyncio.create_task(bench.attempt(key, job, late))
    await begun.wait()
    await bench.run_out(key)
    second = asyncio.create_task(bench.attempt(key, job, other, SECOND))
    await other_begun.wait()
    for event, attempt in [(other_goes_on, second), (goes_on, first)][:: 1 if other_is_done else -1]:
        event.set()
        await attempt
        assert await effects(bench.database) == (event is other_goes_on or other_is_done)
    assert await effects(bench.database) == 1
    assert await outbox(bench.database) == []
    assert outcomes(job) == {"overruled": 1, "done": 1}


async def test_outside_of_jobs_there_is_nothing_to_finish(database: Database, sql_engine: Engine) -> None:
    await put(database, state=JobState.RUNNING, attempts=1)
    with recorded_statements(sql_engine) as statements:
        async with database.transaction() as session:
            await finish(session)
    assert statements == []
    assert len(await outbox(database)) == 1
