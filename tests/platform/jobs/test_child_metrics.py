"""The metrics of a worker include those of its child processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func

from app.platform.jobs import monitoring
from tests.platform.jobs.monitored import FakeBroker, MonitoredWorker
from tests.platform.jobs.rows import insert_dead_letter, insert_job

# a child process that runs jobs
CHILD = """
from app.platform import metrics as web
from app.platform.db import pool_gauges
from app.platform.jobs import metrics
metrics.JOB_SECONDS.labels("elsewhere", "done").observe(1.5)
web.DB_SLOW_STATEMENTS.inc(3)
pool_gauges.GAUGES[2].set(2)
print(flush=True)
input()
"""


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Yield two running child processes that have counted jobs."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(monitoring.__file__).parents[3]))
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(2)
        ]
        for child in children:
            stack.callback(child.kill)
            assert child.stdout is not None
            assert child.stdout.readline() == "\n"
        yield children


async def test_metrics_of_child_processes_are_added(
    monitored: MonitoredWorker, monkeypatch: pytest.MonkeyPatch, children: list[subprocess.Popen[str]]
) -> None:
    await insert_job(monitored.database, created_at=func.now() - timedelta(minutes=1))
    await insert_dead_letter(monitored.database)
    monitored.broker = FakeBroker(4)
    with monkeypatch.context() as alone:
        alone.delenv("PROMETHEUS_MULTIPROC_DIR")
        own = await monitored.scrape()
    found = await monitored.scrape()
    assert found["job_duration_seconds_count{job=elsewhere,outcome=done}"] == 2
    assert found["job_duration_seconds_sum{job=elsewhere,outcome=done}"] == 3
    assert found["db_slow_statements_total{}"] == own["db_slow_statements_total{}"] + 6
    idle = "db_pool_idle{}"
    assert found[idle] == own[idle] + 4
    # gauges that only this process sets
    assert (found["outbox_jobs{state=waiting}"], found["dead_jobs{}"], found["queue_depth{}"]) == (1, 1, 4)
    assert found["outbox_oldest_seconds{}"] == 60
    assert any(name.startswith("process_") for name in found)
    children[0].kill()
    children[0].wait()
    found = await monitored.scrape()
    assert found[idle] == own[idle] + 2
    assert found["job_duration_seconds_count{job=elsewhere,outcome=done}"] == 2
