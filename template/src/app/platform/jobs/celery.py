"""The broker on Celery; no other file imports Celery.

Jobs run in child processes, which Celery forks from a process that has opened nothing. After the fork, each child opens
an engine and an event loop, and keeps both until it ends. So no connection is shared by processes or event loops.
"""

import asyncio
import multiprocessing
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from logging import getLogger
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import structlog
from billiard import pool
from celery import Celery, platforms, signals

from app.platform import logging, multiprocess
from app.platform.errors import StartupError
from app.platform.jobs import celery_redis
from app.platform.jobs.broker import Delivery, OpenRunner, RunJob, WorkerContext, broker_url
from app.platform.settings import PlatformSettings

log = structlog.get_logger(__name__)

TASK = "run"
SOCKET_SECONDS = 5.0

CONFIGURATION = {
    # acknowledge messages late, so that a killed process's messages are delivered again: a finished job is not claimed
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_ignore_result": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "worker_prefetch_multiplier": 4,
    "worker_enable_remote_control": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_proc_alive_timeout": 60.0,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_connection_timeout": SOCKET_SECONDS,
}


def _queue(settings: PlatformSettings) -> str:
    """Return a name that differs from ARQ's, so that a service can switch libraries on the same Redis."""
    return f"{settings.jobs.queue}.celery"


def _celery(settings: PlatformSettings) -> Celery:
    url = broker_url(settings, "redis://", "rediss://", "amqp://", "amqps://")
    app = Celery("app", broker=url, set_as_current=False)
    app.conf.update(CONFIGURATION)
    if url.startswith("redis"):
        app.conf.broker_transport = celery_redis.NAME
    if url.startswith("rediss"):
        # kombu encrypts only with its own transport unless told to; `ssl_…` parameters of the URL take precedence
        app.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    app.conf.task_default_queue = _queue(settings)
    app.conf.broker_transport_options = {
        # Redis only: when an unacknowledged message is delivered again
        "visibility_timeout": settings.jobs.redeliver_after,
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": SOCKET_SECONDS,
    }
    return app


class Broker:
    """Publishes deliveries, reports the state of the queue, and runs jobs. Celery blocks, so its calls use threads."""

    runs_jobs_here = False
    """Jobs run in other processes, with resources of their own."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._celery = _celery(settings)
        # fail at once, as with ARQ: the relay retries, and should not hold its locks meanwhile
        self._celery.conf.broker_transport_options["max_retries"] = 0
        self._queue = _queue(settings)

    async def publish(self, deliveries: Sequence[Delivery]) -> None:
        """Send a message for each delivery."""
        await asyncio.to_thread(self._publish, deliveries)

    def _publish(self, deliveries: Sequence[Delivery]) -> None:
        with self._celery.producer_or_acquire() as producer:
            for each in deliveries:
                arguments = (str(each.key), each.job)
                self._celery.send_task(TASK, arguments, task_id=each.name, producer=producer, retry=False)

    async def depth(self) -> int:
        """Return the number of messages that no process has taken."""
        return await asyncio.to_thread(self._depth)

    def _depth(self) -> int:
        with self._celery.connection_or_acquire() as connection:
            queue = self._celery.amqp.queues[self._queue](connection.default_channel)
            # declaring an existing queue returns its length
            return int(queue.queue_declare().message_count)

    async def ping(self) -> None:
        """Raise when the broker does not answer."""
        await self.depth()

    async def consume(self, context: WorkerContext) -> None:
        """Run Celery in processes of its own until `stop` is set; kill the ones that do not end in time.

        Raises:
            StartupError: Celery ended by itself.
        """
        with multiprocess.shared_directory():
            # a new interpreter: nothing that this process has opened may be forked
            spawning = multiprocessing.get_context("spawn")
            ready, tell = spawning.Pipe(duplex=False)
            process = spawning.Process(
                target=_serve,
                args=(context.settings, context.open_runner, context.worker, context.longest_time_limit, tell),
            )
            process.start()
            try:
                await _wait_for_either(context.stop, process.sentinel, ready.fileno())
                if ready.poll():
                    context.consuming.set()
                    await _wait_for_either(context.stop, process.sentinel)
                if not context.stop.is_set():
                    message = f"Celery ended by itself, with status {process.exitcode}"
                    raise StartupError(message)
                process.terminate()
                with suppress(TimeoutError):
                    async with asyncio.timeout(context.settings.jobs.shutdown_timeout):
                        await _wait_for_either(asyncio.Event(), process.sentinel)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid or 0, signal.SIGKILL)
                process.join()

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.to_thread(self._celery.close)


async def _wait_for_either(event: asyncio.Event, *descriptors: int) -> None:
    """Wait until the event is set or one of the file descriptors is readable."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    for each in descriptors:
        loop.add_reader(each, readable.set)
    try:
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(each.wait()) for each in (event, readable)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
    finally:
        for each in descriptors:
            loop.remove_reader(each)


