"""Servers that stop, crash, only read, or have no connection left: 503 meanwhile, and then requests work again."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from app.platform import metrics
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import AppError, DatabaseUnavailable
from dev.services import postgres
from tests.platform.support.silent_proxy import SilentProxy
from tests.platform.support.trouble import growth, opened
from tests.support.databases import execute, scratch_database

PATIENCE = 20


async def failure(database: Database, statement: str = "SELECT 1") -> AppError | None:
    """Return what the client is told after this statement; `None` when it works."""
    try:
        async with database.transaction() as session:
            await session.execute(text(statement))
    except SQLAlchemyError as error:
        return translate(error) or AppError(f"a bug: {error}")
    except AppError as error:
        return error
    return None


async def use_both(database: Database) -> None:
    """Fill a pool of two."""
    assert await asyncio.gather(*(failure(database, "SELECT pg_sleep(0.1)") for _ in range(2))) == [None, None]


async def recovers(database: Database) -> None:
    """Wait until the database works, and assert that nothing else than `DatabaseUnavailable` is raised until then."""
    async with asyncio.timeout(PATIENCE):
        while answer := await failure(database):
            assert isinstance(answer, DatabaseUnavailable)
            await asyncio.sleep(0.05)


@pytest.fixture
async def own_url(tmp_path: Path) -> AsyncIterator[str]:
    """Yield the URL of a server for this test alone."""
    with postgres(tmp_path / "data") as url:
        yield url


@pytest.mark.parametrize("ping_idle", [0.0, 60.0])
async def test_server_that_is_restarted(tmp_path: Path, ping_idle: float) -> None:
    with ExitStack() as running:
        url = running.enter_context(postgres(tmp_path / "data"))
        async with opened(url, pool_size=2, pool_ping_idle=ping_idle) as database:
            await use_both(database)
            running.close()
            with growth(metrics.DB_ERRORS) as grown:
                for _ in range(4):
                    assert isinstance(await failure(database), DatabaseUnavailable)
            # without a ping one request meets the dead connection, and then all of them are gone
            assert grown == ({"not_connected": 4} if ping_idle == 0 else {"connection_lost": 1, "not_connected": 3})
            running.enter_context(postgres(tmp_path / "data", make_url(url).port))
            await use_both(database)


async def test_server_that_crashes(own_url: str) -> None:
    async with opened(own_url, pool_size=2) as database:
        await use_both(database)
        async with database.read() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
        assert pid
        # PostgreSQL ends all other processes as well, and recovers
        os.kill(pid, signal.SIGKILL)
        assert isinstance(await failure(database, "SELECT pg_sleep(1)"), DatabaseUnavailable)
        await recovers(database)
        await use_both(database)


async def test_database_that_only_reads_for_a_while(server_url: str) -> None:
    async with scratch_database(server_url) as url:
        name = make_url(url).database
        await execute(url, "CREATE TABLE t (n int)", f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        async with opened(url, pool_size=2) as database:
            await use_both(database)
            with growth(metrics.DB_ERRORS) as grown:
                assert type(await failure(database, "INSERT INTO t VALUES (1)")) is DatabaseUnavailable
            assert grown == {"read_only": 1}
            await use_both(database)
            # reads go on meanwhile
            assert await failure(database) is None
            writable = f"ALTER DATABASE {name} SET default_transaction_read_only = off"
            await execute(url, "SET default_transaction_read_only = off", writable)
            # one request meets a connection that only reads; the others go with it
            assert type(await failure(database, "INSERT INTO t VALUES (1)")) is DatabaseUnavailable
            writes = (failure(database, "INSERT INTO t SELECT 1 FROM pg_sleep(0.1)") for _ in range(2))
            assert await asyncio.gather(*writes) == [None, None]


async def test_role_without_a_connection_left(server_url: str) -> None:
    async with scratch_database(server_url) as url:
        role = make_url(url).database
        await execute(url, f"CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT 1")
        few = make_url(url).set(username=role, password="few").render_as_string(hide_password=False)
        try:
            async with opened(few) as greedy, opened(few) as database:
                async with greedy.read() as session:
                    await session.execute(text("SELECT 1"))
                    with growth(metrics.DB_ERRORS) as grown:
                        assert type(await failure(database)) is DatabaseUnavailable
                    assert grown == {"not_connected": 1}
                await greedy.close()
                await recovers(database)
        finally:
            await execute(url, f"DROP ROLE {role}")


async def test_nothing_else_is_logged_about_a_lost_connection(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with scratch_database(server_url) as url, opened(url) as database:
        assert isinstance(await failure(database, "SELECT pg_terminate_backend(pg_backend_pid())"), DatabaseUnavailable)
    # who catches the error logs it
    assert not [each.getMessage() for each in caplog.records]


async def test_connection_that_dies_while_it_is_idle_is_noticed_by_the_ping(server_url: str) -> None:
    async with scratch_database(server_url) as url, opened(url, pool_size=1, pool_ping_idle=0.0) as database:
        async with database.read() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
        await execute(url, f"SELECT pg_terminate_backend({pid})")
        with growth(metrics.DB_ERRORS) as grown:
            assert await failure(database) is None
        assert grown == {}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


async def test_reason_is_logged_once_in_ten_seconds(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    async with scratch_database(server_url) as url:
        name = make_url(url).database
        async with opened(url, pool_size=1) as database:
            assert await failure(database) is None
            await database.engine.dispose()
            monkeypatch.setattr("app.platform.db.safety.time", clock)
            await execute(server_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            with capture_logs() as logs:
                for _ in range(5):
                    assert await failure(database)
                clock.now += 9.9
                assert await failure(database)
                clock.now += 0.2
                assert await failure(database)
            await execute(server_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    events = [each for each in logs if each["event"] == "database_not_connected"]
    assert [each["attempts"] for each in events] == [1, 6]
    for each in events:
        assert each["log_level"] == "warning"
        assert "not currently accepting connections" in each["reason"]


PASSWORD = "s3cret @/%"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER ROLE {} PASSWORD 'another'", "password authentication failed"),
        ("ALTER ROLE {} NOLOGIN", "not permitted to log in"),
        ("ALTER DATABASE {} CONNECTION LIMIT 0", "too many connections"),
        ("ALTER DATABASE {} RENAME TO {}_moved", "does not exist"),
        ("", ""),
    ],
)
async def test_reason_has_no_password(server_url: str, change: str, reason: str) -> None:
    async with scratch_database(server_url) as url:
        name = make_url(url).database
        await execute(server_url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        async with SilentProxy(url).running() as proxy:
            # the role has the name of its database
            own = make_url(proxy.url).set(username=name, password=PASSWORD).render_as_string(hide_password=False)
            async with opened(own) as database:
                assert await failure(database) is None
                await database.engine.dispose()
                if change:
                    await execute(server_url, change.replace("{}", str(name)))
                else:
                    proxy.lead_to("postgresql://127.0.0.1:1/nothing")
                with capture_logs() as logs:
                    assert type(await failure(database)) is DatabaseUnavailable
        if "RENAME" in change:
            await execute(server_url, f"ALTER DATABASE {name}_moved RENAME TO {name}")
        await execute(server_url, f"DROP ROLE {name}")
    [event] = [each for each in logs if each["event"] == "database_not_connected"]
    assert event["reason"]
    assert reason in event["reason"]
    for secret in (PASSWORD, "s3cret", quote(PASSWORD, safe="")):
        assert secret not in repr(logs)
