"""Enqueues jobs and waits until they are done; the common part of the clients of all queues.

Clients run in the environment of a service, so this module uses nothing but the standard library.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

NOTES = "BENCHMARK_NOTES"
# the longest to wait for jobs to be done
PATIENCE_SECONDS = 120.0
# not more often: counting rows takes CPU time from the worker
LOOK_SECONDS = 0.05
WARM_UP_JOBS = 200


@dataclass(frozen=True)
class Plan:
    """Empty jobs to enqueue in batches of each size, by this number of tasks; and single jobs, each with a pause."""

    jobs: int
    sizes: Sequence[int]
    producers: int
    singles: int
    pause: float


@dataclass(frozen=True)
class Findings:
    """The jobs per second for each batch size, and the seconds until each single job started."""

    rates: Sequence[float]
    delays: Sequence[float]


class Queue(Protocol):
    """A queue of jobs."""

    async def empty(self, jobs: int) -> None:
        """Enqueue this number of jobs that do nothing; in one transaction, if the queue has transactions."""

    async def note(self, number: int) -> None:
        """Enqueue a job that calls `write_note`."""

    async def left(self) -> int:
        """Return the number of unfinished jobs."""


def write_note(number: int) -> None:
    """Record when this job started, on the clock that all processes share; in one write, since many jobs may do so."""
    with Path(os.environ[NOTES]).open("ab", buffering=0) as file:
        file.write(f"{number} {time.monotonic()}\n".encode())


async def serve(queue: Queue, given: str) -> None:
    """Carry out the plan, and print the findings."""
    plan = Plan(**json.loads(given))
    rates = []
    for size in plan.sizes:
        await _rate(queue, WARM_UP_JOBS, size, plan.producers)
        rates.append(await _rate(queue, plan.jobs, size, plan.producers))
    sys.stdout.write(json.dumps(asdict(Findings(rates, await _delays(queue, plan)))) + "\n")


async def _rate(queue: Queue, jobs: int, size: int, producers: int) -> float:
    """Return the jobs per second, from the first request to the end of the last job."""
    left = jobs

    async def produce() -> None:
        nonlocal left
        while (mine := min(left, size)) > 0:
            left -= mine
            await queue.empty(mine)

    start = time.monotonic()
    await asyncio.gather(*(produce() for _ in range(producers)))
    return jobs / (await _end(queue) - start)


async def _end(queue: Queue) -> float:
    """Return when all jobs were done; check twice, because for a moment a broker may count a message nowhere."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            now = time.monotonic()
            if await queue.left() == 0:
                await asyncio.sleep(LOOK_SECONDS)
                if await queue.left() == 0:
                    return now
            await asyncio.sleep(LOOK_SECONDS)


async def _delays(queue: Queue, plan: Plan) -> list[float]:
    """Return the seconds from the return of each request, after its commit, to the start of the job."""
    notes = Path(os.environ[NOTES])
    notes.write_bytes(b"")
    enqueued_at: list[float] = []
    for number in range(plan.singles):
        await queue.note(number)
        enqueued_at.append(time.monotonic())
        await asyncio.sleep(plan.pause)
    await _end(queue)
    began = dict(line.split() for line in notes.read_text().splitlines())
    return [float(began[str(number)]) - moment for number, moment in enumerate(enqueued_at)]
