"""Logs, metrics, schedules, dead letters and startup errors of worker processes."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.platform.context import request_id
from tests.platform.jobs.process.deployment import Deployment
from tests.platform.jobs.process.jobs import FAILING, FLAKY, WARM
from tests.platform.jobs.process.workers import Worker, wait_until

REQUEST = "the-request-that-asked"


@pytest.fixture
def _in_a_request() -> Iterator[None]:
    token = request_id.set(REQUEST)
    yield
    request_id.reset(token)


async def test_two_workers_fire_each_slot_once(shared: Deployment, pair: tuple[Worker, Worker]) -> None:
    def slots() -> list[str]:
        return [event["slot"] for worker in pair for event in worker.logged("schedule_fired")]

    await wait_until(lambda: len(slots()) >= 3, "the schedule is fired three times")
    assert len(slots()) == len(set(slots()))

    async def all_done() -> bool:
        return await shared.count("effects", "job = 'tick'") >= 3

    await wait_until(all_done, "the scheduled jobs are done")
    assert await shared.rows("SELECT key FROM effects WHERE job = 'tick' GROUP BY key HAVING count(*) > 1") == []


async def test_processes_that_run_jobs_are_warm(shared: Deployment, pair: tuple[Worker, Worker]) -> None:
    keys = await shared.enqueue(WARM, jobs=8)
    await shared.wait_until_done(keys)
    assert await shared.count("effects", "job = 'warm'") == 8
    warmed = [event["resource"] for worker in pair for event in worker.logged("warmed_up")]
    assert set(warmed) == {"process"}
    for worker in pair:
        assert (await worker.get("/readyz")).json()["checks"]["process"] == "ok"


@pytest.mark.usefixtures("_in_a_request")
async def test_failures_are_tried_again_logged_and_measured(shared: Deployment, pair: tuple[Worker, Worker]) -> None:
    (flaky,) = await shared.enqueue(FLAKY, failures=2)
    await shared.wait_until_done([flaky])
    assert await shared.rows("SELECT attempt FROM effects WHERE key = :key", key=flaky) == [(3,)]

    def logged(event: str) -> list[dict[str, object]]:
        return [each for worker in pair for each in worker.logged(event) if each["job_id"] == str(flaky)]

    await wait_until(lambda: len(logged("job")) == 3, "each attempt is logged")
    assert {each["attempt"]: each["outcome"] for each in logged("job")} == {1: "retried", 2: "retried", 3: "done"}
    assert len(logged("job_failed")) == 2
    events = [*logged("job"), *logged("job_failed"), *logged("effect_written")]
    assert {(each["job"], each["request_id"]) for each in events} == {("flaky", REQUEST)}
    texts = [(await worker.get("/metrics")).text.splitlines() for worker in pair]
    counted = {"retried": 0.0, "done": 0.0}
    for line in [line for text in texts for line in text if line.startswith('job_duration_seconds_count{job="flaky"')]:
        counted[line.split('outcome="')[1].split('"')[0]] += float(line.split()[-1])
    assert counted == {"retried": 2.0, "done": 1.0}


@pytest.mark.usefixtures("pair")
async def test_dead_letter_can_be_listed_and_replayed(shared: Deployment) -> None:
    (failing,) = await shared.enqueue(FAILING, reason="no luck")
    await shared.wait_until_done([failing])
    dead = "SELECT error, arguments, attempts FROM dead_jobs WHERE id = :key"
    assert await shared.rows(dead, key=failing) == [("LookupError: no luck", {"reason": "no luck"}, 2)]
    assert f"{failing}" in command(shared, "dead")
    await shared.open_gate()
    assert "1 to be tried again" in command(shared, "replay", str(failing))
    await shared.wait_until_done([failing])
    await shared.close_gate()
    assert await shared.count("effects", "key = :key", key=failing) == 1


def command(deployment: Deployment, *arguments: str) -> str:
    """Run `python -m app jobs`, and return its output."""
    jobs = [sys.executable, "-m", "app", "jobs", *arguments]
    variables = deployment.environment("nobody", LOG_LEVEL="WARNING")
    return subprocess.run(jobs, env=variables, capture_output=True, text=True, check=True).stdout


async def test_worker_reports_a_startup_error_in_one_line(deployment: Deployment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for variables, reason in (
            ({"TASKS_METRICS_PORT": port}, f"cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}"),
            ({"REDIS_URL": ""}, "REDIS_URL: "),
        ):
            with deployment.worker(**variables) as worker:
                assert await worker.wait_until_ended() == 1
                said = [line for line in worker.lines if not line.startswith("{")]
                assert len(said) == 1, said
                assert reason in said[0]
