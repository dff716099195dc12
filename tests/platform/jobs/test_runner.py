"""What becomes of a job after an attempt: done, tried again, or set aside."""

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
from app.platform.jobs.models import JobSchedule, JobState
from app.platform.jobs.outbox import Job
from app.platform.jobs.runner import MOST_OF_AN_ERROR, backoff
from app.platform.jobs.statements import Query, Statements
from tests.platform.jobs.bench import FIRST, Bench, outcomes
from tests.platform.jobs.rows import graveyard, put, row_of
from tests.support.outbox import outbox

pytestmark = pytest.mark.commits


async def succeed(_services: None) -> None:
    pass


async def fail(_services: None, reason: str = "no luck") -> None:
    raise LookupError(reason)


async def give_up(_services: None) -> None:
    raise PermanentFailure("there is no such thing")


async def never_end(_services: None) -> None:
    await asyncio.Event().wait()


async def test_job_that_was_done_is_gone(bench: Bench, job: Job) -> None:
    done: list[int] = []

    async def work(_services: None, number: int) -> None:
        done.append(number)

    await bench.do(job, work, number=7)
    assert done == [7]
    assert await outbox(bench.database) == []
    assert await graveyard(bench.database) == []
    assert outcomes(job) == {"done": 1}


async def test_failed_job_is_tried_again_after_a_delay(bench: Bench, job: Job) -> None:
    job = replace(job, first_delay=1000.0)
    before = datetime.now(UTC)
    key = await bench.do(job, fail)
    row = await row_of(bench.database, key)
    assert (row.state, row.attempts, row.worker) == (JobState.WAITING, 1, None)
    assert row.error == "LookupError: no luck"
    assert 499 < (row.due_at - before).total_seconds() < 1600
    assert outcomes(job) == {"retried": 1}


async def test_each_failure_makes_the_delay_longer(bench: Bench, job: Job) -> None:
    job = replace(job, first_delay=1000.0, longest_delay=100_000.0)
    key = await put(bench.database, job.name, attempts=4)
    before = datetime.now(UTC)
    await bench.attempt(key, job, fail)
    row = await row_of(bench.database, key)
    assert row.attempts == 5
    assert 7_999 < (row.due_at - before).total_seconds() < 24_100


async def test_job_that_fails_first_is_done_by_a_later_attempt(bench: Bench, job: Job) -> None:
    key = await bench.do(job, fail)
    await bench.run_out(key)
    await bench.attempt(key, job, succeed)
    assert await outbox(bench.database) == []
    assert outcomes(job) == {"retried": 1, "done": 1}


async def test_job_that_takes_too_long_is_cancelled_and_has_failed(bench: Bench, job: Job) -> None:
    key = await bench.do(replace(job, time_limit=0.05), never_end)
    row = await row_of(bench.database, key)
    assert (row.state, row.error) == (JobState.WAITING, "TimeoutError: took longer than 0.05 s")


async def test_time_out_of_the_job_itself_is_a_failure_like_others(bench: Bench, job: Job) -> None:
    async def time_out(_services: None) -> None:
        raise TimeoutError("the receiver is slow")

    key = await bench.do(job, time_out)
    assert (await row_of(bench.database, key)).error == "TimeoutError: the receiver is slow"


async def test_each_cause_of_a_failure_is_told(bench: Bench, job: Job) -> None:
    async def fail_twice(_services: None) -> None:
        raise ExceptionGroup("both", [LookupError("no luck"), ExceptionGroup("more", [PermanentFailure("gone")])])

    key = await bench.do(job, fail_twice)
    row = await row_of(bench.database, key)
    assert (row.state, row.error) == (JobState.WAITING, "LookupError: no luck\nPermanentFailure: gone")


async def test_job_whose_every_cause_is_permanent_is_set_aside_at_once(bench: Bench, job: Job) -> None:
    async def gone(_services: None) -> None:
        raise ExceptionGroup("all", [PermanentFailure("one"), PermanentFailure("other")])

    await bench.do(job, gone)
    (dead,) = await graveyard(bench.database)
    assert (dead.attempts, dead.error) == (1, "PermanentFailure: one\nPermanentFailure: other")


@pytest.mark.parametrize("away", [DatabaseUnavailable(), PoolTimeoutError()])
async def test_job_is_claimed_once_postgresql_is_back(
    bench: Bench, job: Job, monkeypatch: pytest.MonkeyPatch, away: Exception
) -> None:
    monkeypatch.setattr(runner, "WAIT_SECONDS", 0.01)
    failures = [away, away]
    rows = Statements.rows

    async def fail_first(self: Statements, query: Query) -> Sequence[Row[Any]]:
        if failures:
            raise failures.pop()
        return await rows(self, query)

    monkeypatch.setattr(Statements, "rows", fail_first)
    await bench.do(job, succeed)
    assert await outbox(bench.database) == []
    assert outcomes(job) == {"done": 1}


