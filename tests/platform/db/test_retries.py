"""Units of work that are repeated, on errors that a real server says."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.platform import metrics
from app.platform.db import retries
from app.platform.db.retries import repeatable
from app.platform.db.shared import shared_transaction
from app.platform.errors import AppError, DatabaseUnavailable, OutcomeUnknown
from tests.platform.support.repeated import Service, Step
from tests.platform.support.silent_proxy import SilentProxy
from tests.platform.support.trouble import Trouble, grow, growth, opened

FAIL = "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END$$"


def fails(sqlstate: str) -> Step:
    async def fail(session: AsyncSession) -> None:
        await session.execute(text(FAIL.format(sqlstate)))

    return fail


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
