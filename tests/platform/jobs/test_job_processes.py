"""`python -m app pool-budget` counts the pools and the listeners of job workers."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from app.platform import job_processes
from app.platform.cli import Command, run
from app.platform.db import budget_arguments
from app.platform.db.budget import pool_budget
from app.platform.settings import JobSettings

# ARQ runs all jobs in the worker; Celery runs each in one of three processes that the worker starts
PROCESSES = 4 if "pool" in JobSettings.model_fields else 1


@pytest.fixture
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, migrated_url: str) -> None:
    variables = {"DATABASE_URL": migrated_url, "DB_POOL_PROFILE": "small", "TASKS_CONCURRENCY": "3"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("pool", "terms", "most"), [((), "(5 + 5)", 10), (("--job-pool", "3"), "3", 3)])
@pytest.mark.usefixtures("_variables")
async def test_each_process_of_a_worker_has_a_pool(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pool: tuple[str, ...], terms: str, most: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["app", "pool-budget", "--job-workers", "2", *pool])
    with pytest.raises(SystemExit) as exited:
        await asyncio.to_thread(run, None, [Command(pool_budget, budget_arguments.add_arguments)])
    assert exited.value.code == 0
    printed = re.sub(" +", " ", capsys.readouterr().out)
    jobs = 2 * PROCESSES * most
    assert f"jobs: workers x processes 2 x {PROCESSES} x {terms} {jobs}\n" in printed
    assert "listeners of these 2 2\n" in printed
    # of the API and of the workers
    beside = 2 * (1 + 2 * PROCESSES)
    assert f"in all {10 + jobs + beside + 2 + 2}\n" in printed


def test_celery_without_child_processes_runs_jobs_in_one_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKS_POOL", "solo")
    monkeypatch.setenv("TASKS_CONCURRENCY", "3")
    assert job_processes.pools_of_a_worker() == (2 if "pool" in JobSettings.model_fields else 1)
