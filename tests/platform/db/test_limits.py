"""A process whose pool can take all connections of its role and database says so at start."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import make_url
from structlog.testing import capture_logs

from app.config import Settings
from app.platform.db import limits
from app.platform.db.session import Database
from app.platform.settings import PoolProfile
from app.resources import Resources
from tests.support.databases import execute, settings_for


@pytest.fixture
async def role_url(server_url: str, migrated_url: str) -> AsyncIterator[str]:
    """Yield the URL of a migrated database for a role that may open 10 connections."""
    role = f"role_{uuid4().hex}"
    await execute(server_url, f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 10")
    await execute(migrated_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    yield make_url(migrated_url).set(username=role, password="x").render_as_string(hide_password=False)
    await execute(migrated_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def logged(url: str, **values: object) -> list[dict[str, object]]:
    settings = settings_for(url, **values)
    database = Database(settings)
    await database.init()
    try:
        with capture_logs() as events:
            await limits.warn_of_greedy_pool(database, settings)
        return [dict(event) for event in events]
    finally:
        await database.close()


@pytest.mark.parametrize(("size", "overflow", "warned"), [(5, 5, True), (5, 4, False), (20, 0, True)])
async def test_pool_as_large_as_the_limit_is_warned_of(role_url: str, size: int, overflow: int, warned: bool) -> None:
    events = await logged(role_url, pool_size=size, max_overflow=overflow)
    expected = {
        "event": "pool_can_take_all_connections",
        "log_level": "warning",
        "total": size + overflow,
        "usable": 10,
        "limit": "CONNECTION LIMIT of the role",
    }
    assert events == ([expected] if warned else [])


async def test_server_has_room_for_a_usual_pool(migrated_url: str) -> None:
    assert await logged(migrated_url) == []
    (event,) = await logged(migrated_url, pool_size=1000)
    assert (event["limit"], event["total"]) == ("max_connections", 1005)
    assert REGISTRY.get_sample_value("db_connection_limit") == event["usable"]


async def test_limit_is_a_metric(role_url: str) -> None:
    await logged(role_url)
    assert REGISTRY.get_sample_value("db_connection_limit") == 10


async def test_pooler_decides_by_itself(role_url: str) -> None:
    assert await logged(role_url, pool_profile=PoolProfile.EXTERNAL_POOLER) == []


async def test_limits_that_cannot_be_read_stop_nothing(role_url: str, migrated_url: str) -> None:
    await execute(migrated_url, "REVOKE SELECT ON pg_roles FROM PUBLIC")
    (event,) = await logged(role_url, pool_size=20)
    assert (event["event"], event["log_level"]) == ("connection_limits_unknown", "info")
    assert "pg_roles" in str(event["reason"])


@pytest.mark.commits
async def test_resources_look_at_the_limits(settings: Settings, role_url: str) -> None:
    narrow = Settings(
        process=settings.process,
        database=settings_for(role_url),
        http=settings.http,
        auth=settings.auth,
        log=settings.log,
    )
    with capture_logs() as events:
        async with Resources(narrow) as resources:
            assert [event["event"] for event in events] == ["database_pool"]
            await resources.warn()
    assert "pool_can_take_all_connections" in [event["event"] for event in events]
