"""Connections of worker processes, and the largest number that a column of theirs holds."""

import importlib.util

import pytest
from sqlalchemy import text

from app.platform.jobs.outbox import enqueue
from tests.platform.jobs.process.deployment import Deployment
from tests.platform.jobs.process.jobs import EFFECT, LONG
from tests.platform.jobs.process.workers import Worker, wait_until

OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"
# an ARQ worker is one process, and ignores the setting
POOLS = ["prefork", "solo"] if importlib.util.find_spec("celery") else ["none"]


async def all_are_shown(deployment: Deployment, worker: Worker) -> bool:
    lines = (await worker.get("/metrics")).text.splitlines()
    shown = sum(float(line.split()[-1]) for line in lines if line.startswith(("db_pool_idle ", "db_pool_checked_out ")))
    return shown == await deployment.count("pg_stat_activity", OTHERS) - 1


@pytest.mark.parametrize("pool", POOLS)
async def test_connections_are_not_shared_by_processes_and_all_are_closed(deployment: Deployment, pool: str) -> None:
    with deployment.worker(TASKS_POOL=pool) as worker:
        held = await deployment.enqueue(LONG, 1 if pool == "solo" else 2)
        for key in held:
            await deployment.wait_until_started(key)
        await wait_until(
            lambda: all_are_shown(deployment, worker), "the metrics show all connections except the listener's"
        )
        keys = await deployment.enqueue(EFFECT, 100)
        await deployment.open_gate()
        await deployment.wait_until_done([*held, *keys])
        # at most two processes, so one of them has done at least fifty
        counts = await deployment.rows("SELECT count(*) FROM effects GROUP BY os_pid")
        assert max(count for (count,) in counts) >= 50
        has_children = (worker.process.pid,) not in await deployment.rows("SELECT DISTINCT os_pid FROM effects")
        assert len(counts) == (2 if has_children and pool == "prefork" else 1)
        shared = "SELECT backend_pid FROM effects GROUP BY backend_pid HAVING count(DISTINCT os_pid) > 1"
        assert await deployment.rows(shared) == []
        assert await worker.stop() == 0

        async def none_is_left() -> bool:
            return not await deployment.count("pg_stat_activity", OTHERS)

        await wait_until(none_is_left, "all connections are closed")
    assert not [line for line in worker.lines if '"level":"error"' in line]


async def test_largest_number_of_attempts_is_the_last(deployment: Deployment) -> None:
    async with deployment.database.transaction() as session:
        key = await enqueue(session, EFFECT)
        await session.execute(text("UPDATE outbox_messages SET attempts = 2147483647"))
    with deployment.worker():
        await deployment.wait_until_done([key])
    assert await deployment.count("dead_jobs", "id = :key", key=key) == 1
