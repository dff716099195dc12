"""The broker is stopped and started again."""

from collections.abc import Callable
from contextlib import ExitStack

from dev.process import free_port
from tests.platform.jobs.process.deployment import Deployment, Tally
from tests.platform.jobs.process.jobs import EFFECT, LONG
from tests.platform.jobs.process.servers import broker
from tests.platform.jobs.process.workers import Worker, wait_until


async def is_ready(worker: Worker, broker: str) -> bool:
    """Return whether the worker's readiness reports this state of the broker."""
    answer = await worker.get("/readyz")
    return (answer.status_code == 200) == (broker == "ok") and answer.json()["checks"]["broker"] == broker


async def test_broker_without_persistence_loses_and_repeats_nothing(
    deployment: Deployment, report: Callable[[object], None]
) -> None:
    port = free_port()
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        url = first.enter_context(broker(port))
        worker = stack.enter_context(deployment.worker(REDIS_URL=url))
        # as many jobs as the worker runs at a time, so that the others wait at the broker
        long = await deployment.enqueue(LONG, 2)
        for key in long:
            await deployment.wait_until_started(key)
        waiting = await deployment.enqueue(EFFECT, 100)

        async def all_delivered() -> bool:
            return await deployment.count("outbox_messages", "state = 'handed_over'") == 100

        await wait_until(all_delivered, "all jobs are delivered")
        first.close()
        stack.enter_context(broker(port))
        await deployment.open_gate()
        await deployment.wait_until_done([*long, *waiting])
        assert await worker.stop() == 0
    tally = await deployment.tally([*long, *waiting])
    report(f"broker killed and started again: {tally}")
    assert tally == Tally(102, 102, 0, 0)


async def test_jobs_wait_while_there_is_no_broker_and_start_beside_a_long_one_then(deployment: Deployment) -> None:
    port = free_port()
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        worker = stack.enter_context(deployment.worker(REDIS_URL=f"redis://127.0.0.1:{port}/0"))
        await wait_until(lambda: is_ready(worker, "failed"), "the worker reports that the broker is away")
        keys = await deployment.enqueue(EFFECT, 20)
        first.enter_context(broker(port))
        await deployment.wait_until_done(keys)
        await wait_until(lambda: is_ready(worker, "ok"), "the worker reports that the broker is back")
        (long,) = await deployment.enqueue(LONG)
        await deployment.wait_until_started(long)
        first.close()
        await wait_until(lambda: is_ready(worker, "failed"), "the worker reports that the broker is away again")
        stack.enter_context(broker(port))
        others = await deployment.enqueue(EFFECT, 20)
        await deployment.wait_until_done(others)
        assert await deployment.count("outbox_messages") == 1
        # the worker still knows the long job
        await deployment.open_gate()
        assert await worker.stop() == 0
    assert await deployment.tally([long, *keys, *others]) == Tally(41, 41, 0, 0)
