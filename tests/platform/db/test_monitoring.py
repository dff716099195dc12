"""Slow statements are logged."""

import structlog
from sqlalchemy import text

from app.platform.db.session import Database
from app.platform.logging import add_context
from tests.support.databases import settings_for


async def test_slow_statement_is_logged_without_its_values(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, slow_sql_threshold=0.1))
    await database.init()
    with structlog.testing.capture_logs(processors=[add_context]) as logs:
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
            await session.execute(text("SELECT pg_sleep(0.15), :value"), {"value": "a secret"})
    (event,) = logs
    assert event["event"] == "slow_sql"
    assert event["log_level"] == "warning"
    assert event["duration_ms"] >= 100
    assert "pg_sleep" in event["statement"]
    assert "secret" not in str(event)
    await database.close()
