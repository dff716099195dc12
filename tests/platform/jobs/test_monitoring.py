"""What a worker answers to those who watch it."""

import asyncio
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func

from app.config import Settings
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.platform.jobs import metrics, monitoring
from app.platform.jobs.models import JobState
from app.platform.jobs.monitoring import Monitoring
from tests.platform.jobs.rows import bury, put

Ping = Callable[[], Awaitable[None]]

HOST = "127.0.0.1"
# what a process that runs jobs does
COUNT_THERE = """
from app.platform import metrics as web
from app.platform.jobs import metrics
metrics.JOB_SECONDS.labels("elsewhere", "done").observe(1.5)
web.DB_SLOW_STATEMENTS.inc(3)
web.DB_POOL_CONNECTIONS.labels("idle").set(2)
print(flush=True)
input()
"""


async def answer() -> None:
    pass


async def refuse() -> None:
    raise ConnectionError


async def hang() -> None:
    await asyncio.Event().wait()


class Deep:
    """A broker with so many jobs."""

    def __init__(self, depth: int) -> None:
        self._depth = depth

    async def depth(self) -> int:
        return self._depth

    async def ping(self) -> None:
        pass


class Away(Deep):
    """A broker that does not answer."""

    async def depth(self) -> int:
        raise ConnectionError


@dataclass
class Watch:
    """Asks a worker that has these checks."""

    database: Database
    settings: Settings
    broker: Deep = field(default_factory=lambda: Deep(0))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def serving(self, **checks: Ping) -> AsyncIterator[httpx.AsyncClient]:
        with socket.socket() as free:
            free.bind((HOST, 0))
            port = free.getsockname()[1]
        tasks = self.settings.tasks.model_copy(update={"metrics_port": port})
        subject = Monitoring(self.database, self.broker, checks, self.stopping)
        async with subject.serving(tasks), httpx.AsyncClient(base_url=f"http://{HOST}:{port}") as client:
            yield client

    async def scrape(self) -> dict[str, float]:
        """The samples of what Prometheus would get, by name and labels; each family must be there once."""
        async with self.serving() as client:
            got = await client.get("/metrics")
        assert (got.status_code, got.headers["content-type"].split(";")[0]) == (200, "text/plain")
        return samples(got.text)


def samples(text: str) -> dict[str, float]:
    families = list(text_string_to_metric_families(text))
    names = Counter(family.name for family in families)
    assert set(names.values()) == {1}, names.most_common(3)
    found: dict[str, float] = {}
    for family in families:
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@pytest.fixture
def watch(database: Database, settings: Settings) -> Watch:
    return Watch(database, settings)


async def test_worker_is_alive_whatever_it_cannot_reach(watch: Watch) -> None:
    watch.stopping.set()
    async with watch.serving(broker=refuse) as client:
        got = await client.get("/livez")
    assert (got.status_code, got.json()) == (200, {"status": "alive"})


async def test_worker_is_ready_when_all_checks_pass(watch: Watch) -> None:
    async with watch.serving(postgresql=watch.database.ping, broker=answer) as client:
        got = await client.get("/readyz")
    assert (got.status_code, got.json()) == (
        200,
        {"status": "ready", "checks": {"postgresql": "ok", "broker": "ok"}},
    )


@pytest.mark.parametrize("ping", [refuse, hang])
async def test_worker_is_not_ready_when_a_check_fails(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, ping: Ping
) -> None:
    monkeypatch.setattr(monitoring, "CHECK_SECONDS", 0.05)
    async with watch.serving(postgresql=answer, broker=ping) as client:
        got = await client.get("/readyz")
    assert (got.status_code, got.json()) == (
        503,
        {"status": "not_ready", "checks": {"postgresql": "ok", "broker": "failed"}},
    )


async def test_worker_that_stops_is_not_ready(watch: Watch) -> None:
    async with watch.serving(broker=answer) as client:
        assert (await client.get("/readyz")).status_code == 200
        watch.stopping.set()
        got = await client.get("/readyz")
    assert (got.status_code, got.json()) == (503, {"status": "not_ready", "checks": {"broker": "ok"}})


