"""The effect of every job happens once, however many workers there are, and whichever process is killed."""

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.platform.jobs.process.deployment import Deployment, Tally
from tests.platform.jobs.process.jobs import EFFECT, HELD
from tests.platform.jobs.process.workers import Worker, wait_until

Report = Callable[[object], None]


async def test_two_workers_do_hundreds_of_jobs_once_each(
    shared: Deployment, pair: tuple[Worker, Worker], report: Report
) -> None:
    keys = [key for _ in range(3) for key in await shared.enqueue(EFFECT, 100)]
    await shared.wait_until_done(keys)
    tally = await shared.tally(keys)
    report(f"two workers: {tally}")
    assert tally == Tally(300, 300, 0, 0)
    by_worker = await shared.rows("SELECT worker, count(*) FROM effects WHERE job = 'effect' GROUP BY worker")
    assert len(by_worker) == len(pair)


async def test_killed_worker_loses_and_repeats_nothing(deployment: Deployment, report: Report) -> None:
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(deployment.worker(name, TASKS_CONCURRENCY="4")) for name in ("first", "second")
        }
        for worker in workers.values():
            await worker.wait_until_ready()
        keys = await deployment.enqueue(EFFECT, 120, pause=0.02)

        async def many_are_done() -> bool:
            return await deployment.count("effects") >= 40

        await wait_until(many_are_done, "the workers are busy")
        (held,) = await deployment.enqueue(HELD)
        await workers.pop(await deployment.wait_until_started(held)).kill()
        keys += await deployment.enqueue(EFFECT, 80, pause=0.02)
        await deployment.open_gate()
        (survivor,) = workers
        await deployment.wait_until_done([*keys, held])
        assert await workers[survivor].stop() == 0
        tally = await deployment.tally([*keys, held])
        report(f"one of two workers killed: {tally}")
        assert tally == Tally(201, 201, 0, 0)


async def test_killed_process_of_a_job_loses_nothing(deployment: Deployment) -> None:
    """With ARQ, the worker is that process. Celery replaces a killed child process."""
    with deployment.worker("first") as worker, ExitStack() as stack:
        await worker.wait_until_ready()
        (held,) = await deployment.enqueue(HELD)
        await deployment.wait_until_started(held)
        ((pid,),) = await deployment.rows("SELECT os_pid FROM started")
        os.kill(pid, signal.SIGKILL)
        if pid == worker.process.pid:
            await worker.wait_until_ended()
            stack.enter_context(deployment.worker("next"))
        await deployment.open_gate()
        await deployment.wait_until_done([held])
        assert await deployment.tally([held]) == Tally(1, 1, 0, 0)
        assert pid == worker.process.pid or await worker.stop() == 0


async def test_next_worker_does_the_job_of_a_killed_worker(deployment: Deployment) -> None:
    (held,) = await deployment.enqueue(HELD)
    with deployment.worker("first") as worker:
        assert await deployment.wait_until_started(held) == "first"
        await worker.kill()
    await deployment.open_gate()
    with deployment.worker("next"):
        await deployment.wait_until_done([held])
    (done,) = await deployment.rows("SELECT worker, attempt FROM effects")
    assert done.worker == "next"
    assert done.attempt >= 2


async def test_worker_killed_at_its_start_leaves_no_process(deployment: Deployment) -> None:
    with deployment.worker() as worker:
        await worker.wait_for_event("worker_started")
        await worker.kill()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_relay_killed_while_publishing_loses_and_repeats_nothing(
    deployment: Deployment, report: Report, moment: str
) -> None:
    with deployment.worker("hanging", WORKER_HANGS=moment) as hanging, ExitStack() as stack:
        await hanging.wait_until_ready()
        keys = await deployment.enqueue(EFFECT, 50)
        assert (await hanging.wait_for_event("publish_hangs"))["jobs"] == 50
        other = stack.enter_context(deployment.worker("other"))
        await other.wait_until_ready()
        assert await deployment.count("outbox_messages", "state = 'waiting'") == 50
        await hanging.kill()
        await deployment.wait_until_done(keys)
        assert await other.stop() == 0
    tally = await deployment.tally(keys)
    report(f"relay killed {moment} publishing: {tally}")
    assert tally == Tally(50, 50, 0, 0)
    if moment == "before":
        # after publishing, the killed worker's child processes may take some jobs before they end
        assert await deployment.rows("SELECT DISTINCT worker FROM effects") == [("other",)]
