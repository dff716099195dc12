"""`dev.jobs_gone`, the first step of the switch to `task_queue=none`, on a database given by DATABASE_URL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import execute

ROOT = Path(__file__).parents[3]


def run(url: str, *command: str) -> tuple[int, str]:
    environment = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_tables_of_a_given_database_are_not_removed_without_a_request(migrated_url: str) -> None:
    status, printed = run(migrated_url, "dev.jobs_gone")
    assert status == 1
    assert "the database of DATABASE_URL still has the jobs' tables" in printed
    assert "make jobs-off" in printed
    assert run(migrated_url, "alembic", "downgrade", "jobs@base")[0] == 0, "the tables still existed"
    assert run(migrated_url, "dev.jobs_gone")[0] == 0


async def test_tables_of_a_given_database_are_not_removed_with_jobs_in_them(migrated_url: str) -> None:
    row = "(gen_random_uuid(), 'sample', '{}')"
    await execute(migrated_url, f"INSERT INTO outbox_messages (id, job, arguments) VALUES {row}")
    status, printed = run(migrated_url, "alembic", "downgrade", "jobs@base")
    assert status != 0
    assert "1 jobs are not done: let a worker finish them" in printed


@pytest.mark.parametrize("url", ["postgresql://nobody:secret@127.0.0.1:1/none"])
def test_unreachable_database_is_an_error(url: str) -> None:
    assert run(url, "dev.jobs_gone")[0] != 0
