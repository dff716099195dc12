"""Safety of the engine: failed connections have one error, lost commits are refused, dead connections are replaced."""

import asyncio
from contextlib import suppress

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DBAPIError

from app.features.users.models import User
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from tests.support.databases import execute, settings_for


@pytest.mark.parametrize(
    "change",
    [{"port": 1}, {"password": "wrong", "username": "nobody"}, {"database": "missing"}, {"host": "nowhere.invalid"}],
)
async def test_every_failed_connection_raises_the_same_error(server_url: str, change: dict[str, object]) -> None:
    url = make_url(server_url).set(**change)  # type: ignore[arg-type] # parts of a URL
    database = Database(settings_for(url.render_as_string(hide_password=False), connect_timeout=2.0))
    await database.init()
    with pytest.raises(DatabaseUnavailable) as unavailable:
        await database.ping()
    assert unavailable.value.__cause__ is not None
    await database.close()


def user() -> User:
    return User(email="ada@example.com", password_hash="x")


async def emails(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(User.email)))


@pytest.mark.commits
async def test_commit_after_a_caught_error_is_refused(database: Database) -> None:
    with pytest.raises(RuntimeError, match="savepoint"):
        async with database.transaction() as session:
            session.add(user())
            await session.flush()
            with suppress(DBAPIError):
                await session.execute(text("SELECT 1/0"))
    assert await emails(database) == []
    async with database.transaction() as session:
        session.add(user())
    assert await emails(database) == ["ada@example.com"]


@pytest.mark.commits
async def test_commit_after_a_caught_error_of_a_flush_is_refused(database: Database) -> None:
    """SQLAlchemy itself would end the transaction without a word, and without a commit."""
    with pytest.raises(RuntimeError, match="savepoint"):
        async with database.transaction() as session:
            session.add(user())
            await session.flush()
            session.add(user())
            with suppress(DBAPIError):
                await session.flush()
    assert await emails(database) == []


@pytest.mark.commits
async def test_commit_after_an_error_in_a_savepoint_works(database: Database) -> None:
    async with database.transaction() as session:
        session.add(user())
        await session.flush()
        with suppress(DBAPIError):
            async with session.begin_nested():
                await session.execute(text("SELECT 1/0"))
    assert await emails(database) == ["ada@example.com"]


async def kill_others(url: str) -> None:
    await execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()",
    )


async def test_dead_idle_connection_is_replaced(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_size=2, pool_ping_idle=0.0))
    await database.init()
    await asyncio.gather(database.ping(), database.ping())
    await kill_others(migrated_url)
    await database.ping()
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))
    await database.close()


async def test_without_ping_a_dead_connection_causes_one_error(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_pre_ping=False))
    await database.init()
    await database.ping()
    await kill_others(migrated_url)
    with pytest.raises(DBAPIError) as failed:
        await database.ping()
    assert isinstance(translate(failed.value), DatabaseUnavailable)
    await database.ping()
    await database.close()
