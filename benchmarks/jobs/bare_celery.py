"""Celery by itself, with tasks that run a coroutine on one event loop per process; needs a service with Celery."""

import asyncio
import os
import sys
from functools import cache

from celery import Celery
from redis.asyncio import Redis

from benchmarks.jobs import client

app = Celery("bare", broker=os.environ["REDIS_URL"])
# the service's settings, as far as they affect the speed
app.conf.update(
    task_acks_late=True, task_reject_on_worker_lost=True, task_ignore_result=True, worker_enable_remote_control=False
)


async def nothing() -> None:
    """Do nothing."""


async def noted(number: int) -> None:
    """Record that the job has started."""
    client.write_note(number)


@cache
def runner() -> asyncio.Runner:
    """Return the event loop of this process, created at the first use: after the fork."""
    return asyncio.Runner()


@app.task(name="empty")
def empty() -> None:
    """Do nothing, in a coroutine."""
    runner().run(nothing())


@app.task(name="note")
def note(number: int) -> None:
    """Record that the job has started, in a coroutine."""
    runner().run(noted(number))


class Queue:
    """Enqueues jobs as users of Celery do, with blocking calls."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def empty(self, jobs: int) -> None:
        """Enqueue jobs one by one: Celery has no other way."""
        for _ in range(jobs):
            empty.apply_async()

    async def note(self, number: int) -> None:
        """Enqueue one job with an argument."""
        note.apply_async((number,))

    async def left(self) -> int:
        """Return the number of waiting and of unacknowledged jobs."""
        return int(await self._redis.llen("celery")) + int(await self._redis.hlen("unacked"))


async def run_client(plan: str) -> None:
    """Run the client."""
    async with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        await client.serve(Queue(redis), plan)


def work() -> None:
    """Run the worker."""
    concurrency = int(os.environ["TASKS_CONCURRENCY"])
    worker = app.Worker(
        concurrency=concurrency,
        loglevel="WARNING",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        work()
    else:
        asyncio.run(run_client(sys.argv[2]))
