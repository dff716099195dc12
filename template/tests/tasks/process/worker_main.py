"""`python -m app worker`, with the jobs of the tests beside those of the service.

A process that the worker starts is a new interpreter, which imports this module again: what is replaced here is
replaced there too.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

import structlog

from app import jobs, worker
from app.__main__ import main
from app.tasks.broker import Handover
from app.tasks.registry import Registry, Schedule
from tests.tasks.process.jobs import HANDLERS, TICK, build

log = structlog.get_logger(__name__)

TICKING = timedelta(seconds=2)


def hang_in_push(moment: str) -> None:
    """Have the relay never come back from the broker, `before` or `after` the broker was told."""
    broker: Any = resolve_name("app.resources:Broker")
    push = broker.push

    async def hang(self: Any, handovers: Sequence[Handover]) -> None:
        if moment == "after":
            await push(self, handovers)
        log.info("push_hangs", jobs=len(handovers))
        await asyncio.Event().wait()

    broker.push = hang


jobs.JOBS = Registry(*jobs.JOBS, *HANDLERS)
jobs.SCHEDULES = (Schedule(TICK, every=TICKING),) if "WORKER_TICKS" in os.environ else ()
patch.object(worker, "build_services", build).start()
if "WORKER_HANGS" in os.environ:
    hang_in_push(os.environ["WORKER_HANGS"])

if __name__ == "__main__":
    main()
