"""The driver's URL and arguments, and their effect on the server."""

import asyncio
import time
from contextvars import Context

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.platform.db import address, driver
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable, PoolExhausted, QueryTimeout, WriteConflict
from app.platform.settings import ConfigError, PoolProfile
from tests.support.databases import settings_for
from tests.support.sql import RoundTrips

LOCK = "SELECT pg_advisory_xact_lock(42)"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", driver.DRIVERNAME])
def test_url_gets_the_driver(scheme: str) -> None:
    url = driver.url(settings_for(f"{scheme}://ada:secret@db.example:5433/shop?application_name=x"))
    assert url.render_as_string(hide_password=False) == f"{driver.DRIVERNAME}://ada:secret@db.example:5433/shop"


@pytest.mark.parametrize("wrong", ["mysql://x/y", "postgresql+psycopg2://x/y", "sqlite://"])
def test_other_schemes_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"DATABASE_URL: expected postgresql://"):
        driver.url(settings_for(wrong))


NONSENSE = [
    "my secret",
    "postgresql:/ada:secret@db.example/shop",
    "postgresql://ada:p@ss:secret@db.example:5432/shop",
    "postgresql://ada:p@secret@db.example/shop",
    "postgresql://ada:p@ss/secret@db.example/shop",
    "postgresql://a/da:secret@db.example/shop",
    "postgresql://ada@db.example:secret/shop",
    "postgresql://ada:p@secret?s@db.example/shop",
    "postgresql://ada:p@ss?secret=s@db.example/shop",
    "postgresql://ada:secret@[::1/shop",
    "postgresql://ada:p/w:secret/shop",
    "ada:secret@db.example/shop",
    "//ada:secret@db.example/shop",
    " postgresql://ada:secret@db.example/shop",
    "secret://ada@db.example/shop",
    "postgresql://ada:secret@one:5432,two:port/shop",
    "postgresql://ada:12,secret@one/shop@x",
]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_is_refused_without_repeating_it(nonsense: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL: ") as refused:
        driver.url(settings_for(nonsense))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["ada:secret@db.example/shop", "db.example/shop?user=ada&password=secret"])
def test_address_is_shown_without_the_password(url: str) -> None:
    shown = address.redacted(driver.url(settings_for(f"postgresql://{url}")))
    assert "db.example/shop" in shown
    assert "secret" not in shown


def test_address_that_is_in_the_query_is_shown() -> None:
    shown = address.redacted(
        driver.url(settings_for("postgresql://ada:secret@/shop?host=one&host=two&sslmode=require"))
    )
    assert shown == f"{driver.DRIVERNAME}://ada:***@/shop?host=one,two&port=5432,5432"


async def test_ssl_mode_of_a_managed_database_is_understood(server_url: str) -> None:
    separator = "&" if "?" in server_url else "?"
    database = Database(settings_for(f"{server_url}{separator}sslmode=prefer"))
    await database.init()
    await database.ping()
    await database.close()


async def show(database: Database, name: str) -> str:
    async with database.read() as session:
        return str((await session.scalars(text(f"SHOW {name}"))).one())


async def test_timeouts_are_the_servers_own(server_url: str) -> None:
    settings = settings_for(server_url, statement_timeout=7.0, lock_timeout=3.0, idle_in_transaction_timeout=11.0)
    database = Database(settings)
    await database.init()
    assert await show(database, "statement_timeout") == "7s"
    assert await show(database, "lock_timeout") == "3s"
    assert await show(database, "idle_in_transaction_session_timeout") == "11s"
    await database.close()


@pytest.mark.commits
async def test_server_really_cancels_a_statement(migrated_url: str, database: Database) -> None:
    impatient = Database(settings_for(migrated_url, statement_timeout=0.2))
    await impatient.init()
    with pytest.raises(DBAPIError) as cancelled:
        async with impatient.read() as session:
            await session.execute(text("SELECT pg_sleep(60) /* cancel me */"))
    assert isinstance(translate(cancelled.value), QueryTimeout)
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%/* cancel me */' AND state = 'active'"
    async with database.read() as session:
        assert await session.scalar(text(f"{running} AND pid <> pg_backend_pid()")) == 0
    await impatient.ping()
    await impatient.close()


async def test_waiting_for_a_lock_ends(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, lock_timeout=0.2))
    await database.init()
    async with database.transaction() as holder:
        await holder.execute(text(LOCK))
        with pytest.raises(DBAPIError) as refused:
            async with database.transaction() as session:
                await session.execute(text(LOCK))
    assert isinstance(translate(refused.value), WriteConflict)
    await database.close()


async def test_transaction_that_idles_is_ended(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, idle_in_transaction_timeout=0.2))
    await database.init()
    with pytest.raises(DBAPIError) as ended:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            await asyncio.sleep(0.6)
            await session.execute(text("SELECT 1"))
    assert isinstance(translate(ended.value), QueryTimeout | DatabaseUnavailable)
    await database.ping()
    await database.close()


async def test_full_pool_is_reported_after_its_timeout(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_size=1, max_overflow=0, pool_timeout=0.2))
    await database.init()
    async with database.transaction() as holder:
        await holder.execute(text("SELECT 1"))
        started = time.monotonic()
        with pytest.raises(Exception, match=r"within 0\.2 s") as exhausted:
            # in a context of its own: work inside the transaction would get the spare connection
            await asyncio.create_task(database.ping(), context=Context())
        assert time.monotonic() - started >= 0.2
    assert isinstance(translate(exhausted.value), PoolExhausted)  # type: ignore[arg-type] # a SQLAlchemyError
    await database.ping()
    await database.close()


async def test_behind_a_pooler_nothing_outlives_a_transaction(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_profile=PoolProfile.EXTERNAL_POOLER))
    await database.init()
    for _ in range(7):
        async with database.transaction() as session:
            prepared = await session.scalar(
                text("SELECT count(*) FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_prepared_statements%'")
            )
            assert prepared == 0
            first = await session.scalar(text("SELECT pg_backend_pid()"))
        async with database.transaction() as session:
            assert await session.scalar(text("SELECT pg_backend_pid()")) != first
    await database.close()


async def test_statement_is_prepared_and_executed_on_the_same_connection_of_a_pooler(migrated_url: str) -> None:
    async with RoundTrips(migrated_url).running() as proxy:
        database = Database(settings_for(proxy.url, pool_profile=PoolProfile.EXTERNAL_POOLER))
        await database.init()
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
            in_transaction = await session.scalar(text("SELECT now() = statement_timestamp()")) is False
            before = proxy.count
            await session.execute(text("SELECT 2"))
            round_trips = proxy.count - before
        # either a statement is one message, or a transaction keeps its messages on one connection
        assert in_transaction or round_trips == 1
        await database.close()
