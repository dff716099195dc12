"""The tables of the jobs go away by themselves, and never with a job that is not done."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import text

from app.platform.db import migrations
from app.platform.db.session import Database
from tests.platform.jobs.rows import SOON, bury, graveyard, put, waiting_for_locks
from tests.support.databases import heads
from tests.support.outbox import outbox

pytestmark = pytest.mark.commits

Alembic = Callable[..., Awaitable[None]]

OURS = {"outbox_messages", "dead_jobs", "job_schedules"}
TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
FUNCTIONS = "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
REVISIONS = "SELECT version_num FROM alembic_version"


@pytest.fixture
def alembic(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Alembic:
    """Runs Alembic's commands on the test's database, in a thread: migrations bring their own event loop."""
    monkeypatch.setenv("DATABASE_URL", migrated_url)

    async def run(name: str, revision: str) -> None:
        await asyncio.to_thread(getattr(command, name), migrations.config(), revision)

    return run


async def names(database: Database, query: str) -> set[str]:
    async with database.read() as session:
        return set(await session.scalars(text(query)))


async def test_tables_of_the_jobs_go_and_come_back_without_the_others(alembic: Alembic, database: Database) -> None:
    before = await names(database, TABLES)
    assert before > OURS
    assert await names(database, FUNCTIONS) == {"notify_of_outbox_messages"}
    await alembic("downgrade", "jobs@base")
    assert await names(database, TABLES) == before - OURS
    assert await names(database, FUNCTIONS) == set()
    assert await names(database, REVISIONS) == {head for label, head in heads().items() if label != "jobs"}
    await alembic("upgrade", "heads")
    assert await names(database, TABLES) == before
    await put(database)


async def test_tables_stay_while_a_job_is_not_done(alembic: Alembic, database: Database) -> None:
    await put(database)
    await put(database, due=SOON)
    with pytest.raises(CommandError, match=r"^2 jobs are not done: let a worker finish them before their tables are"):
        await alembic("downgrade", "jobs@base")
    assert len(await outbox(database)) == 2
    assert await names(database, REVISIONS) == set(heads().values())


async def test_tables_stay_while_a_job_is_dead(alembic: Alembic, database: Database) -> None:
    await bury(database)
    with pytest.raises(CommandError, match=r"^1 jobs gave up: `python -m app jobs replay` or `purge` them before"):
        await alembic("downgrade", "jobs@base")
    assert len(await graveyard(database)) == 1
    assert await names(database, REVISIONS) == set(heads().values())


async def test_job_that_somebody_is_asking_for_is_waited_for(alembic: Alembic, database: Database) -> None:
    insert = "INSERT INTO outbox_messages (id, job, arguments) VALUES (gen_random_uuid(), 'late', '{}')"
    async with database.transaction() as session:
        await session.execute(text(insert))
        going = asyncio.ensure_future(alembic("downgrade", "jobs@base"))
        await waiting_for_locks(database)
    with pytest.raises(CommandError, match=r"^1 jobs are not done"):
        await going
    assert [row.job for row in await outbox(database)] == ["late"]
