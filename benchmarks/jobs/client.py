"""Asks for jobs and waits until they are done: what the clients of all queues do alike.

They run in the environment of a service, which has nothing of this repository; so this needs the standard library only.
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
# the longest that jobs may take to be done
PATIENCE_SECONDS = 120.0
# not more often: counting rows takes what the worker could use
LOOK_SECONDS = 0.05
WARM_UP_JOBS = 200


@dataclass(frozen=True)
class Plan:
    """So many empty jobs, in batches of each size, asked for by so many tasks; and some that come one at a time."""

    jobs: int
    sizes: Sequence[int]
    askers: int
    singles: int
    pause: float


@dataclass(frozen=True)
class Findings:
    """Jobs per second for each size of a batch, and for each single job the seconds until it began."""

    rates: Sequence[float]
    delays: Sequence[float]


class Queue(Protocol):
    """Where jobs are asked for."""

    async def empty(self, jobs: int) -> None:
        """Ask for so many jobs that do nothing: in one transaction, where there is one."""

    async def note(self, number: int) -> None:
        """Ask for a job that calls `write_note`."""

    async def left(self) -> int:
        """How many jobs are not done."""


def write_note(number: int) -> None:
    """Tell when this job began, on the clock that all processes share; in one write, since many may do so."""
    with Path(os.environ[NOTES]).open("ab", buffering=0) as file:
        file.write(f"{number} {time.monotonic()}\n".encode())


async def serve(queue: Queue, given: str) -> None:
    """Do what the plan says, and print what came out."""
    plan = Plan(**json.loads(given))
    rates = []
    for size in plan.sizes:
        await _rate(queue, WARM_UP_JOBS, size, plan.askers)
        rates.append(await _rate(queue, plan.jobs, size, plan.askers))
    sys.stdout.write(json.dumps(asdict(Findings(rates, await _delays(queue, plan)))) + "\n")


async def _rate(queue: Queue, jobs: int, size: int, askers: int) -> float:
    """Jobs per second, from the first request to the last end."""
    left = jobs

    async def keep_asking() -> None:
        nonlocal left
        while (mine := min(left, size)) > 0:
            left -= mine
            await queue.empty(mine)

    start = time.monotonic()
    await asyncio.gather(*(keep_asking() for _ in range(askers)))
    return jobs / (await _end(queue) - start)


async def _end(queue: Queue) -> float:
    """When all jobs were done; looked at twice, since a broker may have a message nowhere for a moment."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            now = time.monotonic()
            if await queue.left() == 0:
                await asyncio.sleep(LOOK_SECONDS)
                if await queue.left() == 0:
                    return now
            await asyncio.sleep(LOOK_SECONDS)


async def _delays(queue: Queue, plan: Plan) -> list[float]:
    """Seconds from the return of the request, which is after its commit, to the begin of the job."""
    notes = Path(os.environ[NOTES])
    notes.write_bytes(b"")
    asked: list[float] = []
    for number in range(plan.singles):
        await queue.note(number)
        asked.append(time.monotonic())
        await asyncio.sleep(plan.pause)
    await _end(queue)
    began = dict(line.split() for line in notes.read_text().splitlines())
    return [float(began[str(number)]) - moment for number, moment in enumerate(asked)]
