"""The tables of the jobs can be removed and created again, and are never removed with jobs in them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text

from app.platform.db import migrations
from app.platform.db.session import Database
from tests.platform.jobs.rows import SOON, dead_letters, insert_dead_letter, insert_job, waiting_for_locks
from tests.support.databases import heads
from tests.support.outbox import outbox

pytestmark = pytest.mark.commits

Alembic = Callable[..., Awaitable[None]]

JOB_TABLES = {"outbox_messages", "dead_jobs", "job_schedules"}
TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
FUNCTIONS = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
REVISIONS = "SELECT version_num FROM alembic_version"


@pytest.fixture
def alembic(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Alembic:
    """Return a function that runs Alembic on the test's database, in a thread: migrations run an event loop."""
    monkeypatch.setenv("DATABASE_URL", migrated_url)

    async def run(name: str, revision: str) -> None:
        await asyncio.to_thread(getattr(command, name), migrations.config(), revision)

    return run


async def names(database: Database, query: str) -> set[str]:
    async with database.read() as session:
        return set(await session.scalars(text(query)))


async def test_only_tables_of_jobs_are_removed_and_created_again(alembic: Alembic, database: Database) -> None:
    before = await names(database, TABLES)
    assert before > JOB_TABLES
    assert await names(database, FUNCTIONS) == {"notify_of_outbox_messages"}
    await alembic("downgrade", "jobs@base")
    assert await names(database, TABLES) == before - JOB_TABLES
    assert await names(database, FUNCTIONS) == set()
    assert await names(database, REVISIONS) == {head for label, head in heads().items() if label != "jobs"}
    await alembic("upgrade", "heads")
    assert await names(database, TABLES) == before
    await insert_job(database)


async def test_tables_are_kept_while_a_job_is_unfinished(alembic: Alembic, database: Database) -> None:
    await insert_job(database)
    await insert_job(database, due=SOON)
    with pytest.raises(CommandError, match=r"^2 jobs are not done: let a worker finish them before their tables are"):
        await alembic("downgrade", "jobs@base")
    assert len(await outbox(database)) == 2
    assert await names(database, REVISIONS) == set(heads().values())


async def test_tables_are_kept_while_there_are_dead_letters(alembic: Alembic, database: Database) -> None:
    await insert_dead_letter(database)
    with pytest.raises(CommandError, match=r"^1 jobs gave up: `python -m app jobs replay` or `purge` them before"):
        await alembic("downgrade", "jobs@base")
    assert len(await dead_letters(database)) == 1
    assert await names(database, REVISIONS) == set(heads().values())


async def test_downgrade_waits_for_a_transaction_that_enqueues_a_job(alembic: Alembic, database: Database) -> None:
    insert = "INSERT INTO outbox_messages (id, job, arguments) VALUES (gen_random_uuid(), 'late', '{}')"
    async with database.transaction() as session:
        await session.execute(text(insert))
        downgrade = asyncio.ensure_future(alembic("downgrade", "jobs@base"))
        await waiting_for_locks(database)
    with pytest.raises(CommandError, match=r"^1 jobs are not done"):
        await downgrade
    assert [row.job for row in await outbox(database)] == ["late"]
