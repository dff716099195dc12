"""The worker: runs jobs, hands those that are due over to the broker, and asks for the scheduled ones.

Everything it does may be done by many workers at once, and by a worker that dies at any moment.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app import jobs
from app.concurrency import end
from app.config import Settings
from app.errors import DatabaseUnavailable, StartupError
from app.resources import Resources, open_resources
from app.services import Services, build_services
from app.tasks import ledger
from app.tasks.attempt import log_attempts
from app.tasks.broker import Run, Work
from app.tasks.monitoring import Monitoring
from app.tasks.relay import Relay
from app.tasks.runner import Runner
from app.tasks.scheduler import Scheduler
from app.tasks.statements import Statements

log = structlog.get_logger(__name__)


async def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; jobs that have not ended `TASKS_SHUTDOWN_TIMEOUT` later are given back.

    Raises:
        StartupError: PostgreSQL cannot be used as it is, no broker is named, the port is taken, or the queue ended.
    """
    log_attempts()
    worker = uuid4().hex
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_resources(settings) as resources:
        try:
            await _work(resources, worker, stop)
        finally:
            await _give_back(resources, worker)


async def _work(resources: Resources, worker: str, stop: asyncio.Event) -> None:
    database, broker, settings = resources.database, resources.broker, resources.settings
    if broker is None:
        message = "jobs need a broker: set REDIS_URL, or TASKS_BROKER_URL"
        raise StartupError(message)
    longest = max((handler.job.time_limit for handler in jobs.JOBS), default=0.0)
    work = Work(settings, worker, _runner(resources, worker).run, open_run, longest, stop)
    monitoring = Monitoring(database, broker, {"postgresql": database.ping, "broker": broker.ping}, stop)
    async with monitoring.serving(settings.tasks), AsyncExitStack() as stack:
        for part in (Relay(database, broker, settings.tasks).run(), Scheduler(database, jobs.SCHEDULES).run()):
            stack.push_async_callback(end, asyncio.ensure_future(part))
        log.info("worker_started", worker=worker)
        await broker.consume(work)


async def _give_back(resources: Resources, worker: str) -> None:
    returned: int | None = None
    try:
        returned = await Statements(resources.database, resources.settings.database).count(ledger.give_back(worker))
    except (DatabaseUnavailable, SQLAlchemyError) as error:
        # no harm: the leases end
        log.warning("jobs_not_given_back", reason=repr(error))
    log.info("worker_stopped", given_back=returned)


@asynccontextmanager
async def open_run(settings: Settings, worker: str) -> AsyncIterator[Run]:
    """What begins jobs in a process of its own: with its own engine, its own connections, and the same services."""
    async with open_resources(settings) as resources:
        # not before: this may be tried again in the same process
        log_attempts()
        yield _runner(resources, worker).run


def _runner(resources: Resources, worker: str) -> Runner[Services]:
    return Runner(resources.database, resources.settings.database, build_services(resources), jobs.JOBS, worker)
