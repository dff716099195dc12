"""Make PostgreSQL really raise its errors: the statements of a unit of work, and those of others around it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.connections import OnConnect
from app.platform.db.session import Database
from tests.support.databases import execute, settings_for

TABLES = (
    """
    CREATE TABLE things (
        id integer PRIMARY KEY,
        label varchar(3) CHECK (label <> 'bad'),
        size smallint NOT NULL,
        facts jsonb,
        parent integer REFERENCES things,
        words text,
        bits bit(2)
    )
    """,
    "CREATE INDEX ON things (words)",
    "INSERT INTO things (id, size) SELECT id, 0 FROM generate_series(1, 9) AS id",
)


@dataclass
class Trouble:
    """A database, and its URL for what others do at the same time."""

    database: Database
    url: str

    async def run(self, statement: str, **values: object) -> None:
        """Run a statement in a transaction of its own."""
        async with self.database.transaction() as session:
            await session.execute(text(statement), values)

    async def others_run(self, *statements: str) -> None:
        """Run statements over another connection."""
        await execute(self.url, *statements)

    async def kill(self, session: AsyncSession) -> None:
        """End the server process of this session, and wait until the driver could know."""
        await self.kill_process(await session.scalar(text("SELECT pg_backend_pid()")))

    async def kill_process(self, pid: int | None) -> None:
        """End a server process."""
        await self.others_run(f"SELECT pg_terminate_backend({pid})")
        await asyncio.sleep(0.1)

    async def ask(self, session: AsyncSession) -> None:
        """Run a statement that only fails if the connection is lost."""
        await session.execute(text("SELECT 1"))

    async def sizes(self) -> list[int]:
        """Return the sizes of the first two things."""
        async with self.database.read() as session:
            return list(await session.scalars(text("SELECT size FROM things WHERE id <= 2 ORDER BY id")))


async def grow(session: AsyncSession, key: int) -> None:
    """Change a row, which locks it until the transaction ends."""
    await session.execute(text("UPDATE things SET size = size + 1 WHERE id = :id"), {"id": key})


@asynccontextmanager
async def opened(url: str, on_connect: Sequence[OnConnect] = (), **values: object) -> AsyncIterator[Database]:
    """Yield a database with these settings."""
    database = Database(settings_for(url, **values), on_connect)
    await database.init()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def rival(url: str) -> AsyncIterator[AsyncSession]:
    """Yield a session in the transaction of another process, which never is the victim of a deadlock."""
    async with opened(url) as database, database.transaction() as session:
        await session.execute(text("SET LOCAL deadlock_timeout = '1min'"))
        yield session


async def deadlock(url: str, work: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]) -> None:
    """Run a transaction that meets another one in a deadlock, and loses.

    `work` locks the first thing, calls its argument, and then locks the second thing.
    """
    tasks: list[asyncio.Task[None]] = []
    async with rival(url) as session:
        await grow(session, 2)

        async def meet() -> None:
            tasks.append(asyncio.create_task(grow(session, 1)))
            await waiting_for_a_lock(url)

        try:
            await work(meet)
        finally:
            await asyncio.gather(*tasks)


async def waiting_for_a_lock(url: str, count: int = 1) -> None:
    """Return as soon as this many server processes wait for a lock.

    Raises:
        TimeoutError: they do not.
    """
    activity = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    waiting = text(f"{activity} AND wait_event_type = 'Lock'")
    async with asyncio.timeout(10), opened(url) as database, database.read() as session:
        while await session.scalar(waiting) != count:  # noqa: ASYNC110 (the server sends no event)
            await asyncio.sleep(0.01)


def counts(counter: Counter) -> dict[str, float]:
    """Return the counter's values by their only label."""
    samples = [sample for metric in counter.collect() for sample in metric.samples if sample.name.endswith("_total")]
    return {next(iter(sample.labels.values())): sample.value for sample in samples}


@contextmanager
def growth(counter: Counter) -> Iterator[dict[str, float]]:
    """Yield a dictionary; after the block it has what the counter grew by, by its only label."""
    before, grown = counts(counter), dict[str, float]()
    yield grown
    after = counts(counter)
    grown |= {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
