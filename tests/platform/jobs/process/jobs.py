"""Jobs of the tests: they record their start, and commit an effect together with their end."""

import asyncio
import os
import time
from contextlib import suppress

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.session import Database
from app.platform.jobs.attempt import attempt
from app.platform.jobs.job import Job
from app.platform.jobs.outbox import finish
from app.platform.jobs.registry import Handler
from app.platform.warm_up import WarmUp
from app.resources import Resources
from app.services import Services

log = structlog.get_logger(__name__)

TABLES = (
    "CREATE TABLE effects (key uuid, job text, attempt int, worker text, os_pid int, backend_pid int)",
    "CREATE TABLE started (LIKE effects)",
    # held jobs end when it has a row
    "CREATE TABLE gate (opened timestamptz DEFAULT now())",
)

EFFECT = Job("effect", time_limit=3.0, first_delay=0.1)
# short, so that the lease of a killed worker ends soon
HELD = Job("held", time_limit=2.0, first_delay=0.1)
LONG = Job("long", time_limit=300.0)
FLAKY = Job("flaky", time_limit=30.0, attempts=4, first_delay=0.1)
FAILING = Job("failing", time_limit=30.0, attempts=2, first_delay=0.1)
TICK = Job("tick", time_limit=30.0, first_delay=0.1)
CALLING = Job("calling", time_limit=30.0, attempts=2, first_delay=0.1)
WARM = Job("warm", time_limit=30.0, attempts=1)
DEAF = Job("deaf", time_limit=300.0)


class JobResources(Resources):
    """The resources, and a value that takes a moment to make."""

    async def open_own(self) -> None:
        await super().open_own()
        self.process = self.add("process", WarmUp("process", _slowly))


def _slowly() -> int:
    time.sleep(0.05)
    return os.getpid()


class JobServices(Services):
    """The services, their database, and the process that jobs should be in."""

    def __init__(self, resources: JobResources) -> None:
        super().__init__(resources)
        self.database = resources.database
        self.http = resources.http
        self.process = resources.process


async def effect(services: JobServices, pause: float = 0.0) -> None:
    await asyncio.sleep(pause)
    async with services.database.transaction() as session:
        await finish(session)
        await _write(session, "effects")
    log.info("effect_written")


async def held(services: JobServices) -> None:
    async with services.database.transaction() as session:
        await _write(session, "started")
    while not await _is_open(services.database):  # noqa: ASYNC110 (another process opens it)
        await asyncio.sleep(0.05)
    await effect(services)


async def deaf(services: JobServices) -> None:
    """Swallow each cancellation."""
    async with services.database.transaction() as session:
        await _write(session, "started")
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


async def flaky(services: JobServices, failures: int) -> None:
    current = attempt.get()
    if current and current.number <= failures:
        message = f"failure {current.number}"
        raise LookupError(message)
    await effect(services)


async def failing(services: JobServices, reason: str) -> None:
    if not await _is_open(services.database):
        raise LookupError(reason)
    await effect(services)


async def calling(services: JobServices, url: str) -> None:
    """Call another service; the first attempt fails after its call."""
    await services.http.put(url)
    current = attempt.get()
    if current and current.number == 1:
        raise LookupError(url)
    await effect(services)


async def warm(services: JobServices) -> None:
    # made at the start of this process, so that no job has to wait
    assert await services.process.ping() == "ok"
    assert await services.process.get() == os.getpid()
    await effect(services)


async def _is_open(database: Database) -> bool:
    async with database.read() as session:
        return bool(await session.scalar(text("SELECT count(*) FROM gate")))


async def _write(session: AsyncSession, table: str) -> None:
    current = attempt.get()
    assert current is not None
    row = {
        "key": current.key,
        "job": current.job,
        "attempt": current.number,
        "worker": os.environ["WORKER_NAME"],
        "os_pid": os.getpid(),
    }
    await session.execute(
        text(f"INSERT INTO {table} VALUES (:key, :job, :attempt, :worker, :os_pid, pg_backend_pid())"), row
    )


HANDLERS: tuple[Handler[Services], ...] = (
    Handler(EFFECT, effect),
    Handler(HELD, held),
    Handler(LONG, held),
    Handler(FLAKY, flaky),
    Handler(FAILING, failing),
    Handler(TICK, effect),
    Handler(CALLING, calling),
    Handler(WARM, warm),
    Handler(DEAF, deaf),
)
