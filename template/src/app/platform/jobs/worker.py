"""The worker: runs jobs, the relay and the scheduler.

Any number of workers may run at once, and any of them may be killed at any moment.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.platform import ending
from app.platform.concurrency import cancel_and_wait
from app.platform.errors import DatabaseUnavailable, StartupError
from app.platform.jobs import outbox
from app.platform.jobs.autocommit import Statements
from app.platform.jobs.broker import RunJob, WorkerContext
from app.platform.jobs.logging import log_attempts
from app.platform.jobs.registry import Registry, Schedule
from app.platform.jobs.relay import Relay
from app.platform.jobs.runner import Runner
from app.platform.jobs.scheduler import Scheduler
from app.platform.resources import Check, PlatformResources
from app.platform.settings import PlatformSettings
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Application:
    """The parts of the service that jobs need. It must be picklable: Celery passes it to a new interpreter."""

    open_resources: Callable[[Any], PlatformResources[Any]]
    build_services: Callable[[Any], Any]
    jobs: Registry[Any]
    schedules: Sequence[Schedule]

    def runner(self, resources: PlatformResources[Any], worker: str) -> Runner[Any]:
        """Return a runner of jobs on these resources, for the worker of this name."""
        services = self.build_services(resources)
        return Runner(resources.database, resources.settings.database, services, self.jobs, worker)


async def work(settings: PlatformSettings, application: Application) -> None:
    """Run the worker until SIGTERM or SIGINT; give back jobs that are unfinished `TASKS_SHUTDOWN_TIMEOUT` later.

    Raises:
        StartupError: PostgreSQL is unavailable or unsuitable, no broker is configured, the port is in use, or the
            broker's processes ended by themselves.
    """
    log_attempts()
    worker = uuid4().hex
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _begin_to_end, stop, settings.jobs.shutdown_timeout)
    async with application.open_resources(settings) as resources:
        await resources.warn()
        if resources.broker and resources.broker.runs_jobs_here:
            await resources.warm_up(stop)
        try:
            await _run(application, resources, worker, stop)
        finally:
            await _give_back(resources, worker)
    if stop.is_set():
        ending.end_within(ending.LAST_SECONDS)


def _begin_to_end(stop: asyncio.Event, shutdown_timeout: float) -> None:
    stop.set()
    ending.end_within(shutdown_timeout + ending.CLOSING_SECONDS)


async def _run(application: Application, resources: PlatformResources[Any], worker: str, stop: asyncio.Event) -> None:
    database, broker, settings = resources.database, resources.broker, resources.settings
    if broker is None:
        message = "jobs need a broker: set REDIS_URL, or TASKS_BROKER_URL"
        raise StartupError(message)
    longest = max((handler.job.time_limit for handler in application.jobs), default=0.0)
    runner = application.runner(resources, worker)
    open_other = partial(open_runner, application)
    context = WorkerContext(settings, worker, runner.run, open_other, longest, stop, consuming=asyncio.Event())
    # a worker cannot work without its broker, which the resources count as not critical
    checks = [*resources.checks, Check("broker", broker.ping), Check("consumer", context.ping)]
    # it imports aiohttp, which takes long, and which the other commands need not
    from app.platform.jobs.monitoring import Monitoring  # noqa: PLC0415

    monitoring = Monitoring(database, broker, checks, stop, application.schedules)
    async with monitoring.serving(settings.jobs), AsyncExitStack() as stack:
        parts = (Relay(database, broker, settings.jobs).run(), Scheduler(database, application.schedules).run())
        stack.push_async_callback(cancel_and_wait, *map(asyncio.ensure_future, parts))
        log.info("worker_started", worker=worker)
        await broker.consume(context)


async def _give_back(resources: PlatformResources[Any], worker: str) -> None:
    returned: int | None = None
    try:
        returned = await Statements(resources.database, resources.settings.database).count(outbox.give_back(worker))
    except (DatabaseUnavailable, SQLAlchemyError) as error:
        # harmless: other workers get the jobs when the leases end
        log.warning("jobs_not_given_back", reason=summary(error))
    log.info("worker_stopped", given_back=returned)


@asynccontextmanager
async def open_runner(application: Application, settings: PlatformSettings, worker: str) -> AsyncIterator[RunJob]:
    """Yield the function that runs jobs in another process, with an engine and connections of its own."""
    async with application.open_resources(settings) as resources:
        # after opening, because opening may fail and be repeated in the same process
        log_attempts()
        await resources.warm_up()
        yield application.runner(resources, worker).run
