"""A process that cannot use its database does not start, and says why."""

import pytest
from sqlalchemy import make_url, text

from app.config import Settings
from app.platform.db import startup
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.resources import Resources
from tests.support.databases import execute, heads, settings_for


async def refusal(url: str) -> str:
    settings = settings_for(url, connect_timeout=2.0)
    database = Database(settings)
    await database.init()
    with pytest.raises(StartupError) as refused:
        await startup.verify(database, settings)
    await database.close()
    message = str(refused.value)
    assert "\n" not in message
    return message


def changed(url: str, **parts: object) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)  # type: ignore[arg-type] # parts of a URL


async def test_unreachable_server(server_url: str) -> None:
    message = await refusal(changed(server_url, port=1, password="my-secret"))
    assert message.startswith("cannot connect to PostgreSQL at postgresql+")
    assert "127.0.0.1:1/" in message
    assert "my-secret" not in message


async def test_wrong_credentials(server_url: str) -> None:
    message = await refusal(changed(server_url, username="nobody_at_all", password="my-secret"))
    assert "nobody_at_all" in message
    assert "my-secret" not in message


async def test_missing_database(server_url: str) -> None:
    assert 'database "not_there" does not exist' in await refusal(changed(server_url, database="not_there"))


async def test_empty_database(empty_url: str) -> None:
    message = await refusal(empty_url)
    assert f"{', '.join(sorted(heads().values()))} not applied" in message
    assert "python -m app migrate" in message


async def test_schema_that_lacks_one_branch(migrated_url: str) -> None:
    platform = heads()["platform"]
    await execute(migrated_url, f"DELETE FROM alembic_version WHERE version_num = '{platform}'")
    assert f" {platform} not applied" in await refusal(migrated_url)


async def test_unreadable_revisions(migrated_url: str) -> None:
    await execute(migrated_url, "ALTER TABLE alembic_version RENAME COLUMN version_num TO other")
    assert "not applied" in await refusal(migrated_url)


async def test_schema_of_a_newer_release_is_no_obstacle(migrated_url: str) -> None:
    newer = f"UPDATE alembic_version SET version_num = 'newer' WHERE version_num = '{heads()['service']}'"
    await execute(migrated_url, newer)
    settings = settings_for(migrated_url)
    database = Database(settings)
    await database.init()
    await startup.verify(database, settings)
    await database.close()


@pytest.mark.commits
async def test_open_resources_are_closed_when_opening_fails(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[object] = []
    close = Database.close

    async def note_close(self: Database) -> None:
        closed.append(self)
        await close(self)

    def fail(_settings: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Database, "close", note_close)
    monkeypatch.setattr("app.platform.resources.PasswordHasher", fail)
    with pytest.raises(ZeroDivisionError):
        async with Resources(settings):
            pass
    assert len(closed) == 1
    async with database.read() as session:
        others = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert await session.scalar(others) == 0


async def test_schema_of_another_service(migrated_url: str) -> None:
    await execute(
        migrated_url,
        f"UPDATE alembic_version SET version_num = 'foreign' WHERE version_num = '{heads()['service']}'",
        "ALTER TABLE users RENAME TO accounts",
    )
    assert "unknown revision foreign, missing table users" in await refusal(migrated_url)
