"""Celery as the broker: the only file that knows it.

Jobs run in processes that Celery forks from a process of its own, which opens nothing: each child makes its engine and
its event loop after the fork, keeps both for life, and closes them at its end. So no connection is shared across a fork
or a loop.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from logging import getLogger
from typing import Any
from uuid import UUID

import structlog
from billiard import pool
from celery import Celery, platforms, signals

from app.platform import logging, multiprocess
from app.platform.errors import StartupError
from app.platform.jobs.broker import Handover, OpenRun, Run, Work, url_of
from app.platform.settings import PlatformSettings

log = structlog.get_logger(__name__)

TASK = "run"
SOCKET_SECONDS = 5.0

CONFIGURATION = {
    # acknowledged when it is done: a killed process gives its messages back, which does no harm to what is done
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
    """Not the name that ARQ would use: a service may change from one to the other on the same Redis."""
    return f"{settings.tasks.queue}.celery"


def _celery(settings: PlatformSettings) -> Celery:
    app = Celery("app", broker=url_of(settings, "redis://", "rediss://", "amqp://", "amqps://"), set_as_current=False)
    app.conf.update(CONFIGURATION)
    app.conf.task_default_queue = _queue(settings)
    app.conf.broker_transport_options = {
        # Redis only: a message that nobody acknowledged is told again after that
        "visibility_timeout": settings.tasks.redeliver_after,
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": SOCKET_SECONDS,
    }
    return app


class Broker:
    """The queue, as seen by those who hand jobs over and those who watch it. Celery blocks, so threads do it."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._celery = _celery(settings)
        # at once, as with ARQ: the relay tries again by itself, and holds locks meanwhile
        self._celery.conf.broker_transport_options["max_retries"] = 0
        self._queue = _queue(settings)

    async def push(self, handovers: Sequence[Handover]) -> None:
        """Tell the workers."""
        await asyncio.to_thread(self._push, handovers)

    def _push(self, handovers: Sequence[Handover]) -> None:
        with self._celery.producer_or_acquire() as producer:
            for each in handovers:
                arguments = (str(each.key), each.job)
                self._celery.send_task(TASK, arguments, task_id=each.name, producer=producer, retry=False)

    async def depth(self) -> int:
        """How many jobs no process has taken."""
        return await asyncio.to_thread(self._depth)

    def _depth(self) -> int:
        with self._celery.connection_or_acquire() as connection:
            queue = self._celery.amqp.queues[self._queue](connection.default_channel)
            # declaring one that exists is how brokers are asked for its length
            return int(queue.queue_declare().message_count)

    async def ping(self) -> None:
        """Raise when the broker does not answer."""
        await self.depth()

    async def consume(self, work: Work) -> None:
        """Keep Celery's processes up until told to stop; those that do not end in time are killed.

        Raises:
            StartupError: they ended by themselves.
        """
        with multiprocess.shared_directory():
            # a new interpreter, because nothing that this one has opened may be forked
            process = multiprocessing.get_context("spawn").Process(
                target=_serve, args=(work.settings, work.open_run, work.worker, work.longest)
            )
            process.start()
            try:
                await _either(work.stop, process.sentinel)
                if not work.stop.is_set():
                    message = f"Celery ended by itself, with status {process.exitcode}"
                    raise StartupError(message)
                process.terminate()
                with suppress(TimeoutError):
                    async with asyncio.timeout(work.settings.tasks.shutdown_timeout):
                        await _either(asyncio.Event(), process.sentinel)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid or 0, signal.SIGKILL)
                process.join()

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.to_thread(self._celery.close)


async def _either(event: asyncio.Event, descriptor: int) -> None:
    """Wait until the event is set, or the descriptor can be read."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(each.wait()) for each in (event, readable)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
    finally:
        loop.remove_reader(descriptor)


class _Child:
    """What a process keeps from its fork to its end: an event loop, and what jobs need in it."""

    def __init__(self, settings: PlatformSettings, open_run: OpenRun, worker: str) -> None:
        self._opens = partial(open_run, settings, worker)
        self._stack = AsyncExitStack()
        # which makes its event loop when it is first used: after the fork
        self._loop = asyncio.Runner()
        self._run: Run | None = None

    def open(self, **_: Any) -> Run:
        if self._run is None:
            self._run = self._loop.run(self._stack.enter_async_context(self._opens()))
        return self._run

    def run(self, key: str, name: str) -> None:
        # opened here when PostgreSQL was not there as the process began
        self._loop.run(self.open()(UUID(key), name))

    def close(self, **_: Any) -> None:
        self._loop.run(self._stack.aclose())
        self._loop.close()


def _serve(settings: PlatformSettings, open_run: OpenRun, worker: str, longest: float) -> None:
    """Be the process that Celery forks from."""
    _end_with_the_worker()
    _log_as_the_worker(settings)
    # a process that ends waits 0.1 s so often for its last result to be read; often nobody does, nor wants to
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10
    app, child = _celery(settings), _Child(settings, open_run, worker)
    app.task(name=TASK)(child.run)
    signals.worker_process_init.connect(child.open, weak=False)
    signals.worker_process_shutdown.connect(child.close, weak=False)
    celery = app.Worker(
        pool=settings.tasks.pool,
        concurrency=settings.tasks.concurrency,
        # ours come first, but for a job that blocks
        task_time_limit=longest + 60,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    celery.start()
    # what was opened in this process, if it was the pool
    child.close()
    sys.exit(celery.exitcode)


def _end_with_the_worker() -> None:
    """See to it that the worker takes us along, however it ends (on Linux)."""
    # Ctrl-C in a terminal is for the worker alone, which tells us
    os.setpgrp()
    platforms.set_pdeathsig("SIGKILL")
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        # it was killed before it could
        sys.exit(1)


def _log_as_the_worker(settings: PlatformSettings) -> None:
    logging.configure(settings.log, settings.process.environment)
    # the runner says what became of each job, once
    for name in ("celery.worker.strategy", "celery.app.trace"):
        getLogger(name).setLevel("WARNING")
    # being connected is enough to make Celery leave the logs alone
    signals.setup_logging.connect(_leave_logs, weak=False)


def _leave_logs(**_: Any) -> None:
    """Do nothing."""
