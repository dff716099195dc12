"""ARQ's worker, when Redis is lost while it starts jobs: it must be able to run as many as before."""

import asyncio
from itertools import count
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from arq.worker import func
from redis.exceptions import ConnectionError as RedisConnectionError

from app.platform.jobs import arq

LIMIT = 4


class Pipeline:
    """Begins to start a job, and is lost each third time."""

    calls = count(1)

    async def __aenter__(self) -> "Pipeline":
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def watch(self, _key: str) -> None:
        await asyncio.sleep(0)
        if next(self.calls) % 3 == 0:
            raise RedisConnectionError

    async def exists(self, _key: str) -> bool:
        return False

    async def zscore(self, *_: object) -> int:
        return 1

    def multi(self) -> None: ...

    def psetex(self, *_: object) -> None: ...

    async def execute(self) -> None: ...


class Jobs(arq._Worker):  # noqa: SLF001
    """Its jobs end by themselves, in the middle of other starts."""

    async def run_job(self, _job_id: str, _score: int) -> None:
        await asyncio.sleep(0)


async def nothing(_: object) -> None: ...


async def test_starts_that_fail_take_no_place() -> None:
    redis = SimpleNamespace(pipeline=lambda transaction: Pipeline(), job_serializer=None, job_deserializer=None)  # noqa: ARG005
    functions = [func(cast("Any", nothing), name="run")]
    worker = Jobs(functions, redis_pool=cast("Any", redis), handle_signals=False, max_jobs=LIMIT)
    lost = 0
    for _ in range(50):
        try:
            await worker.start_jobs([f"{uuid4()}.0".encode() for _ in range(LIMIT)])
        except RedisConnectionError:
            lost += 1
        await asyncio.sleep(0)
        worker.forget_ended()
    await asyncio.gather(*worker.tasks.values())
    await asyncio.sleep(0)
    assert lost > LIMIT
    assert worker.job_counter == 0
    # a place for each job, and ARQ's own
    for _ in range(LIMIT + 1):
        await worker.sem.acquire()
    assert worker.sem.locked()
