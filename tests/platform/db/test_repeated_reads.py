"""Reads of one step are repeated once by themselves, because they change nothing: on connections and on cursors."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Select, literal_column, select, table, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from app.platform import metrics
from app.platform.db.one_step import in_one_step
from app.platform.db.rows import Run
from tests.platform.support.trouble import TABLES, Trouble, growth, opened, rival, waiting_for_a_lock
from tests.support.databases import execute

# a sequence is not rolled back, so it counts the tries
FAILS = """
CREATE FUNCTION fail(state text, times integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') <= times THEN
        RAISE EXCEPTION 'x' USING ERRCODE = state;
    END IF;
    RETURN 7;
END$$
"""


@pytest.fixture
async def trouble(migrated_url: str) -> AsyncIterator[Trouble]:
    await execute(migrated_url, *TABLES, "CREATE SEQUENCE tries", FAILS)
    async with opened(migrated_url) as database:
        yield Trouble(database, migrated_url)


@pytest.fixture(params=[False, True], ids=["connection", "cursor"])
def prebuilt(request: pytest.FixtureRequest) -> bool:
    """Whether the statement takes the way of those that are built once."""
    return bool(request.param)


def one_value(run: Run, value: str, table_name: str | None = None) -> object:
    query: Select[Any] = select(literal_column(value))
    ((found,),) = run(query.select_from(table(table_name)) if table_name else query, {})
    return found


async def read(trouble: Trouble, prebuilt: bool, value: str, table_name: str | None = None) -> object:
    async with trouble.database.read() as session:
        return await in_one_step(session, lambda run: one_value(run, value, table_name), prebuilt=prebuilt)


async def tries(trouble: Trouble) -> object:
    return await read(trouble, False, "last_value", "tries")


@pytest.mark.parametrize(
    ("sqlstate", "cause"),
    [
        # what a standby says to a read that is in the way of the primary's changes
        ("40001", "serialization_failure"),
        ("40P01", "deadlock"),
        ("08006", "connection_lost"),
        ("26000", "prepared_statement_lost"),
    ],
)
async def test_read_is_repeated_once(trouble: Trouble, prebuilt: bool, sqlstate: str, cause: str) -> None:
    with growth(metrics.DB_RETRIES) as grown, capture_logs() as logs:
        assert await read(trouble, prebuilt, f"fail('{sqlstate}', 1)") == 7
    assert grown == {cause: 1}
    assert await tries(trouble) == 2
    [event] = [each for each in logs if each["event"] == "read_repeated"]
    assert event["cause"] == cause
    assert sqlstate in event["reason"]


async def test_second_failure_is_raised(trouble: Trouble, prebuilt: bool) -> None:
    with growth(metrics.DB_RETRIES) as grown, pytest.raises(DBAPIError):
        await read(trouble, prebuilt, "fail('40001', 2)")
    assert grown == {"serialization_failure": 1}
    assert await tries(trouble) == 2


@pytest.mark.parametrize("sqlstate", ["57014", "55P03", "53200", "22012"])
async def test_what_may_not_pass_is_not_repeated(trouble: Trouble, prebuilt: bool, sqlstate: str) -> None:
    with growth(metrics.DB_RETRIES) as grown, pytest.raises(DBAPIError):
        await read(trouble, prebuilt, f"fail('{sqlstate}', 1)")
    assert grown == {}
    assert await tries(trouble) == 1


async def test_read_of_a_transaction_is_not_repeated(trouble: Trouble, prebuilt: bool) -> None:
    with growth(metrics.DB_RETRIES) as grown, pytest.raises(DBAPIError):
        async with trouble.database.transaction() as session:
            await in_one_step(session, lambda run: one_value(run, "fail('40001', 1)"), prebuilt=prebuilt)
    assert grown == {}


async def test_read_that_loses_a_deadlock_is_repeated(trouble: Trouble, prebuilt: bool) -> None:
    """A read waits for the second table while a migration, which has locked both, waits for the first."""
    await trouble.others_run("CREATE TABLE others AS SELECT * FROM things")
    async with rival(trouble.url) as migration:
        await migration.execute(text("LOCK TABLE others IN ACCESS EXCLUSIVE MODE"))
        with growth(metrics.DB_RETRIES) as grown:
            reading = asyncio.create_task(
                read(trouble, prebuilt, "(SELECT count(*) FROM things JOIN others USING (id))")
            )
            await waiting_for_a_lock(trouble.url)
            # the read gives up after a second, and begins again when this transaction has ended
            await migration.execute(text("LOCK TABLE things IN ACCESS EXCLUSIVE MODE"))
            await migration.commit()
            assert await reading == 9
    assert grown == {"deadlock": 1}


async def test_read_whose_statement_a_migration_changed_is_repeated(trouble: Trouble, prebuilt: bool) -> None:
    """All connections have the statement prepared, so the second try needs a new one."""
    for _ in range(8):
        assert await asyncio.gather(*(read(trouble, prebuilt, "max(size)", "things") for _ in range(3))) == [0, 0, 0]
    await trouble.others_run("ALTER TABLE things ALTER COLUMN size TYPE bigint")
    with growth(metrics.DB_RETRIES) as grown:
        assert await read(trouble, prebuilt, "max(size)", "things") == 0
        assert await asyncio.gather(*(read(trouble, prebuilt, "max(size)", "things") for _ in range(3))) == [0, 0, 0]
    assert grown == {"plan_outdated": 1}


async def test_read_whose_connection_was_lost_is_repeated(trouble: Trouble, prebuilt: bool) -> None:
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    assert await read(trouble, prebuilt, "1") == 1
    await trouble.others_run(f"{kill} AND pid <> pg_backend_pid()")
    with growth(metrics.DB_RETRIES) as grown, growth(metrics.DB_ERRORS) as failed:
        assert await read(trouble, prebuilt, "1") == 1
    assert grown == failed == {"connection_lost": 1}
