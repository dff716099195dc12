"""A network that falls silent: nothing waits for ever, and the connection is not used again."""

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import AppError, DatabaseUnavailable
from app.platform.settings import PoolProfile
from app.platform.tracebacks import message
from tests.platform.support.silent_proxy import SilentProxy
from tests.support.databases import settings_for

DEADLINE = 0.5
MOST = 10.0


@pytest.fixture
async def proxy(migrated_url: str) -> AsyncIterator[SilentProxy]:
    """Yield a proxy that can fall silent."""
    async with SilentProxy(migrated_url).running() as proxy:
        yield proxy


@pytest.fixture
async def impatient(proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """Yield a database behind the proxy that waits for half a second."""
    monkeypatch.setattr("app.platform.db.pool.ANSWER_MARGIN", DEADLINE / 2)
    database = Database(
        settings_for(proxy.url, statement_timeout=DEADLINE / 2, connect_timeout=DEADLINE, pool_ping_idle=0.0)
    )
    await database.init()
    await database.ping()
    yield database
    await database.close()


def meaning(error: Exception) -> AppError | None:
    return translate(error) if isinstance(error, SQLAlchemyError) else error if isinstance(error, AppError) else None


async def fails_in_time(work: "asyncio.Task[object]") -> None:
    started = time.monotonic()
    with pytest.raises(Exception) as failed:  # noqa: PT011 (each driver has its own)
        await work
    assert time.monotonic() - started < MOST
    assert isinstance(meaning(failed.value), DatabaseUnavailable)


async def test_statement_ends(proxy: SilentProxy, impatient: Database) -> None:
    async with impatient.read() as session:
        await session.execute(text("SELECT 1"))
        proxy.silent = True
        await fails_in_time(asyncio.create_task(session.execute(text("SELECT 2"))))
    proxy.silent = False
    before = proxy.accepted
    await impatient.ping()
    assert proxy.accepted == before + 1


async def test_closed_connection_is_not_kept(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_profile=PoolProfile.EXTERNAL_POOLER))
    await database.init()
    async with database.read() as session:
        connection = await session.connection()
        kept = weakref.ref((await connection.get_raw_connection()).driver_connection)
        assert kept()
        del connection
    gc.collect()
    assert kept() is None
    await database.close()


async def test_commit_ends(proxy: SilentProxy, impatient: Database) -> None:
    async def work() -> None:
        async with impatient.transaction() as session:
            await session.execute(text("SELECT 1"))
            proxy.silent = True

    await fails_in_time(asyncio.create_task(work()))


async def test_reason_is_shown(proxy: SilentProxy, impatient: Database) -> None:
    async with impatient.read() as session:
        await session.execute(text("SELECT 1"))
        proxy.silent = True
        with pytest.raises(SQLAlchemyError) as failed:
            await session.execute(text("SELECT 2"))
    assert "did not answer" in message(failed.value)


async def test_rollback_ends(proxy: SilentProxy, impatient: Database) -> None:
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        async with impatient.transaction() as session:
            await session.execute(text("SELECT 1"))
            proxy.silent = True
            raise ZeroDivisionError
    assert time.monotonic() - started < MOST


async def test_stream_ends(proxy: SilentProxy, impatient: Database) -> None:
    async def work() -> None:
        async with impatient.transaction() as session:
            rows = await session.stream(text("SELECT generate_series(1, 9999)"), execution_options={"yield_per": 100})
            try:
                async for _ in rows:
                    proxy.silent = True
            finally:
                with suppress(SQLAlchemyError):
                    await rows.close()

    await fails_in_time(asyncio.create_task(work()))


async def test_ping_of_an_idle_connection_ends(proxy: SilentProxy, impatient: Database) -> None:
    proxy.silent = True
    await fails_in_time(asyncio.create_task(impatient.ping()))


async def test_cancelled_statement_ends(proxy: SilentProxy, impatient: Database) -> None:
    async def work() -> None:
        async with impatient.read() as session:
            await session.execute(text("SELECT 1"))
            proxy.silent = True
            await session.execute(text("SELECT 2"))

    task = asyncio.create_task(work())
    await asyncio.sleep(DEADLINE / 2)
    task.cancel()
    _, pending = await asyncio.wait({task}, timeout=MOST)
    assert not pending


async def test_statement_within_the_deadline_is_not_disturbed(impatient: Database) -> None:
    async with impatient.transaction() as session:
        for _ in range(4):
            assert await session.scalar(text("SELECT 1 FROM pg_sleep(0.2)")) == 1