class _Child:
    """The event loop, the resources and the runner of a child process, from its fork to its end."""

    def __init__(self, settings: PlatformSettings, open_runner: OpenRunner, worker: str) -> None:
        self._open_runner = partial(open_runner, settings, worker)
        self._stack = AsyncExitStack()
        # creates the event loop at its first use, which is after the fork
        self._loop = asyncio.Runner()
        self._run_job: RunJob | None = None

    def open(self, **_: Any) -> RunJob:
        if self._run_job is None:
            self._run_job = self._loop.run(self._stack.enter_async_context(self._open_runner()))
        return self._run_job

    def run(self, key: str, name: str) -> None:
        # opens the resources if PostgreSQL was unavailable when the process started
        self._loop.run(self.open()(UUID(key), name))

    def close(self, **_: Any) -> None:
        self._loop.run(self._stack.aclose())
        self._loop.close()


def _serve(
    settings: PlatformSettings, open_runner: OpenRunner, worker: str, longest_time_limit: float, tell: Connection
) -> None:
    """Run the process from which Celery forks the children; `tell` when it takes jobs from the queue."""
    _end_with_the_worker()
    _log_like_the_worker(settings)
    # a child that ends waits 0.1 s so many times until its last result is read, which may never happen
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10
    app, child = _celery(settings), _Child(settings, open_runner, worker)
    app.task(name=TASK)(child.run)
    signals.worker_process_init.connect(child.open, weak=False)
    signals.worker_process_shutdown.connect(child.close, weak=False)
    signals.worker_ready.connect(partial(_tell, tell), weak=False)
    celery = app.Worker(
        pool=settings.jobs.pool,
        concurrency=settings.jobs.concurrency,
        # the runner's time limits come first, except for a job that blocks its event loop
        task_time_limit=longest_time_limit + 60,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    celery.start()
    # with the solo pool, this process has run the jobs
    child.close()
    sys.exit(celery.exitcode)


def _end_with_the_worker() -> None:
    """Have this process killed when the worker ends, however it ends (on Linux)."""
    # a terminal sends Ctrl-C to the worker's process group only; the worker stops this process
    os.setpgrp()
    platforms.set_pdeathsig("SIGKILL")
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        # the worker was killed before the line above
        sys.exit(1)


def _log_like_the_worker(settings: PlatformSettings) -> None:
    logging.configure(settings.log, settings.process.environment)
    # the runner logs the outcome of each attempt
    for name in ("celery.worker.strategy", "celery.app.trace"):
        getLogger(name).setLevel("WARNING")
    # a connected receiver, even an empty one, keeps Celery from configuring the logs
    signals.setup_logging.connect(_keep_logs, weak=False)


def _keep_logs(**_: Any) -> None:
    """Do nothing."""


def _tell(connection: Connection, **_: Any) -> None:
    connection.send(True)
