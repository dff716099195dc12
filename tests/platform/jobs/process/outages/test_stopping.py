"""SIGTERM: running jobs may end, and jobs that do not end in time are given back."""

import asyncio

from tests.platform.jobs.process.deployment import Deployment
from tests.platform.jobs.process.jobs import DEAF, LONG
from tests.platform.jobs.process.workers import wait_until


async def test_running_job_ends_before_the_worker_does(deployment: Deployment) -> None:
    (long,) = await deployment.enqueue(LONG)
    with deployment.worker(TASKS_REDELIVER_AFTER="1") as worker:
        await deployment.wait_until_started(long)
        # long enough for the broker to deliver the message again
        await asyncio.sleep(3)
        worker.process.terminate()

        async def is_unready() -> bool:
            return (await worker.get("/readyz")).status_code == 503

        await wait_until(is_unready, "the worker reports that it is stopping")
        await deployment.open_gate()
        assert await worker.wait_until_ended() == 0
        assert worker.logged("worker_stopped")[0]["given_back"] == 0
    assert await deployment.rows("SELECT key, attempt FROM effects") == [(long, 1)]
    assert await deployment.count("outbox_messages") == 0


async def test_jobs_that_do_not_end_in_time_are_given_back_and_done_by_another_worker(deployment: Deployment) -> None:
    (long,), (deaf,) = await deployment.enqueue(LONG), await deployment.enqueue(DEAF)
    with deployment.worker("first", TASKS_SHUTDOWN_TIMEOUT="1", WORKER_HURRIES="yes") as worker:
        for key in (long, deaf):
            await deployment.wait_until_started(key)
        status = await worker.stop()
        assert worker.logged("worker_stopped")[0]["given_back"] == 2
        late = worker.logged("process_ended_late")
    # the process of the job that swallows its cancellation ends itself with ARQ, and is killed with Celery
    assert (status, len(late)) in {(0, 0), (1, 1)}
    given_back = await deployment.rows("SELECT state, attempts, worker FROM outbox_messages")
    assert given_back == [("waiting", 0, None)] * 2
    assert await deployment.count("effects") == 0
    await deployment.rows("DELETE FROM outbox_messages WHERE job = 'deaf' RETURNING id")
    await deployment.open_gate()
    with deployment.worker("next") as worker:
        await deployment.wait_until_done([long])
        assert await worker.stop() == 0
    assert await deployment.rows("SELECT worker, attempt FROM effects") == [("next", 1)]
