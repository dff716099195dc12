"""At start the settings are read back from the server: a wrong profile is refused, a missing timeout is named."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import make_url, text
from structlog.testing import capture_logs

from app.platform.db import in_force, poolers, startup
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.platform.settings import PoolProfile
from tests.platform.support.pgbouncer import DROPPING, limit_role, pgbouncer
from tests.support.databases import execute, settings_for, sibling

NORMAL = [each for each in PoolProfile if each is not PoolProfile.EXTERNAL_POOLER]
STRICT = {"statement_timeout": "5s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "5s"}


async def warnings(url: str, profile: PoolProfile, **values: object) -> list[dict[str, object]]:
    """Start, and return what is logged about settings."""
    settings = settings_for(url, pool_profile=profile, **values)
    database = Database(settings)
    await database.init()
    try:
        with capture_logs() as logs:
            await startup.verify(database, settings)
            await in_force.warn_of_dropped_settings(database, settings)
    finally:
        await database.close()
    return [dict(each) for each in logs if each["event"] == "database_settings_not_in_force"]


async def refusal(url: str, profile: PoolProfile) -> str:
    with pytest.raises(StartupError) as refused:
        await warnings(url, profile)
    message = str(refused.value)
    assert "\n" not in message
    assert str(make_url(url).password) not in message
    return message


@pytest.mark.parametrize("profile", NORMAL)
async def test_start_up_parameters_that_a_pooler_refuses(pooled_url: str, profile: PoolProfile) -> None:
    message = await refusal(pooled_url, profile)
    assert "unsupported startup parameter" in message
    assert message.endswith(poolers.MEND)


@pytest.mark.parametrize("profile", NORMAL)
async def test_start_up_parameters_that_a_pooler_drops(migrated_url: str, profile: PoolProfile) -> None:
    with pgbouncer(migrated_url, ignored=DROPPING) as url:
        message = await refusal(url, profile)
    assert " does not apply our " in message
    assert all(name in message for name in STRICT)
    assert message.endswith(poolers.MEND)


@pytest.mark.parametrize(("servers", "round_robin"), [(5, False), (5, True), (1, False)])
async def test_transaction_mode_with_all_timeouts_in_force(migrated_url: str, servers: int, round_robin: bool) -> None:
    await limit_role(migrated_url, **STRICT)
    with pgbouncer(migrated_url, ignored=DROPPING, servers=servers, round_robin=round_robin) as url:
        assert "is behind a pooler in transaction mode: set DB_" in await refusal(url, PoolProfile.SMALL)


async def test_transaction_mode_that_others_are_busy_in(migrated_url: str) -> None:
    await limit_role(migrated_url, **STRICT)

    async def work(database: Database) -> None:
        while True:
            async with database.read() as session:
                await session.execute(text("SELECT pg_sleep(0.001)"))

    with pgbouncer(migrated_url, ignored=DROPPING) as url:
        others = Database(settings_for(url, pool_profile=PoolProfile.EXTERNAL_POOLER))
        await others.init()
        tasks = [asyncio.ensure_future(work(others)) for _ in range(8)]
        await asyncio.sleep(0.3)
        assert "is behind a pooler in transaction mode: set DB_" in await refusal(url, PoolProfile.SMALL)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await others.close()


async def test_prepared_statements_that_others_have_left(migrated_url: str) -> None:
    await limit_role(migrated_url, **STRICT)
    with pgbouncer(migrated_url, ignored=DROPPING, servers=1) as url:
        other = Database(settings_for(url))
        await other.init()
        async with other.transaction() as session:
            for number in range(30):
                await session.execute(text(f"SELECT {number % 2}"))
        assert "is behind a pooler in transaction mode: set DB_" in await refusal(url, PoolProfile.SMALL)
        await other.close()


@pytest.mark.parametrize("servers", [20, 1])
async def test_session_mode_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, migrated_url: str, servers: int) -> None:
    monkeypatch.setattr(poolers, "SECONDS", 0.5)
    await limit_role(migrated_url, **STRICT)
    with pgbouncer(migrated_url, mode="session", ignored=DROPPING, servers=servers) as url:
        assert await warnings(url, PoolProfile.SMALL, connect_timeout=1) == []


@pytest.mark.parametrize("profile", NORMAL)
async def test_postgresql_itself_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, migrated_url: str, profile: PoolProfile
) -> None:
    async def fail(_settings: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(poolers, "shares_connections", fail)
    await limit_role(migrated_url, **(STRICT | {"timezone": "Europe/Berlin"}))
    assert await warnings(migrated_url, profile) == []


async def test_postgresql_itself_does_not_share_connections(migrated_url: str) -> None:
    for profile in PoolProfile:
        assert not await poolers.shares_connections(settings_for(migrated_url, pool_profile=profile))


async def test_stricter_settings_of_the_role_are_in_order(migrated_url: str) -> None:
    await limit_role(migrated_url, **STRICT)
    with pgbouncer(migrated_url) as url:
        assert await warnings(url, PoolProfile.EXTERNAL_POOLER) == []


@pytest.mark.parametrize("value", ["0", "31s"])
async def test_looser_setting_of_the_role_is_named(migrated_url: str, value: str) -> None:
    await limit_role(migrated_url, **(STRICT | {"statement_timeout": value}))
    with pgbouncer(migrated_url) as url:
        (warning,) = await warnings(url, PoolProfile.EXTERNAL_POOLER)
    assert warning["settings"] == ["statement_timeout"]


@pytest.fixture
async def oddly_named(migrated_url: str) -> AsyncIterator[str]:
    """Yield the URL of a database and a role whose names have to be quoted, as that role."""
    name = str(make_url(migrated_url).database)
    role, database = f"Ada's {name}", f'the "{name}"'
    quoted = database.replace('"', '""')
    await execute(
        sibling(migrated_url, "postgres"),
        f'CREATE DATABASE "{quoted}" TEMPLATE {name}',
        f"""CREATE ROLE "{role}" LOGIN PASSWORD 'p' IN ROLE pg_read_all_data""",
    )
    url = make_url(migrated_url).set(username=role, password="p", database=database)
    yield url.render_as_string(hide_password=False)
    await execute(migrated_url, f'DROP DATABASE "{quoted}" WITH (FORCE)', f'DROP ROLE "{role}"')


async def test_statements_of_the_warning_mend_it(oddly_named: str) -> None:
    with pgbouncer(oddly_named) as url:
        (warning,) = await warnings(url, PoolProfile.EXTERNAL_POOLER)
    names, run = warning["settings"], warning["run"]
    assert isinstance(names, list)
    assert isinstance(run, list)
    assert set(names) == set(STRICT)
    await execute(oddly_named, *run)
    with pgbouncer(oddly_named) as url:
        assert await warnings(url, PoolProfile.EXTERNAL_POOLER) == []
    name = str(make_url(oddly_named).username).removeprefix("Ada's ")
    altered = f'''ALTER ROLE "Ada's {name}" IN DATABASE "the ""{name}""" SET '''
    assert f"{altered}statement_timeout = '30000ms'" in run
