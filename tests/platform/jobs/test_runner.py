"""The outcomes of an attempt: done, tried again, or moved to the dead letters."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Row
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.platform.errors import DatabaseUnavailable
from app.platform.jobs import runner
from app.platform.jobs.attempt import PermanentFailure
from app.platform.jobs.autocommit import Statement, Statements
from app.platform.jobs.job import Job
from app.platform.jobs.models import JobSchedule, JobState
from app.platform.jobs.runner import MAX_ERROR_LENGTH, backoff
from tests.platform.jobs.harness import WORKER, JobHarness, outcomes
from tests.platform.jobs.rows import dead_letters, insert_job, row_of
from tests.support.outbox import outbox

pytestmark = pytest.mark.commits


async def succeed(_services: None) -> None:
    pass


async def fail(_services: None, reason: str = "no luck") -> None:
    raise LookupError(reason)


async def fail_for_good(_services: None) -> None:
    raise PermanentFailure("there is no such thing")


async def never_end(_services: None) -> None:
    await asyncio.Event().wait()


async def test_finished_job_is_deleted(harness: JobHarness, job: Job) -> None:
    done: list[int] = []

    async def work(_services: None, number: int) -> None:
        done.append(number)

    await harness.run_once(job, work, number=7)
    assert done == [7]
    assert await outbox(harness.database) == []
    assert await dead_letters(harness.database) == []
    assert outcomes(job) == {"done": 1}


async def test_failed_job_is_tried_again_after_a_delay(harness: JobHarness, job: Job) -> None:
    job = replace(job, first_delay=1000.0)
    before = datetime.now(UTC)
    key = await harness.run_once(job, fail)
    row = await row_of(harness.database, key)
    assert (row.state, row.attempts, row.worker) == (JobState.WAITING, 1, None)
    assert row.error == "LookupError: no luck"
    assert 499 < (row.due_at - before).total_seconds() < 1600
    assert outcomes(job) == {"retried": 1}


async def test_delay_grows_with_each_failure(harness: JobHarness, job: Job) -> None:
    job = replace(job, first_delay=1000.0, longest_delay=100_000.0)
    key = await insert_job(harness.database, job.name, attempts=4)
    before = datetime.now(UTC)
    await harness.attempt(key, job, fail)
    row = await row_of(harness.database, key)
    assert row.attempts == 5
    assert 7_999 < (row.due_at - before).total_seconds() < 24_100


async def test_later_attempt_finishes_a_failed_job(harness: JobHarness, job: Job) -> None:
    key = await harness.run_once(job, fail)
    await harness.expire_lease(key)
    await harness.attempt(key, job, succeed)
    assert await outbox(harness.database) == []
    assert outcomes(job) == {"retried": 1, "done": 1}


async def test_job_beyond_its_time_limit_is_cancelled_and_fails(harness: JobHarness, job: Job) -> None:
    key = await harness.run_once(replace(job, time_limit=0.05), never_end)
    row = await row_of(harness.database, key)
    assert (row.state, row.error) == (JobState.WAITING, "TimeoutError: took longer than 0.05 s")


async def test_time_out_inside_a_job_is_an_ordinary_failure(harness: JobHarness, job: Job) -> None:
    async def time_out(_services: None) -> None:
        raise TimeoutError("the receiver is slow")

    key = await harness.run_once(job, time_out)
    assert (await row_of(harness.database, key)).error == "TimeoutError: the receiver is slow"


async def test_error_names_each_cause(harness: JobHarness, job: Job) -> None:
    async def fail_twice(_services: None) -> None:
        raise ExceptionGroup("both", [LookupError("no luck"), ExceptionGroup("more", [PermanentFailure("gone")])])

    key = await harness.run_once(job, fail_twice)
    row = await row_of(harness.database, key)
    assert (row.state, row.error) == (JobState.WAITING, "LookupError: no luck\nPermanentFailure: gone")


async def test_job_with_only_permanent_causes_becomes_a_dead_letter_at_once(harness: JobHarness, job: Job) -> None:
    async def gone(_services: None) -> None:
        raise ExceptionGroup("all", [PermanentFailure("one"), PermanentFailure("other")])

    await harness.run_once(job, gone)
    (dead,) = await dead_letters(harness.database)
    assert (dead.attempts, dead.error) == (1, "PermanentFailure: one\nPermanentFailure: other")


@pytest.mark.parametrize("away", [DatabaseUnavailable(), PoolTimeoutError()])
async def test_job_is_claimed_once_postgresql_is_back(
    harness: JobHarness, job: Job, monkeypatch: pytest.MonkeyPatch, away: Exception
) -> None:
    monkeypatch.setattr(runner, "CLAIM_RETRY_SECONDS", 0.01)
    failures = [away, away]
    rows = Statements.rows

    async def fail_first(self: Statements, query: Statement) -> Sequence[Row[Any]]:
        if failures:
            raise failures.pop()
        return await rows(self, query)

    monkeypatch.setattr(Statements, "rows", fail_first)
    await harness.run_once(job, succeed)
    assert await outbox(harness.database) == []
    assert outcomes(job) == {"done": 1}


@pytest.mark.parametrize("attempts", [0, 5])
async def test_permanent_failure_becomes_a_dead_letter_at_once(harness: JobHarness, job: Job, attempts: int) -> None:
    key = await insert_job(harness.database, job.name, attempts=attempts, arguments={}, request_id="request-1")
    asked_at = (await row_of(harness.database, key)).created_at
    await harness.attempt(key, job, fail_for_good)
    assert await outbox(harness.database) == []
    (dead,) = await dead_letters(harness.database)
    assert (dead.id, dead.job, dead.arguments, dead.request_id) == (key, job.name, {}, "request-1")
    assert (dead.attempts, dead.created_at) == (attempts + 1, asked_at)
    assert dead.error == "PermanentFailure: there is no such thing"
    assert dead.died_at >= asked_at
    assert outcomes(job) == {"dead": 1}


async def test_last_failed_attempt_becomes_a_dead_letter(harness: JobHarness, job: Job) -> None:
    job = replace(job, attempts=2)
    key = await harness.run_once(job, fail, reason="once more")
    await harness.expire_lease(key)
    await harness.attempt(key, job, fail)
    assert await outbox(harness.database) == []
    (dead,) = await dead_letters(harness.database)
    assert (dead.id, dead.attempts, dead.arguments) == (key, 2, {"reason": "once more"})
    assert dead.error == "LookupError: once more"
    assert outcomes(job) == {"retried": 1, "dead": 1}


async def test_job_that_killed_its_workers_becomes_a_dead_letter_without_another_attempt(
    harness: JobHarness, job: Job
) -> None:
    key = await insert_job(harness.database, job.name, JobState.RUNNING, attempts=job.attempts, worker=WORKER)
    await harness.attempt(key, job, never_end)
    (dead,) = await dead_letters(harness.database)
    assert (dead.id, dead.attempts) == (key, job.attempts + 1)
    assert dead.error == "no attempt came to an end: the workers died with it"


async def test_unknown_job_waits_for_a_newer_release(harness: JobHarness, job: Job) -> None:
    key = await harness.run_once(job, None)
    row = await row_of(harness.database, key)
    assert (row.state, row.attempts) == (JobState.WAITING, 1)
    assert row.error == f"LookupError: no job is called {job.name}"


@pytest.mark.parametrize("arguments", [{}, {"number": "many"}, {"number": 7, "colour": "red"}])
async def test_job_with_wrong_arguments_becomes_a_dead_letter_at_once(
    harness: JobHarness, job: Job, arguments: dict[str, object]
) -> None:
    async def count(_services: None, number: int) -> None:
        raise AssertionError(number)

    await harness.run_once(job, count, **arguments)
    (dead,) = await dead_letters(harness.database)
    assert dead.arguments == arguments
    assert dead.error is not None
    assert dead.error.startswith("PermanentFailure: the arguments do not fit: ")
    assert "many" not in dead.error


async def test_stored_error_does_not_show_rows(harness: JobHarness, job: Job) -> None:
    async def violate(_services: None) -> None:
        async with harness.database.transaction() as session:
            session.add_all([JobSchedule(name="hunter2", slot=datetime.now(UTC)) for _ in range(2)])

    key = await harness.run_once(job, violate)
    error = (await row_of(harness.database, key)).error
    assert error is not None
    assert error.startswith("IntegrityError: ")
    assert "pk_job_schedules" in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    ("reason", "stored"),
    [
        ("x" * 10_000, "x" * (MAX_ERROR_LENGTH - len("LookupError: "))),
        ("what PostgreSQL\0 cannot store", "what PostgreSQL cannot store"),
    ],
)
async def test_any_error_can_be_stored(harness: JobHarness, job: Job, reason: str, stored: str) -> None:
    async def complain(_services: None) -> None:
        raise LookupError(reason)

    key = await harness.run_once(job, complain)
    row = await row_of(harness.database, key)
    assert (row.state, row.error) == (JobState.WAITING, f"LookupError: {stored}")


async def test_delay_before_the_first_attempt_is_measured_once(harness: JobHarness, job: Job) -> None:
    def measured() -> float | None:
        return REGISTRY.get_sample_value("job_start_delay_seconds_count", {"job": job.name})

    key = await harness.run_once(job, fail)
    assert measured() == 1
    await harness.expire_lease(key)
    await harness.attempt(key, job, succeed)
    assert measured() == 1


def test_delays_double_up_to_the_longest_and_vary() -> None:
    job = Job("sample", first_delay=5.0, longest_delay=60.0)
    for attempts, usual in ((1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0), (5, 60.0), (6, 60.0), (10_000, 60.0)):
        delays = [backoff(job, attempts) for _ in range(500)]
        assert usual * 0.5 <= min(delays) < usual * 0.6
        assert usual * 1.4 < max(delays) <= usual * 1.5
