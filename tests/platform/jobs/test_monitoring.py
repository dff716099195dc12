"""The readiness and the metrics of a worker."""

import asyncio
import socket
from datetime import timedelta

import httpx2 as httpx
import pytest
from sqlalchemy import func

from app.platform.errors import StartupError
from app.platform.jobs import metrics, monitoring
from app.platform.jobs.job import Job
from app.platform.jobs.models import JobSchedule, JobState
from app.platform.jobs.monitoring import Monitoring
from app.platform.jobs.registry import Schedule
from app.platform.resources import Check
from tests.platform.jobs.monitored import HOST, FakeBroker, MonitoredWorker, Ping, UnavailableBroker
from tests.platform.jobs.rows import insert_dead_letter, insert_job


async def answer() -> None:
    pass


async def refuse() -> None:
    raise ConnectionError


async def hang() -> None:
    await asyncio.Event().wait()


async def test_worker_is_alive_while_its_dependencies_are_away(monitored: MonitoredWorker) -> None:
    monitored.stopping.set()
    async with monitored.serving(broker=refuse) as client:
        got = await client.get("/livez")
    assert (got.status_code, got.json()) == (200, {"status": "alive"})


async def test_worker_is_ready_when_all_checks_pass(monitored: MonitoredWorker) -> None:
    async with monitored.serving(postgresql=monitored.database.ping, broker=answer) as client:
        got = await client.get("/readyz")
    assert (got.status_code, got.json()) == (
        200,
        {"status": "ready", "checks": {"postgresql": "ok", "broker": "ok"}},
    )


@pytest.mark.parametrize("ping", [refuse, hang])
async def test_worker_is_not_ready_when_a_check_fails(
    monitored: MonitoredWorker, monkeypatch: pytest.MonkeyPatch, ping: Ping
) -> None:
    monkeypatch.setattr(monitoring, "CHECK_SECONDS", 0.05)
    async with monitored.serving(postgresql=answer, broker=ping) as client:
        got = await client.get("/readyz")
    assert (got.status_code, got.json()) == (
        503,
        {"status": "not_ready", "checks": {"postgresql": "ok", "broker": "failed"}},
    )


async def test_worker_is_ready_without_what_is_not_critical(monitored: MonitoredWorker) -> None:
    async with monitored.serving(Check("search", refuse, critical=False), broker=answer) as client:
        got = await client.get("/readyz")
    assert (got.status_code, got.json()) == (
        200,
        {"status": "ready", "checks": {"search": "failed", "broker": "ok"}},
    )


async def test_check_that_is_critical_for_a_worker_replaces_that_of_the_service(monitored: MonitoredWorker) -> None:
    async with monitored.serving(Check("broker", refuse, critical=False), broker=refuse) as client:
        got = await client.get("/readyz")
    assert (got.status_code, got.json()) == (503, {"status": "not_ready", "checks": {"broker": "failed"}})


async def test_stopping_worker_is_not_ready(monitored: MonitoredWorker) -> None:
    async with monitored.serving(broker=answer) as client:
        assert (await client.get("/readyz")).status_code == 200
        monitored.stopping.set()
        got = await client.get("/readyz")
    assert (got.status_code, got.json()) == (503, {"status": "not_ready", "checks": {"broker": "ok"}})


async def test_port_in_use_is_reported_in_one_line(monitored: MonitoredWorker) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        jobs = monitored.settings.jobs.model_copy(update={"metrics_port": port})
        with pytest.raises(StartupError) as refused:
            async with Monitoring(monitored.database, monitored.broker, [], monitored.stopping).serving(jobs):
                pass
    message = str(refused.value)
    variables = "TASKS_METRICS_HOST, TASKS_METRICS_PORT"
    assert message == f"cannot listen on {HOST}:{port}: Address already in use ({variables})"


async def test_port_is_released_when_the_worker_ends(monitored: MonitoredWorker) -> None:
    async with monitored.serving() as client:
        url = client.base_url
    async with httpx.AsyncClient(base_url=url) as late:
        with pytest.raises(httpx.ConnectError):
            await late.get("/livez")


async def test_metrics_count_jobs_by_state(monitored: MonitoredWorker) -> None:
    hour = timedelta(hours=1)
    await insert_job(monitored.database, state=JobState.RUNNING, created_at=func.now() - 2 * hour, attempts=1)
    # a failed job, which waits for its delay
    await insert_job(monitored.database, created_at=func.now() - 3 * hour, attempts=4)
    for _ in range(2):
        await insert_job(monitored.database, state=JobState.DELIVERED, created_at=func.now() - hour)
    await insert_job(monitored.database)
    for _ in range(5):
        await insert_dead_letter(monitored.database)
    monitored.broker = FakeBroker(4)
    found = await monitored.scrape()
    assert {state: found[f"outbox_jobs{{state={state}}}"] for state in JobState} == {
        JobState.WAITING: 2,
        JobState.DELIVERED: 2,
        JobState.RUNNING: 1,
    }
    assert found["outbox_oldest_seconds{}"] == hour.total_seconds()
    assert (found["dead_jobs{}"], found["queue_depth{}"]) == (5, 4)


async def test_metrics_of_an_empty_outbox_are_zero(monitored: MonitoredWorker) -> None:
    await insert_job(monitored.database, state=JobState.RUNNING, attempts=1)
    found = await monitored.scrape()
    assert [found[f"outbox_jobs{{state={state}}}"] for state in JobState] == [0, 0, 1]
    assert [found[f"{name}{{}}"] for name in ("outbox_oldest_seconds", "dead_jobs", "queue_depth")] == [0, 0, 0]


async def test_metrics_say_how_long_a_schedule_is_overdue(monitored: MonitoredWorker) -> None:
    hour = timedelta(hours=1)
    monitored.schedules = [
        Schedule(Job(name, time_limit=1.0, attempts=1), every=hour) for name in ("silent", "on_time", "new")
    ]
    async with monitored.database.transaction() as session:
        session.add(JobSchedule(name="silent", slot=func.now() - 3 * hour))
        session.add(JobSchedule(name="on_time", slot=func.now() - hour / 2))
    found = await monitored.scrape()
    overdue = {name: found[f"job_schedule_overdue_seconds{{schedule={name}}}"] for name in ("silent", "on_time", "new")}
    assert overdue == {"silent": 2 * hour.total_seconds(), "on_time": 0, "new": 0}


async def test_metrics_are_served_while_the_broker_is_away(monitored: MonitoredWorker) -> None:
    await insert_job(monitored.database)
    monitored.broker = UnavailableBroker(0)
    found = await monitored.scrape()
    assert found["outbox_jobs{state=waiting}"] == 1


async def test_metrics_include_jobs_of_this_process(monitored: MonitoredWorker) -> None:
    metrics.JOB_SECONDS.labels("here", "done").observe(0.5)
    found = await monitored.scrape()
    assert found["job_duration_seconds_sum{job=here,outcome=done}"] == 0.5
    assert "db_pool_idle{}" in found
    assert any(name.startswith("process_") for name in found)
