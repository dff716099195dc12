"""Units of work that are repeated, on errors that a real server says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.platform import metrics
from app.platform.db import driver, retries
from app.platform.db.retries import repeatable
from app.platform.db.session import SessionProvider
from app.platform.db.shared import shared_transaction
from app.platform.errors import AppError, DatabaseUnavailable, OutcomeUnknown
from app.platform.http.lifespan import State
from tests.platform.support.silent_proxy import SilentProxy
from tests.platform.support.trouble import TABLES, Trouble, grow, growth, opened
from tests.support.client import client_of, problem
from tests.support.databases import execute

ASYNCPG = driver.DRIVERNAME == "postgresql+asyncpg"

FAIL = "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END$$"
# runs at COMMIT, and gives time to be killed there
SLOW_COMMIT = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(5); RETURN NULL; END$$",
    "CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON things INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()",
)

Step = Callable[[AsyncSession], Awaitable[None]]


@dataclass
class Service:
    """A service of one method, whose first tries are what a test wants; `tries` counts all."""

    database: SessionProvider
    steps: list[Step] = field(default_factory=list)
    tries: int = 0

    @repeatable
    async def work(self) -> int:
        """Grow the first two things."""
        self.tries += 1
        async with self.database.transaction() as session:
            await grow(session, 1)
            if self.steps:
                await self.steps.pop(0)(session)
            await grow(session, 2)
        return self.tries


def fails(sqlstate: str) -> Step:
    async def fail(session: AsyncSession) -> None:
        await session.execute(text(FAIL.format(sqlstate)))

    return fail


@pytest.fixture
async def trouble(migrated_url: str) -> AsyncIterator[Trouble]:
    await execute(migrated_url, *TABLES)
    async with opened(migrated_url) as database:
        yield Trouble(database, migrated_url)


async def test_connection_that_is_lost_before_the_commit(trouble: Trouble) -> None:
    service = Service(trouble.database, [trouble.kill, trouble.kill])
    with growth(metrics.DB_RETRIES) as grown, capture_logs() as logs:
        assert await service.work() == 3
    assert grown == {"connection_lost": 2}
    assert await trouble.sizes() == [1, 1]
    told = [each for each in logs if each["event"] == "unit_of_work_repeated"]
    assert [(each["work"], each["cause"]) for each in told] == [("Service.work", "connection_lost")] * 2
    assert all(each["reason"] for each in told)


async def test_deadlock(trouble: Trouble) -> None:
    both = asyncio.Barrier(2)
    first_tries = 2

    @repeatable
    async def work(one: int, other: int) -> None:
        nonlocal first_tries
        async with trouble.database.transaction() as session:
            await session.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            await grow(session, one)
            if first_tries:
                first_tries -= 1
                await both.wait()
            await grow(session, other)

    with growth(metrics.DB_RETRIES) as grown:
        await asyncio.gather(work(1, 2), work(2, 1))
    assert grown == {"deadlock": 1}
    assert await trouble.sizes() == [2, 2]


async def test_serialization_failure(trouble: Trouble) -> None:
    both = asyncio.Barrier(2)
    first_tries = 2

    @repeatable
    async def count() -> None:
        nonlocal first_tries
        async with trouble.database.transaction() as session:
            await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
            size = await session.scalar(text("SELECT size FROM things WHERE id = 1"))
            if first_tries:
                first_tries -= 1
                await both.wait()
            await session.execute(text("UPDATE things SET size = :size WHERE id = 1"), {"size": (size or 0) + 1})

    with growth(metrics.DB_RETRIES) as grown:
        await asyncio.gather(count(), count())
    assert grown == {"serialization_failure": 1}
    assert (await trouble.sizes())[0] == 2


async def is_killed_in_its_commit(trouble: Trouble, work: Awaitable[object]) -> None:
    await trouble.others_run(*SLOW_COMMIT)
    working = asyncio.ensure_future(work)
    find = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    pid: int | None = None
    async with asyncio.timeout(10):
        while pid is None:
            async with trouble.database.read() as session:
                pid = await session.scalar(text(find))
    await trouble.kill_process(pid)
    await working


async def test_connection_that_is_lost_during_the_commit(trouble: Trouble) -> None:
    service = Service(trouble.database)
    with growth(metrics.DB_RETRIES) as grown, capture_logs() as logs, pytest.raises(OutcomeUnknown):
        await is_killed_in_its_commit(trouble, service.work())
    assert (service.tries, grown) == (1, {})
    [event] = [each for each in logs if each["event"] == "outcome_unknown"]
    assert event["reason"]


async def test_client_is_told_that_the_outcome_is_unknown(trouble: Trouble, app: FastAPI, state: State) -> None:
    @app.post("/work")
    async def work() -> None:
        await is_killed_in_its_commit(trouble, Service(trouble.database).work())

    with growth(metrics.DB_ERRORS) as grown:
        async with client_of(app, state) as client:
            answer = await client.post("/work")
    problem(answer, 503, "outcome_unknown")
    # nobody is asked to send it again
    assert "retry-after" not in answer.headers
    assert grown == {"connection_lost": 1}


async def test_commit_of_the_caller_is_not_repeated_either(trouble: Trouble) -> None:
    tries = 0

    @repeatable
    async def work() -> None:
        nonlocal tries
        tries += 1
        async with trouble.database.get_session() as session:
            await grow(session, 1)
            await session.commit()

    with growth(metrics.DB_RETRIES) as grown, pytest.raises(DBAPIError):
        await is_killed_in_its_commit(trouble, work())
    assert (tries, grown) == (1, {})


async def test_connection_that_is_lost_just_before_the_commit(trouble: Trouble) -> None:
    """asyncpg knows that it is lost before it sends COMMIT; psycopg only finds out afterwards."""
    tries = 0

    @repeatable
    async def work() -> None:
        nonlocal tries
        tries += 1
        async with trouble.database.transaction() as session:
            await grow(session, 1)
            if tries == 1:
                await trouble.kill(session)

    if ASYNCPG:
        await work()
        assert (tries, await trouble.sizes()) == (2, [1, 0])
    else:
        with pytest.raises(OutcomeUnknown):
            await work()
        assert (tries, await trouble.sizes()) == (1, [0, 0])


async def test_server_that_is_away_for_a_moment(trouble: Trouble) -> None:
    tries = 0
    async with SilentProxy(trouble.url).running() as proxy, opened(proxy.url) as database:

        @repeatable
        async def work() -> None:
            nonlocal tries
            tries += 1
            proxy.lead_to("postgresql://127.0.0.1:1/nothing" if tries == 1 else trouble.url)
            async with database.transaction() as session:
                await grow(session, 1)

        with growth(metrics.DB_RETRIES) as grown:
            await work()
    assert (tries, grown) == (2, {"not_connected": 1})


@pytest.mark.parametrize(
    ("sqlstate", "tries"),
    [("40001", 3), ("40P01", 3), ("08006", 3), ("55P03", 1), ("57014", 1), ("23505", 1), ("22001", 1), ("22012", 1)],
)
async def test_number_of_tries_is_bounded(trouble: Trouble, sqlstate: str, tries: int) -> None:
    service = Service(trouble.database, [fails(sqlstate) for _ in range(9)])
    with pytest.raises(DBAPIError):
        await service.work()
    assert service.tries == tries
    assert await trouble.sizes() == [0, 0]


@pytest.mark.parametrize(
    ("error", "tries"), [(DatabaseUnavailable, 3), (OutcomeUnknown, 1), (AppError, 1), (KeyError, 1)]
)
async def test_errors_of_the_service(trouble: Trouble, error: type[Exception], tries: int) -> None:
    async def fail(_: AsyncSession) -> None:
        raise error

    service = Service(trouble.database, [fail for _ in range(9)])
    with pytest.raises(error):
        await service.work()
    assert service.tries == tries


async def test_time_is_bounded_by_the_deadline_of_answers(trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.platform.db.pool.ANSWER_MARGIN", 0.5)

    async def fail_late(session: AsyncSession) -> None:
        await asyncio.sleep(0.6)
        await fails("40001")(session)

    async with opened(trouble.url, statement_timeout=0.5) as database:
        service = Service(database, [fail_late for _ in range(9)])
        with pytest.raises(DBAPIError):
            await service.work()
    # the second one began in time
    assert service.tries == 2


async def test_nothing_is_repeated_inside_another_unit_of_work(trouble: Trouble) -> None:
    service = Service(trouble.database, [fails("40001"), fails("40001")])
    async with trouble.database.transaction():
        with pytest.raises(DBAPIError):
            await service.work()
    assert service.tries == 1
    # but after it
    assert await service.work() == 3


async def test_nothing_is_repeated_in_a_shared_transaction(trouble: Trouble) -> None:
    with pytest.raises(DBAPIError):
        async with shared_transaction(trouble.database) as shared:
            service = Service(shared, [fails("40001")])
            await service.work()
    assert service.tries == 1


async def test_pauses_are_random_and_grow(trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[tuple[float, float]] = []
    slept: list[float] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return high / 2

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("app.platform.db.retries.random.uniform", uniform)
    monkeypatch.setattr("app.platform.db.retries.asyncio.sleep", sleep)
    service = Service(trouble.database, [fails("40001"), fails("40001")])
    assert await service.work() == 3
    assert bounds == [(0, retries.FIRST_PAUSE), (0, 2 * retries.FIRST_PAUSE)]
    assert slept == [retries.FIRST_PAUSE / 2, retries.FIRST_PAUSE]
