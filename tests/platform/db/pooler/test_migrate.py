"""`migrate` where a pooler is between: refused in transaction mode, unless it has a URL of PostgreSQL itself."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app import models
from app.platform.db import poolers, startup
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.platform.settings import ConfigError, DatabaseSettings, PoolProfile, load
from tests.platform.support.pgbouncer import DROPPING, limit_role, pgbouncer
from tests.support.databases import heads, migrate, settings_for

PROFILES = [PoolProfile.SMALL, PoolProfile.EXTERNAL_POOLER]
APPLIED = "SELECT version_num FROM alembic_version"
LOCKS = """
    SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE locktype = 'advisory' AND datname = current_database()"""

Run = Callable[..., Awaitable[None]]


@pytest.fixture
def dropping_url(empty_url: str) -> Iterator[str]:
    """Yield the URL of an empty database behind a pooler with which every profile can connect."""
    with pgbouncer(empty_url, ignored=DROPPING, servers=1) as url:
        yield url


async def found(url: str, query: str, profile: PoolProfile = PoolProfile.SMALL) -> list[object]:
    database = Database(settings_for(url, pool_profile=profile))
    await database.init()
    async with database.read() as session:
        rows = list(await session.scalars(text(query)))
    await database.close()
    return rows


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Migrate as `python -m app migrate` does, with these variables."""
    monkeypatch.chdir(tmp_path)

    async def migrate_with(url: str, **variables: str) -> None:
        for name, value in ({"DATABASE_URL": url, "DB_POOL_PROFILE": "small"} | variables).items():
            monkeypatch.setenv(name, value)
        await asyncio.to_thread(startup.migrate, load(DatabaseSettings), models.Base.metadata)

    return migrate_with


async def refusal(run: Run, url: str, **variables: str) -> str:
    with pytest.raises((StartupError, ConfigError)) as refused:
        await run(url, **variables)
    message = str(refused.value)
    assert "\n" not in message
    assert "secret" not in message
    assert str(make_url(url).password) not in message
    return message


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("ignored", ["", DROPPING])
async def test_transaction_mode_is_refused_in_one_line(
    run: Run, empty_url: str, profile: PoolProfile, ignored: str
) -> None:
    await limit_role(empty_url, statement_timeout="5s")
    with pgbouncer(empty_url, ignored=ignored, servers=1) as url:
        for _ in range(2):
            message = await refusal(run, url, DB_POOL_PROFILE=profile)
            assert message.endswith("set DB_MIGRATION_URL to the address of PostgreSQL itself")
        # nothing is left on the only connection of the pooler
        assert await found(url, "SHOW statement_timeout", PoolProfile.EXTERNAL_POOLER) == ["5s"]
        assert await found(url, LOCKS, PoolProfile.EXTERNAL_POOLER) == []
    assert await found(empty_url, "SELECT 1 FROM pg_class WHERE relname = 'alembic_version'") == []


@pytest.mark.parametrize("profile", PROFILES)
async def test_url_of_postgresql_itself_is_used(
    run: Run, empty_url: str, dropping_url: str, profile: PoolProfile
) -> None:
    for _ in range(2):
        await run(dropping_url, DB_POOL_PROFILE=profile, DB_MIGRATION_URL=empty_url)
    assert set(await found(empty_url, APPLIED)) == set(heads().values())


async def test_its_absence_means_the_usual_url(run: Run, empty_url: str) -> None:
    await run(empty_url, DB_MIGRATION_URL="")
    assert set(await found(empty_url, APPLIED)) == set(heads().values())


@pytest.mark.parametrize("profile", PROFILES)
async def test_session_mode_is_safe(run: Run, empty_url: str, profile: PoolProfile) -> None:
    await limit_role(empty_url, statement_timeout="5s")
    with pgbouncer(empty_url, mode="session", ignored=DROPPING) as url:
        for _ in range(2):
            await run(url, DB_POOL_PROFILE=profile)
        assert await found(url, "SHOW statement_timeout", PoolProfile.EXTERNAL_POOLER) == ["5s"]
        assert await found(empty_url, LOCKS) == []
    assert set(await found(empty_url, APPLIED)) == set(heads().values())


async def test_pooler_without_a_second_connection_is_refused(
    monkeypatch: pytest.MonkeyPatch, run: Run, empty_url: str
) -> None:
    monkeypatch.setattr(poolers, "SECONDS", 0.5)
    with pgbouncer(empty_url, mode="session", servers=1) as url:
        variables = {"DB_POOL_PROFILE": "external_pooler", "DB_CONNECT_TIMEOUT": "0.5"}
        assert "DB_MIGRATION_URL" in await refusal(run, url, **variables)


@pytest.mark.parametrize("wrong", ["mysql://ada:secret@x/y", "my secret", "postgresql://ada:p@secret@x/y"])
async def test_malformed_url_is_named_and_not_shown(run: Run, empty_url: str, wrong: str) -> None:
    message = await refusal(run, empty_url, DB_MIGRATION_URL=wrong)
    assert message.startswith("DB_MIGRATION_URL: ")
    assert "DATABASE_URL" not in message


async def test_unreachable_url_is_named(run: Run, empty_url: str) -> None:
    away = make_url(empty_url).set(port=1).render_as_string(hide_password=False)
    message = await refusal(run, empty_url, DB_MIGRATION_URL=away)
    assert "cannot connect to PostgreSQL at" in message
    assert "127.0.0.1:1/" in message


async def test_migrations_of_tests_do_not_leave_their_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_url: str
) -> None:
    (tmp_path / ".env").write_text("DB_MIGRATION_URL=postgresql://ada@127.0.0.1:1/production\n")
    monkeypatch.chdir(tmp_path)
    await asyncio.to_thread(migrate, empty_url)
    assert set(await found(empty_url, APPLIED)) == set(heads().values())
