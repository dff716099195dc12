"""However many workers there are, and whatever is killed: the effect of every job happens once."""

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.platform.jobs.process.jobs import EFFECT, HELD
from tests.platform.jobs.process.site import Site, Tally
from tests.platform.jobs.process.workers import Worker, until

Report = Callable[[object], None]


async def test_two_workers_do_each_of_a_thousand_jobs_once(
    shared: Site, pair: tuple[Worker, Worker], report: Report
) -> None:
    keys = [key for _ in range(10) for key in await shared.ask(EFFECT, 100)]
    await shared.all_done(keys)
    tally = await shared.tally(keys)
    report(f"two workers: {tally}")
    assert tally == Tally(1000, 1000, 0, 0)
    by_worker = await shared.rows("SELECT worker, count(*) FROM effects WHERE job = 'effect' GROUP BY worker")
    assert len(by_worker) == len(pair)


async def test_a_worker_that_is_killed_in_the_middle_loses_and_doubles_nothing(site: Site, report: Report) -> None:
    with ExitStack() as stack:
        workers = {name: stack.enter_context(site.worker(name, TASKS_CONCURRENCY="4")) for name in ("first", "second")}
        for worker in workers.values():
            await worker.starts()
        keys = [key for _ in range(5) for key in await site.ask(EFFECT, 100, pause=0.02)]

        async def many_are_done() -> bool:
            return await site.count("effects") >= 100

        await until(many_are_done, "the workers are busy")
        (held,) = await site.ask(HELD)
        await workers.pop(await site.begun(held)).kill()
        keys += [key for _ in range(5) for key in await site.ask(EFFECT, 100, pause=0.02)]
        await site.open_gate()
        (survivor,) = workers
        await site.all_done([*keys, held])
        assert await workers[survivor].stop() == 0
        tally = await site.tally([*keys, held])
        report(f"one of two workers killed: {tally}")
        assert tally == Tally(1001, 1001, 0, 0)


async def test_a_process_that_is_killed_with_a_job_costs_nothing(site: Site) -> None:
    """With ARQ the worker is that process; Celery has others, and starts a new one."""
    with site.worker("first") as worker, ExitStack() as stack:
        await worker.starts()
        (held,) = await site.ask(HELD)
        await site.begun(held)
        ((pid,),) = await site.rows("SELECT os_pid FROM begun")
        os.kill(pid, signal.SIGKILL)
        if pid == worker.process.pid:
            await worker.ended()
            stack.enter_context(site.worker("next"))
        await site.open_gate()
        await site.all_done([held])
        assert await site.tally([held]) == Tally(1, 1, 0, 0)
        assert pid == worker.process.pid or await worker.stop() == 0


async def test_what_the_only_worker_was_killed_with_is_done_by_the_next_one(site: Site) -> None:
    (held,) = await site.ask(HELD)
    with site.worker("first") as worker:
        assert await site.begun(held) == "first"
        await worker.kill()
    await site.open_gate()
    with site.worker("next"):
        await site.all_done([held])
    (done,) = await site.rows("SELECT worker, attempt FROM effects")
    assert done.worker == "next"
    assert done.attempt >= 2


async def test_a_worker_that_is_killed_while_it_starts_leaves_nothing_running(site: Site) -> None:
    with site.worker() as worker:
        await worker.has_logged("worker_started")
        await worker.kill()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_relay_that_is_killed_while_it_tells_the_broker_loses_and_doubles_nothing(
    site: Site, report: Report, moment: str
) -> None:
    with site.worker("hanging", WORKER_HANGS=moment) as hanging, ExitStack() as stack:
        await hanging.starts()
        keys = await site.ask(EFFECT, 50)
        assert (await hanging.has_logged("push_hangs"))["jobs"] == 50
        other = stack.enter_context(site.worker("other"))
        await other.starts()
        assert await site.count("outbox_messages", "state = 'waiting'") == 50
        await hanging.kill()
        await site.all_done(keys)
        assert await other.stop() == 0
    tally = await site.tally(keys)
    report(f"relay killed {moment} it told the broker: {tally}")
    assert tally == Tally(50, 50, 0, 0)
    if moment == "before":
        # otherwise those that run the jobs of the killed one may get hold of some before they end with it
        assert await site.rows("SELECT DISTINCT worker FROM effects") == [("other",)]
