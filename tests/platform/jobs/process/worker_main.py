"""`python -m app worker`, with the jobs of the tests in addition to those of the service.

The worker's child processes get the same jobs and services.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from pkgutil import resolve_name
from typing import Any

import structlog

from app import __main__ as program
from app.jobs import JOBS
from app.platform import concurrency, ending
from app.platform.jobs.broker import Delivery
from app.platform.jobs.registry import Registry, Schedule
from tests.platform.jobs.process.jobs import HANDLERS, TICK, JobResources, JobServices

log = structlog.get_logger(__name__)

TICKING = timedelta(seconds=2)


def hang_in_publish(moment: str) -> None:
    """Make `publish` of the broker hang, `before` or `after` it publishes."""
    broker: Any = resolve_name("app.platform.resources:Broker")
    publish = broker.publish

    async def hang(self: Any, deliveries: Sequence[Delivery]) -> None:
        if moment == "after":
            await publish(self, deliveries)
        log.info("publish_hangs", jobs=len(deliveries))
        await asyncio.Event().wait()

    broker.publish = hang


ticks = (Schedule(TICK, every=TICKING),) if "WORKER_TICKS" in os.environ else ()
vars(program).update(JOBS=Registry(*JOBS, *HANDLERS), SCHEDULES=ticks)
vars(program).update(Resources=JobResources, Services=JobServices)
if "WORKER_HURRIES" in os.environ:
    concurrency.CANCEL_SECONDS = ending.LAST_SECONDS = 0.5
if "WORKER_HANGS" in os.environ:
    hang_in_publish(os.environ["WORKER_HANGS"])

if __name__ == "__main__":
    program.main()
