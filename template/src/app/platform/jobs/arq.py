"""The broker on ARQ; no other file imports ARQ. Jobs run in the worker's process and event loop."""

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from arq.utils import ms_to_datetime, timestamp_ms
from arq.worker import Worker, func
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from app.platform.concurrency import cancel_and_wait
from app.platform.jobs import metrics
from app.platform.jobs.broker import Delivery, WorkerContext, broker_url
from app.platform.settings import PlatformSettings
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

FUNCTION = "run"
# seconds between two polls of an idle worker; a job waits half of it on average
POLL_DELAY = 0.02
SOCKET_SECONDS = 5.0
# `Delivery.name`
_DELIVERY = re.compile(rb"[0-9a-f-]{36}\.[0-9]+")
# the outbox limits the attempts, so ARQ need not limit how often it starts the same one after workers stopped
NO_LIMIT = 1_000_000


class Broker:
    """Publishes deliveries, reports the state of the queue, and runs jobs."""

    runs_jobs_here = True
    """Jobs run in the process of the worker."""

    def __init__(self, settings: PlatformSettings) -> None:
        url = broker_url(settings, "redis://", "rediss://")
        pool = ConnectionPool.from_url(url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS)
        self._redis = ArqRedis(
            pool,
            default_queue_name=_queue(settings),
            job_serializer=orjson.dumps,
            job_deserializer=orjson.loads,
        )

    async def publish(self, deliveries: Sequence[Delivery]) -> None:
        """Do what ARQ's `enqueue_job` does, in one round trip; skip attempts that are already in the queue."""
        now = timestamp_ms()
        async with self._redis.pipeline(transaction=True) as pipe:
            for each in deliveries:
                message = serialize_job(FUNCTION, (str(each.key), each.job), {}, None, now, serializer=orjson.dumps)
                pipe.set(job_key_prefix + each.name, message, px=self._redis.expires_extra_ms, nx=True)
            pipe.zadd(self._redis.default_queue_name, {each.name: now for each in deliveries}, nx=True)
            await pipe.execute()

    async def depth(self) -> int:
        """Return the number of waiting and running jobs."""
        return int(await self._redis.zcard(self._redis.default_queue_name))

    async def ping(self) -> None:
        """Raise when Redis does not answer."""
        await self._redis.ping()

    async def consume(self, context: WorkerContext) -> None:
        """Run jobs in this process until `stop` is set; start ARQ's worker again when it ends because Redis is lost.

        Jobs that run meanwhile go on, and others start beside them when Redis is back.
        """
        logging.getLogger("arq").setLevel(logging.WARNING)
        jobs, stop, worker = context.settings.jobs, context.stop, _worker(context, self._redis)
        while not stop.is_set():
            try:
                context.consuming.set()
                await _run(worker, stop, jobs.shutdown_timeout)
            except (RedisError, OSError) as error:
                context.consuming.clear()
                log.warning("broker_lost", reason=summary(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(jobs.poll_interval):
                        await stop.wait()
                worker.forget_ended()
        await _end(worker, jobs.shutdown_timeout)

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose(close_connection_pool=True)


def _queue(settings: PlatformSettings) -> str:
    """Return a name that differs from Celery's, so that a service can switch libraries on the same Redis."""
    return f"{settings.jobs.queue}.arq"


class _Worker(Worker):
    _released = 0
    """The number of jobs that have ended."""

    def forget_ended(self) -> None:
        """Forget the jobs that have ended without Redis; ARQ would raise the error of each one when Redis is back."""
        _raise_unexpected(self.tasks.values())
        self.tasks = {name: task for name, task in self.tasks.items() if not task.done()}

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Discard what the queue has and no release of this service wrote; skip jobs that are still running here.

        A job may run for longer than its mark in Redis lasts; started again, ARQ would lose track of the first run.
        """
        running = {name.encode() for name, task in self.tasks.items() if not task.done()}
        ours = [each for each in job_ids if _DELIVERY.fullmatch(each)]
        if foreign := set(job_ids).difference(ours):
            log.warning("delivery_unreadable", reason=f"{len(foreign)} names in the queue are not those of jobs")
            metrics.UNREADABLE_DELIVERIES.inc(len(foreign))
            await self.pool.zrem(self.queue_name, *foreign)
        for each in ours:
            if each not in running:
                await self._start_job(each)

    async def _start_job(self, job_id: bytes) -> None:
        counted, released = self.job_counter, self._released
        try:
            await super().start_jobs([job_id])
        except (RedisError, OSError):
            if self.job_counter + self._released - released > counted:
                # ARQ has counted the job whose start has failed, and would start one less from now on
                super()._release_sem_dec_counter_on_complete()
            raise

    def _release_sem_dec_counter_on_complete(self) -> None:
        self._released += 1
        super()._release_sem_dec_counter_on_complete()


def _read(message: bytes) -> dict[str, Any]:
    """Return what `publish` wrote. ARQ discards a message that raises here, but values of other types would end it."""
    try:
        read: dict[str, Any] = orjson.loads(message)
        match read:
            case {"f": "run", "a": [str(key), str()], "k": dict(named), "t": None, "et": int(enqueued)} if not named:
                UUID(key)
                ms_to_datetime(enqueued)
                return read
        raise ValueError("its keys or their types are not those of jobs")
    except (ValueError, OverflowError) as error:
        log.warning("delivery_unreadable", reason=summary(error))
        metrics.UNREADABLE_DELIVERIES.inc()
        raise


def _worker(context: WorkerContext, redis: ArqRedis) -> _Worker:
    async def run(_context: dict[Any, Any], key: str, name: str) -> None:
        await context.run_job(UUID(key), name)

    jobs = context.settings.jobs
    worker = _Worker(
        [func(cast("Any", run), name=FUNCTION)],
        queue_name=_queue(context.settings),
        redis_pool=redis,
        handle_signals=False,
        max_jobs=jobs.concurrency,
        max_tries=NO_LIMIT,
        # the runner's time limits come first
        job_timeout=context.longest_time_limit + 60,
        keep_result=0,
        poll_delay=POLL_DELAY,
        job_serializer=orjson.dumps,
        job_deserializer=_read,
    )
    # a delivery that a worker took before it was killed can be taken again after it is published again
    worker.in_progress_timeout_s = jobs.redeliver_after
    return worker


async def _run(worker: Worker, stop: asyncio.Event, shutdown_timeout: float) -> None:
    """Start jobs until Redis is lost, or until `stop` is set and the running jobs have ended."""
    stopping = asyncio.ensure_future(_stop(worker, stop, shutdown_timeout))
    try:
        await worker.async_run()
    except asyncio.CancelledError:
        # _stop has cancelled it
        if not stop.is_set():
            raise
    finally:
        if not stop.is_set():
            stopping.cancel()
        await asyncio.wait({stopping})


async def _stop(worker: Worker, stop: asyncio.Event, shutdown_timeout: float) -> None:
    await stop.wait()
    await _end(worker, shutdown_timeout)


async def _end(worker: Worker, shutdown_timeout: float) -> None:
    """Do what ARQ does at a signal, but leave the jobs that this worker has read and not started to other workers."""
    worker.allow_pick_jobs = False
    worker.max_jobs = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(shutdown_timeout):
            while running := [task for task in worker.tasks.values() if not task.done()]:
                await asyncio.wait(running)
    await cancel_and_wait(*worker.tasks.values())
    if worker.main_task:
        await cancel_and_wait(worker.main_task)
    _raise_unexpected(worker.tasks.values())


def _raise_unexpected(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Raise the error of a task that has ended, unless it was cancelled or has lost Redis."""
    for task in tasks:
        if task.done():
            with suppress(asyncio.CancelledError, RedisError, OSError):
                task.result()
