"""ARQ by itself, used as its documentation shows; runs in the environment of a service with ARQ."""

import asyncio
import os
import sys
from typing import Any

from app.platform.jobs.arq import POLL_DELAY
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import default_queue_name
from arq.worker import Worker

from benchmarks.jobs import client

REDIS = RedisSettings.from_dsn(os.environ["REDIS_URL"])


async def empty(_context: dict[Any, Any]) -> None:
    """Do nothing."""


async def note(_context: dict[Any, Any], number: int) -> None:
    """Record that the job has started."""
    client.write_note(number)


class Queue:
    """Enqueues jobs as users of ARQ do."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis

    async def empty(self, jobs: int) -> None:
        """Enqueue jobs one by one: ARQ has no other way."""
        for _ in range(jobs):
            await self._redis.enqueue_job("empty")

    async def note(self, number: int) -> None:
        """Enqueue one job with an argument."""
        await self._redis.enqueue_job("note", number)

    async def left(self) -> int:
        """Return the length of ARQ's queue, from which ARQ removes finished jobs."""
        return int(await self._redis.zcard(default_queue_name))


async def run_client(plan: str) -> None:
    """Run the client."""
    await client.serve(Queue(await create_pool(REDIS)), plan)


def work(keep_result: str) -> None:
    """Run the worker, polling as often as the service's: with ARQ's default it would mostly wait."""
    concurrency = int(os.environ["TASKS_CONCURRENCY"])
    Worker(
        [empty, note], redis_settings=REDIS, max_jobs=concurrency, poll_delay=POLL_DELAY, keep_result=float(keep_result)
    ).run()


if __name__ == "__main__":
    role, argument = sys.argv[1:]
    if role == "worker":
        work(argument)
    else:
        asyncio.run(run_client(argument))