@pytest.mark.parametrize("attempts", [0, 5])
async def test_job_that_gives_up_is_set_aside_at_once(bench: Bench, job: Job, attempts: int) -> None:
    key = await put(bench.database, job.name, attempts=attempts, arguments={}, request_id="request-1")
    asked_at = (await row_of(bench.database, key)).created_at
    await bench.attempt(key, job, give_up)
    assert await outbox(bench.database) == []
    (dead,) = await graveyard(bench.database)
    assert (dead.id, dead.job, dead.arguments, dead.request_id) == (key, job.name, {}, "request-1")
    assert (dead.attempts, dead.created_at) == (attempts + 1, asked_at)
    assert dead.error == "PermanentFailure: there is no such thing"
    assert dead.died_at >= asked_at
    assert outcomes(job) == {"dead": 1}


async def test_job_that_has_failed_often_enough_is_set_aside(bench: Bench, job: Job) -> None:
    job = replace(job, attempts=2)
    key = await bench.do(job, fail, reason="once more")
    await bench.run_out(key)
    await bench.attempt(key, job, fail)
    assert await outbox(bench.database) == []
    (dead,) = await graveyard(bench.database)
    assert (dead.id, dead.attempts, dead.arguments) == (key, 2, {"reason": "once more"})
    assert dead.error == "LookupError: once more"
    assert outcomes(job) == {"retried": 1, "dead": 1}


async def test_job_that_kills_its_workers_is_set_aside_without_another_attempt(bench: Bench, job: Job) -> None:
    key = await put(bench.database, job.name, JobState.RUNNING, attempts=job.attempts, worker=FIRST)
    await bench.attempt(key, job, never_end)
    (dead,) = await graveyard(bench.database)
    assert (dead.id, dead.attempts) == (key, job.attempts + 1)
    assert dead.error == "no attempt came to an end: the workers died with it"


async def test_job_that_nobody_knows_is_left_to_a_newer_release(bench: Bench, job: Job) -> None:
    key = await bench.do(job, None)
    row = await row_of(bench.database, key)
    assert (row.state, row.attempts) == (JobState.WAITING, 1)
    assert row.error == f"LookupError: no job is called {job.name}"


@pytest.mark.parametrize("arguments", [{}, {"number": "many"}, {"number": 7, "colour": "red"}])
async def test_job_with_arguments_that_do_not_fit_is_set_aside_at_once(
    bench: Bench, job: Job, arguments: dict[str, object]
) -> None:
    async def count(_services: None, number: int) -> None:
        raise AssertionError(number)

    await bench.do(job, count, **arguments)
    (dead,) = await graveyard(bench.database)
    assert dead.arguments == arguments
    assert dead.error is not None
    assert dead.error.startswith("PermanentFailure: the arguments do not fit: ")
    assert "many" not in dead.error


async def test_what_postgresql_says_of_rows_is_not_kept(bench: Bench, job: Job) -> None:
    async def violate(_services: None) -> None:
        async with bench.database.transaction() as session:
            session.add_all([JobSchedule(name="hunter2", slot=datetime.now(UTC)) for _ in range(2)])

    key = await bench.do(job, violate)
    error = (await row_of(bench.database, key)).error
    assert error is not None
    assert error.startswith("IntegrityError: ")
    assert "pk_job_schedules" in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("x" * 10_000, "x" * (MOST_OF_AN_ERROR - len("LookupError: "))),
        ("refused\n DETAIL: Key (email)=(hunter2)\nafter", "refused\nafter"),
        ("what PostgreSQL\0 cannot store", "what PostgreSQL cannot store"),
    ],
)
async def test_no_error_is_too_odd_to_be_kept(bench: Bench, job: Job, reason: str, kept: str) -> None:
    async def complain(_services: None) -> None:
        raise LookupError(reason)

    key = await bench.do(job, complain)
    row = await row_of(bench.database, key)
    assert (row.state, row.error) == (JobState.WAITING, f"LookupError: {kept}")


async def test_delay_before_the_first_attempt_is_measured_once(bench: Bench, job: Job) -> None:
    def measured() -> float | None:
        return REGISTRY.get_sample_value("job_start_delay_seconds_count", {"job": job.name})

    key = await bench.do(job, fail)
    assert measured() == 1
    await bench.run_out(key)
    await bench.attempt(key, job, succeed)
    assert measured() == 1


def test_delays_double_up_to_the_longest_and_are_spread() -> None:
    job = Job("sample", first_delay=5.0, longest_delay=60.0)
    for attempts, usual in ((1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0), (5, 60.0), (6, 60.0), (10_000, 60.0)):
        delays = [backoff(job, attempts) for _ in range(500)]
        assert usual * 0.5 <= min(delays) < usual * 0.6
        assert usual * 1.4 < max(delays) <= usual * 1.5
