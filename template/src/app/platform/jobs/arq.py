"""ARQ as the broker: the only file that knows it. Jobs run in the worker's own process and event loop."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from arq.utils import timestamp_ms
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from app.platform.concurrency import end
from app.platform.jobs.broker import Handover, Work, url_of
from app.platform.settings import PlatformSettings

log = structlog.get_logger(__name__)

FUNCTION = "run"
# seconds between two looks of a worker that is not busy; a job waits half of it on average
POLL_DELAY = 0.02
SOCKET_SECONDS = 5.0
# how often ARQ itself may begin the same try again after a worker was stopped; the outbox counts what counts
NO_LIMIT = 1_000_000


class Broker:
    """The queue, as seen by those who hand jobs over and those who watch it."""

    def __init__(self, settings: PlatformSettings) -> None:
        url = url_of(settings, "redis://", "rediss://")
        pool = ConnectionPool.from_url(url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS)
        self._redis = ArqRedis(
            pool,
            default_queue_name=_queue(settings),
            job_serializer=orjson.dumps,
            job_deserializer=orjson.loads,
        )

    async def push(self, handovers: Sequence[Handover]) -> None:
        """Tell the workers: what `enqueue_job` does for one, in one round trip. A try that is there stays as it is."""
        now = timestamp_ms()
        async with self._redis.pipeline(transaction=True) as pipe:
            for each in handovers:
                told = serialize_job(FUNCTION, (str(each.key), each.job), {}, None, now, serializer=orjson.dumps)
                pipe.set(job_key_prefix + each.name, told, px=self._redis.expires_extra_ms, nx=True)
            pipe.zadd(self._redis.default_queue_name, {each.name: now for each in handovers}, nx=True)
            await pipe.execute()

    async def depth(self) -> int:
        """How many jobs the workers have not finished."""
        return int(await self._redis.zcard(self._redis.default_queue_name))

    async def ping(self) -> None:
        """Raise when Redis does not answer."""
        await self._redis.ping()

    async def consume(self, work: Work) -> None:
        """Have jobs begun in this process until told to stop; over and over, since ARQ ends when it loses Redis."""
        logging.getLogger("arq").setLevel(logging.WARNING)
        while not work.stop.is_set():
            try:
                await _work(_worker(work, self._redis), work.stop, work.settings.tasks.shutdown_timeout)
            except (RedisError, OSError) as error:
                log.warning("broker_lost", reason=repr(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(work.settings.tasks.poll_interval):
                        await work.stop.wait()

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose(close_connection_pool=True)


def _queue(settings: PlatformSettings) -> str:
    """Not the name that Celery would use: a service may change from one to the other on the same Redis."""
    return f"{settings.tasks.queue}.arq"


class _Worker(Worker):
    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Begin jobs, but for those that run here: ARQ would lose sight of one that outlives its mark in Redis."""
        running = {name.encode() for name, task in self.tasks.items() if not task.done()}
        await super().start_jobs([each for each in job_ids if each not in running])


def _worker(work: Work, redis: ArqRedis) -> Worker:
    async def begin(_context: dict[Any, Any], key: str, name: str) -> None:
        await work.run(UUID(key), name)

    tasks = work.settings.tasks
    worker = _Worker(
        [func(cast("Any", begin), name=FUNCTION)],
        queue_name=_queue(work.settings),
        redis_pool=redis,
        handle_signals=False,
        max_jobs=tasks.concurrency,
        max_tries=NO_LIMIT,
        # ours come first
        job_timeout=work.longest + 60,
        keep_result=0,
        poll_delay=POLL_DELAY,
        job_serializer=orjson.dumps,
        job_deserializer=orjson.loads,
    )
    # a try that a killed worker took and did not claim: free again once it is told again; one that runs is claimed
    worker.in_progress_timeout_s = tasks.redeliver_after
    return worker


async def _work(worker: Worker, stop: asyncio.Event, patience: float) -> None:
    """Work until told to stop, or until Redis is lost; what runs then may end, for `patience` seconds at a stop."""
    told = asyncio.ensure_future(_wind_up(worker, stop, patience))
    try:
        await worker.async_run()
    except asyncio.CancelledError:
        # by winding up
        if not stop.is_set():
            raise
    finally:
        for running in list(worker.tasks.values()):
            # what it raises is Redis' failure once more
            with suppress(asyncio.CancelledError, RedisError, OSError):
                await running
        # who sees to it that the above ends when the worker is to stop
        told.cancel()


async def _wind_up(worker: Worker, stop: asyncio.Event, patience: float) -> None:
    """What ARQ does at a signal, but for the jobs that it has read and not begun: it leaves them to others."""
    await stop.wait()
    worker.allow_pick_jobs = False
    worker.max_jobs = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while running := [task for task in worker.tasks.values() if not task.done()]:
                await asyncio.wait(running)
    for task in worker.tasks.values():
        task.cancel()
    if worker.main_task:
        await end(worker.main_task)
