"""Whatever runs in a job can tell which job it is, and so do its log lines."""

import json
import logging as stdlib
from collections.abc import Iterator

import pytest
import structlog

from app.platform import logging
from app.platform.context import request_id
from app.platform.jobs.attempt import Attempt, attempt, log_attempts
from app.platform.jobs.outbox import Job
from app.platform.settings import Environment, LogSettings
from tests.platform.jobs.bench import Bench
from tests.platform.jobs.rows import put

pytestmark = pytest.mark.commits


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    logging.configure(LogSettings.model_construct(level="DEBUG"), Environment.PRODUCTION)


def log_as_a_worker() -> None:
    logging.configure(LogSettings.model_construct(), Environment.PRODUCTION)
    log_attempts()
    # the logger of a module would keep the output of this test
    structlog.configure(cache_logger_on_first_use=False)


async def log_both(_services: None) -> None:
    structlog.get_logger().info("ours")
    stdlib.getLogger("library").warning("theirs")


async def test_log_lines_of_a_job_name_it(bench: Bench, job: Job, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    log_as_a_worker()
    key = await put(bench.database, job.name, attempts=2, request_id="request-1")
    await bench.attempt(key, job, log_both)
    await log_both(None)
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


async def test_field_that_an_event_has_already_is_left_alone(
    bench: Bench, job: Job, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    async def log_other(_services: None) -> None:
        structlog.get_logger().info("ours", job="another one")

    log_as_a_worker()
    await bench.do(job, log_other)
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [line["job"] for line in lines if line["event"] == "ours"] == ["another one"]


@pytest.mark.parametrize("fail", [False, True])
async def test_job_knows_its_attempt_and_the_request_it_comes_from(bench: Bench, job: Job, fail: bool) -> None:
    seen: list[tuple[Attempt | None, str | None]] = []

    async def look(_services: None, number: int) -> None:
        seen.append((attempt.get(), request_id.get()))
        if fail:
            raise LookupError(number)

    key = await put(bench.database, job.name, request_id="request-1", arguments={"number": 7})
    await bench.attempt(key, job, look)
    assert seen == [(Attempt(key, job.name, 1, {"number": 7}, "request-1"), "request-1")]
    assert (attempt.get(), request_id.get()) == (None, None)
