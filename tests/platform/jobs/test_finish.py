"""Effects that are committed together with the end of their job happen once."""

import asyncio

import pytest
from sqlalchemy import Engine, func, select

from app.features.users.models import User
from app.platform.db.session import Database
from app.platform.jobs.job import Job
from app.platform.jobs.models import JobState
from app.platform.jobs.outbox import finish
from tests.platform.jobs.harness import OTHER_WORKER, JobHarness, outcomes
from tests.platform.jobs.rows import insert_job, row_of
from tests.support.outbox import outbox
from tests.support.sql import recorded_statements

pytestmark = pytest.mark.commits


async def effects(database: Database) -> int:
    async with database.read() as session:
        return (await session.scalars(select(func.count()).select_from(User))).one()


async def finish_with_effect(database: Database, name: str, *, fail: bool = False) -> None:
    async with database.transaction() as session:
        session.add(User(email=f"{name}@example.com", password_hash="x"))
        await finish(session)
        if fail:
            raise LookupError


async def test_effect_and_end_of_the_job_are_committed_together(harness: JobHarness, job: Job) -> None:
    async def work(_services: None) -> None:
        await finish_with_effect(harness.database, "ada")
        assert await outbox(harness.database) == []

    await harness.run_once(job, work)
    assert await effects(harness.database) == 1
    assert outcomes(job) == {"done": 1}


async def test_effect_and_end_of_the_job_are_rolled_back_together(harness: JobHarness, job: Job) -> None:
    async def work(_services: None) -> None:
        await finish_with_effect(harness.database, "ada", fail=True)

    key = await harness.run_once(job, work)
    assert await effects(harness.database) == 0
    row = await row_of(harness.database, key)
    assert (row.state, row.attempts) == (JobState.WAITING, 1)
    assert outcomes(job) == {"retried": 1}


async def test_failure_after_finish_does_not_restore_the_job(harness: JobHarness, job: Job) -> None:
    async def work(_services: None) -> None:
        await finish_with_effect(harness.database, "ada")
        raise LookupError

    await harness.run_once(job, work)
    assert await effects(harness.database) == 1
    assert await outbox(harness.database) == []
    assert outcomes(job) == {"overruled": 1}


@pytest.mark.parametrize("other_is_done", [False, True])
async def test_attempt_with_an_expired_lease_has_no_effect(harness: JobHarness, job: Job, other_is_done: bool) -> None:
    started, released = asyncio.Event(), asyncio.Event()
    other_started, other_released = asyncio.Event(), asyncio.Event()

    async def late(_services: None) -> None:
        started.set()
        await released.wait()
        await finish_with_effect(harness.database, "late")

    async def other(_services: None) -> None:
        other_started.set()
        await other_released.wait()
        await finish_with_effect(harness.database, "other")

    key = await harness.enqueue(job)
    first = asyncio.create_task(harness.attempt(key, job, late))
    await started.wait()
    await harness.expire_lease(key)
    second = asyncio.create_task(harness.attempt(key, job, other, OTHER_WORKER))
    await other_started.wait()
    for event, attempt in [(other_released, second), (released, first)][:: 1 if other_is_done else -1]:
        event.set()
        await attempt
        assert await effects(harness.database) == (event is other_released or other_is_done)
    assert await effects(harness.database) == 1
    assert await outbox(harness.database) == []
    assert outcomes(job) == {"overruled": 1, "done": 1}


async def test_finish_does_nothing_outside_of_jobs(database: Database, sql_engine: Engine) -> None:
    await insert_job(database, state=JobState.RUNNING, attempts=1)
    with recorded_statements(sql_engine) as statements:
        async with database.transaction() as session:
            await finish(session)
    assert statements == []
    assert len(await outbox(database)) == 1
