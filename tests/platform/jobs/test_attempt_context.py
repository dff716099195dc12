"""Code in a job knows its attempt, and log events of a job name it."""

import json
import logging as stdlib

import pytest
import structlog

from app.platform import logging
from app.platform.context import request_id
from app.platform.jobs.attempt import Attempt, attempt
from app.platform.jobs.job import Job
from app.platform.jobs.logging import log_attempts
from app.platform.settings import Environment, LogSettings
from tests.platform.jobs.harness import JobHarness
from tests.platform.jobs.rows import insert_job

pytestmark = pytest.mark.commits


def configure_logs_of_a_worker() -> None:
    logging.configure(LogSettings.model_construct(), Environment.PRODUCTION)
    log_attempts()
    # a cached logger would keep writing to the output of this test
    structlog.configure(cache_logger_on_first_use=False)


async def log_own_and_library_event(_services: None) -> None:
    structlog.get_logger().info("ours")
    stdlib.getLogger("library").warning("theirs")


async def test_log_events_of_a_job_name_it(
    harness: JobHarness, job: Job, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    configure_logs_of_a_worker()
    key = await insert_job(harness.database, job.name, attempts=2, request_id="request-1")
    await harness.attempt(key, job, log_own_and_library_event)
    await log_own_and_library_event(None)
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    events = [line for line in lines if line["event"] in {"ours", "theirs"}]
    names = ("job", "job_id", "attempt", "request_id")
    expected = (job.name, str(key), 3, "request-1")
    assert [(event["event"], *(event.get(name) for name in names)) for event in events] == [
        ("ours", *expected),
        ("theirs", *expected),
        ("ours", None, None, None, None),
        ("theirs", None, None, None, None),
    ]


async def test_existing_field_of_an_event_is_kept(
    harness: JobHarness, job: Job, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    async def log_other(_services: None) -> None:
        structlog.get_logger().info("ours", job="another one")

    configure_logs_of_a_worker()
    await harness.run_once(job, log_other)
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [line["job"] for line in lines if line["event"] == "ours"] == ["another one"]


@pytest.mark.parametrize("fail", [False, True])
async def test_job_knows_its_attempt_and_the_id_of_its_request(harness: JobHarness, job: Job, fail: bool) -> None:
    seen: list[tuple[Attempt | None, str | None]] = []

    async def look(_services: None, number: int) -> None:
        seen.append((attempt.get(), request_id.get()))
        if fail:
            raise LookupError(number)

    key = await insert_job(harness.database, job.name, request_id="request-1", arguments={"number": 7})
    await harness.attempt(key, job, look)
    assert seen == [(Attempt(key, job.name, 1, {"number": 7}, "request-1"), "request-1")]
    assert (attempt.get(), request_id.get()) == (None, None)
