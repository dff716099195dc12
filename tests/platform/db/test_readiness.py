"""Readiness tells a busy database from one that does not answer, or does not accept writes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import make_url, text

from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from app.platform.resources import Check
from tests.platform.support.silent_proxy import SilentProxy
from tests.support.databases import execute, settings_for


@pytest.fixture
async def small(migrated_url: str) -> AsyncIterator[Database]:
    """Yield a database with two connections."""
    database = Database(settings_for(migrated_url, pool_size=1, max_overflow=1))
    await database.init()
    yield database
    await database.close()


async def test_busy_is_not_broken(small: Database) -> None:
    release, held = asyncio.Event(), asyncio.Semaphore(0)

    async def hold() -> None:
        async with small.read() as session:
            await session.execute(text("SELECT 1"))
            held.release()
            await release.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(hold())
            await held.acquire()
        # all connections are in use, but nobody waits
        assert await small.check() == "ok"
        waiting = group.create_task(small.ping())
        await asyncio.sleep(0)
        # many at a time share one connection beside the pool's
        assert await asyncio.gather(*(small.check() for _ in range(9))) == ["busy"] * 9
        assert not waiting.done()
        release.set()
    assert await small.check() == "ok"


async def test_server_that_accepts_no_writes_is_not_ready_until_it_does(migrated_url: str) -> None:
    """Also when the connections are older than the change, either way."""
    database = Database(settings_for(migrated_url))
    await database.init()
    assert await database.check() == "ok"
    name = make_url(migrated_url).database
    change = f"ALTER DATABASE {name} SET default_transaction_read_only ="
    terminate = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await execute(migrated_url, f"{change} on", terminate)
    try:
        with pytest.raises(Exception, match="accepts no writes"):
            await database.check()
        # reads go on
        await database.ping()
    finally:
        await execute(migrated_url, "SET default_transaction_read_only = off", f"{change} off")
    # the connections were opened while the server accepted no writes
    assert await database.check() == "ok"
    await database.close()


async def test_service_that_wants_a_standby_does_not_ask_for_writes(migrated_url: str) -> None:
    wants = "prefer-standby"
    database = Database(settings_for(f"{migrated_url}?target_session_attrs={wants}"))
    await database.init()
    name = make_url(migrated_url).database
    await execute(migrated_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        assert await database.check() == "ok"
    finally:
        await execute(
            migrated_url,
            "SET default_transaction_read_only = off",
            f"ALTER DATABASE {name} RESET default_transaction_read_only",
        )
    await database.close()


async def test_silent_server_is_not_ready(migrated_url: str) -> None:
    async with SilentProxy(migrated_url).running() as proxy:
        database = Database(settings_for(proxy.url, connect_timeout=0.5))
        await database.init()
        assert await database.check() == "ok"
        proxy.silent = True
        with pytest.raises(TimeoutError):
            await Check("postgresql", database.check).run(0.5)
        proxy.silent = False
        assert await database.check() == "ok"
        await database.close()


async def test_without_a_server_nothing_is_ready() -> None:
    database = Database(settings_for("postgresql://127.0.0.1:1/none"))
    await database.init()
    with pytest.raises(DatabaseUnavailable):
        await database.check()
    await database.close()
    with pytest.raises(RuntimeError, match="not initialised"):
        await database.check()
