"""SIGTERM: what runs may end, and what does not end in time is given back."""

import asyncio

from tests.platform.jobs.process.jobs import PATIENT
from tests.platform.jobs.process.site import Site
from tests.platform.jobs.process.workers import until


async def test_running_job_ends_before_the_worker_does(site: Site) -> None:
    (patient,) = await site.ask(PATIENT)
    with site.worker(TASKS_REDELIVER_AFTER="1") as worker:
        await site.begun(patient)
        # the broker may think by now that it was forgotten
        await asyncio.sleep(3)
        worker.process.terminate()

        async def is_unready() -> bool:
            return (await worker.get("/readyz")).status_code == 503

        await until(is_unready, "the worker says that it stops")
        await site.open_gate()
        assert await worker.ended() == 0
        assert worker.logged("worker_stopped")[0]["given_back"] == 0
    assert await site.rows("SELECT key, attempt FROM effects") == [(patient, 1)]
    assert await site.count("outbox_messages") == 0


async def test_job_that_does_not_end_in_time_is_given_back_and_done_by_another_worker(site: Site) -> None:
    (patient,) = await site.ask(PATIENT)
    with site.worker("first", TASKS_SHUTDOWN_TIMEOUT="1") as worker:
        await site.begun(patient)
        assert await worker.stop() == 0
        assert worker.logged("worker_stopped")[0]["given_back"] == 1
    assert await site.rows("SELECT state, attempts, worker FROM outbox_messages") == [("waiting", 0, None)]
    assert await site.count("effects") == 0
    await site.open_gate()
    with site.worker("next") as worker:
        await site.all_done([patient])
        assert await worker.stop() == 0
    assert await site.rows("SELECT worker, attempt FROM effects") == [("next", 1)]