async def test_port_that_is_taken_is_said_in_one_line(watch: Watch) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        tasks = watch.settings.tasks.model_copy(update={"metrics_port": port})
        with pytest.raises(StartupError) as refused:
            async with Monitoring(watch.database, watch.broker, {}, watch.stopping).serving(tasks):
                pass
    message = str(refused.value)
    assert message.startswith(f"cannot listen on {HOST}:{port}: ")
    assert message.endswith("Address already in use")
    assert "\n" not in message


async def test_port_is_free_when_the_worker_has_ended(watch: Watch) -> None:
    async with watch.serving() as client:
        url = client.base_url
    async with httpx.AsyncClient(base_url=url) as late:
        with pytest.raises(httpx.ConnectError):
            await late.get("/livez")


async def test_metrics_tell_where_jobs_are(watch: Watch) -> None:
    hour = timedelta(hours=1)
    await put(watch.database, state=JobState.RUNNING, created_at=func.now() - 2 * hour, attempts=1)
    # one that failed, and waits on purpose
    await put(watch.database, created_at=func.now() - 3 * hour, attempts=4)
    for _ in range(2):
        await put(watch.database, state=JobState.HANDED_OVER, created_at=func.now() - hour)
    await put(watch.database)
    for _ in range(5):
        await bury(watch.database)
    watch.broker = Deep(4)
    found = await watch.scrape()
    assert {state: found[f"outbox_jobs{{state={state}}}"] for state in JobState} == {
        JobState.WAITING: 2,
        JobState.HANDED_OVER: 2,
        JobState.RUNNING: 1,
    }
    assert found["outbox_oldest_seconds{}"] == hour.total_seconds()
    assert (found["dead_jobs{}"], found["queue_depth{}"]) == (5, 4)


async def test_metrics_of_an_empty_outbox_are_zero(watch: Watch) -> None:
    await put(watch.database, state=JobState.RUNNING, attempts=1)
    found = await watch.scrape()
    assert [found[f"outbox_jobs{{state={state}}}"] for state in JobState] == [0, 0, 1]
    assert [found[f"{name}{{}}"] for name in ("outbox_oldest_seconds", "dead_jobs", "queue_depth")] == [0, 0, 0]


async def test_metrics_are_told_while_the_broker_is_away(watch: Watch) -> None:
    await put(watch.database)
    watch.broker = Away(0)
    found = await watch.scrape()
    assert found["outbox_jobs{state=waiting}"] == 1


async def test_metrics_of_this_process_are_those_of_the_jobs_too(watch: Watch) -> None:
    metrics.JOB_SECONDS.labels("here", "done").observe(0.5)
    found = await watch.scrape()
    assert found["job_duration_seconds_sum{job=here,outcome=done}"] == 0.5
    assert any(name.startswith("db_pool_connections") for name in found)
    assert any(name.startswith("process_") for name in found)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that run jobs have counted, and live."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(monitoring.__file__).parents[3]))
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", COUNT_THERE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(2)
        ]
        for child in children:
            stack.callback(child.kill)
            assert child.stdout is not None
            assert child.stdout.readline() == "\n"
        yield children


async def test_metrics_of_processes_that_run_jobs_are_added(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, children: list[subprocess.Popen[str]]
) -> None:
    await put(watch.database, created_at=func.now() - timedelta(minutes=1))
    await bury(watch.database)
    watch.broker = Deep(4)
    with monkeypatch.context() as alone:
        alone.delenv("PROMETHEUS_MULTIPROC_DIR")
        own = await watch.scrape()
    found = await watch.scrape()
    assert found["job_duration_seconds_count{job=elsewhere,outcome=done}"] == 2
    assert found["job_duration_seconds_sum{job=elsewhere,outcome=done}"] == 3
    assert found["db_slow_statements_total{}"] == own["db_slow_statements_total{}"] + 6
    idle = "db_pool_connections{state=idle}"
    assert found[idle] == own[idle] + 4
    # they know nothing of these
    assert (found["outbox_jobs{state=waiting}"], found["dead_jobs{}"], found["queue_depth{}"]) == (1, 1, 4)
    assert found["outbox_oldest_seconds{}"] == 60
    assert any(name.startswith("process_") for name in found)
    children[0].kill()
    children[0].wait()
    found = await watch.scrape()
    assert found[idle] == own[idle] + 2
    assert found["job_duration_seconds_count{job=elsewhere,outcome=done}"] == 2
