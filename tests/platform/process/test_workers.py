"""Several worker processes: each shows the metrics of all, also after one of them was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx2 as httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.platform.db.session import Database
from tests.support.client import PASSWORD
from tests.support.server import PATIENCE, Server, environment, serving

ME = "/api/v1/users/me"
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
# two connections for each worker, with timeouts longer than the test
WORKERS = {
    "HTTP_WORKERS": "2",
    "HTTP_RATE_LIMIT": "100000/minute",
    "DB_POOL_SIZE": "2",
    "DB_MAX_OVERFLOW": "0",
    "DB_POOL_TIMEOUT": "600",
    "DB_LOCK_TIMEOUT": "600",
    "DB_STATEMENT_TIMEOUT": "600",
}
# makes the next request use a new connection, so maybe another worker
NEW_CONNECTION = {"Connection": "close"}
CREATED = "http_request_duration_seconds_count POST /api/v1/users 201"
Numbers = tuple[float, float, float]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"timeout: {what}"
        time.sleep(0.05)


def scrape(server: Server) -> dict[str, float]:
    """Return the metrics that one of the workers shows."""
    answer = server.client.get("/metrics", headers=NEW_CONNECTION)
    assert answer.status_code == 200, answer.text
    samples = [each for metric in text_string_to_metric_families(answer.text) for each in metric.samples]
    return {f"{each.name} {' '.join(each.labels.values())}": each.value for each in samples}


def pool(server: Server) -> Numbers:
    found = scrape(server)
    idle, checked_out, overflow = (found[f"db_pool_{name} "] for name in ("idle", "checked_out", "overflow"))
    return idle, checked_out, overflow


def all_show(server: Server, numbers: Numbers) -> bool:
    """Return whether 20 answers in a row, so those of all workers, have these numbers."""
    return all(pool(server) == numbers for _ in range(20))


def sign_up(server: Server) -> dict[str, str]:
    email = f"{uuid4().hex}@example.com"
    assert server.client.post("/api/v1/users", json={"email": email, "password": PASSWORD}).status_code == 201
    pair = server.client.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD}).json()
    return {"Authorization": f"Bearer {pair['access_token']}"}


def private_directories(where: Path) -> list[Path]:
    return list(where.glob("metrics-*"))


def processes(directory: Path) -> set[int]:
    """Return the process ids of the workers with live gauges."""
    return {int(file.stem.rpartition("_")[2]) for file in directory.glob("gauge_live*")}


async def occupy(server: Server, database: Database, threads: ThreadPoolExecutor, headers: dict[str, str]) -> None:
    """Send requests that wait for a locked row, until no worker has a free connection."""

    def change() -> None:
        # the requests of a killed worker fail
        with suppress(httpx.TransportError):
            server.client.patch(ME, json={"full_name": "Ada"}, headers=headers | NEW_CONNECTION)

    for _ in range(64):
        threads.submit(change)
        # read in a new transaction each time, because pg_stat_activity does not change within a transaction
        async with database.read() as session:
            await session.execute(text("SELECT pg_sleep(0.1)"))
            if await session.scalar(WAITING) == 4:
                return
    pytest.fail("a worker has a free connection")


@pytest.mark.commits
async def test_pools_of_all_workers_are_shown_by_each(tmp_path: Path, migrated_url: str, database: Database) -> None:
    with serving(tmp_path, migrated_url, TMPDIR=str(tmp_path), **WORKERS) as server, ThreadPoolExecutor(64) as threads:
        server.wait_until_ready()
        (directory,) = private_directories(tmp_path)
        until(lambda: len(processes(directory)) == 2, "both workers count")
        headers = sign_up(server)
        created = scrape(server)[CREATED]
        async with database.transaction() as session:
            await session.execute(text("SELECT * FROM users FOR UPDATE"))
            await occupy(server, database, threads, headers)
            assert all_show(server, (0, 4, 0))

            killed, living = processes(directory)
            os.kill(killed, signal.SIGKILL)
            # the new worker has one idle connection, because it has verified the schema
            until(lambda: all_show(server, (1, 2, 0)), "the killed worker's connections are gone, and a new one runs")
            assert killed not in processes(directory)
            assert living in processes(directory)
            assert len(processes(directory)) == 2
        until(lambda: all_show(server, (3, 0, 0)), "the requests are done")
        assert scrape(server)[CREATED] == created == 1
        assert server.stop()[0] == 0
    assert private_directories(tmp_path) == []


def test_given_directory_is_emptied(tmp_path: Path, migrated_url: str) -> None:
    (tmp_path / "counter_1.db").write_text("of an earlier run")
    with serving(tmp_path, migrated_url, PROMETHEUS_MULTIPROC_DIR=str(tmp_path), **WORKERS) as server:
        server.wait_until_ready()
        until(lambda: len(processes(tmp_path)) == 2, "both workers count")
        sign_up(server)
        assert scrape(server)[CREATED] == 1
        assert server.stop()[0] == 0
    assert not (tmp_path / "counter_1.db").exists()


def test_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path, migrated_url: str) -> None:
    (tmp_path / "file").touch()
    given = str(tmp_path / "file" / "below")
    with serving(tmp_path, migrated_url, PROMETHEUS_MULTIPROC_DIR=given, **WORKERS) as server:
        status, output = server.ended()
        assert status == 1
    assert output == f"python -m app: PROMETHEUS_MULTIPROC_DIR: cannot write to {given}: Not a directory\n"


def test_other_commands_leave_the_directory_alone(tmp_path: Path, migrated_url: str) -> None:
    for given in (tmp_path / "missing", tmp_path):
        variables = environment(migrated_url, PROMETHEUS_MULTIPROC_DIR=str(given))
        subprocess.run([sys.executable, "-m", "app", "prune"], cwd=tmp_path, env=variables, check=True)
    assert list(tmp_path.iterdir()) == []
