"""The worker: runs jobs, hands those that are due over to the broker, and asks for the scheduled ones.

Everything it does may be done by many workers at once, and by a worker that dies at any moment.
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

from app.platform.concurrency import end
from app.platform.errors import DatabaseUnavailable, StartupError
from app.platform.jobs import ledger
from app.platform.jobs.attempt import log_attempts
from app.platform.jobs.broker import Run, Work
from app.platform.jobs.monitoring import Monitoring
from app.platform.jobs.registry import Registry, Schedule
from app.platform.jobs.relay import Relay
from app.platform.jobs.runner import Runner
from app.platform.jobs.scheduler import Scheduler
from app.platform.jobs.statements import Statements
from app.platform.resources import PlatformResources
from app.platform.settings import PlatformSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Application:
    """What jobs need of the service. It can be pickled, because Celery's processes get it in a new interpreter."""

    open_resources: Callable[[Any], PlatformResources[Any]]
    build_services: Callable[[Any], Any]
    jobs: Registry[Any]
    schedules: Sequence[Schedule]

    def runner(self, resources: PlatformResources[Any], worker: str) -> Runner[Any]:
        """Return what runs jobs on these resources, in the name of this worker."""
        services = self.build_services(resources)
        return Runner(resources.database, resources.settings.database, services, self.jobs, worker)


async def work(settings: PlatformSettings, application: Application) -> None:
    """Work until SIGTERM or SIGINT; jobs that have not ended `TASKS_SHUTDOWN_TIMEOUT` later are given back.

    Raises:
        StartupError: PostgreSQL cannot be used as it is, no broker is named, the port is taken, or the queue ended.
    """
    log_attempts()
    worker = uuid4().hex
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with application.open_resources(settings) as resources:
        try:
            await _work(application, resources, worker, stop)
        finally:
            await _give_back(resources, worker)


async def _work(application: Application, resources: PlatformResources[Any], worker: str, stop: asyncio.Event) -> None:
    database, broker, settings = resources.database, resources.broker, resources.settings
    if broker is None:
        message = "jobs need a broker: set REDIS_URL, or TASKS_BROKER_URL"
        raise StartupError(message)
    longest = max((handler.job.time_limit for handler in application.jobs), default=0.0)
    runner = application.runner(resources, worker)
    work = Work(settings, worker, runner.run, partial(open_run, application), longest, stop)
    monitoring = Monitoring(database, broker, {"postgresql": database.ping, "broker": broker.ping}, stop)
    async with monitoring.serving(settings.tasks), AsyncExitStack() as stack:
        for part in (Relay(database, broker, settings.tasks).run(), Scheduler(database, application.schedules).run()):
            stack.push_async_callback(end, asyncio.ensure_future(part))
        log.info("worker_started", worker=worker)
        await broker.consume(work)


async def _give_back(resources: PlatformResources[Any], worker: str) -> None:
    returned: int | None = None
    try:
        returned = await Statements(resources.database, resources.settings.database).count(ledger.give_back(worker))
    except (DatabaseUnavailable, SQLAlchemyError) as error:
        # no harm: the leases end
        log.warning("jobs_not_given_back", reason=repr(error))
    log.info("worker_stopped", given_back=returned)


@asynccontextmanager
async def open_run(application: Application, settings: PlatformSettings, worker: str) -> AsyncIterator[Run]:
    """What begins jobs in a process of its own: with its own engine, its own connections, and the same services."""
    async with application.open_resources(settings) as resources:
        # not before: this may be tried again in the same process
        log_attempts()
        yield application.runner(resources, worker).run
