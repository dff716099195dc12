"""A connection that is lost around COMMIT: nobody knows the outcome, so nothing is repeated."""

import asyncio
from collections.abc import Awaitable

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from app.platform import metrics
from app.platform.db import driver
from app.platform.db.retries import repeatable
from app.platform.errors import OutcomeUnknown
from app.platform.http.lifespan import State
from tests.platform.support.repeated import Service
from tests.platform.support.trouble import Trouble, grow, growth
from tests.support.client import client_of, problem

ASYNCPG = driver.DRIVERNAME == "postgresql+asyncpg"

# runs at COMMIT, and gives time to be killed there
SLOW_COMMIT = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(5); RETURN NULL; END$$",
    "CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON things INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()",
)


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
