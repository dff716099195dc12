"""A job is enqueued in the transaction of its cause: both are committed, or neither."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from pydantic_core import PydanticSerializationError
from sqlalchemy import Engine, select, text

from app.features.users.models import User
from app.platform.context import request_id
from app.platform.db.listen import listening
from app.platform.db.session import Database
from app.platform.jobs.job import Job
from app.platform.jobs.models import JobState
from app.platform.jobs.outbox import CHANNEL, enqueue
from app.platform.jobs.registry import Handler
from tests.support.outbox import outbox
from tests.support.server import PATIENCE
from tests.support.sql import recorded_statements

SAMPLE = Job("sample")
ADA = {"email": "ada@example.com", "password_hash": "x"}


@pytest.mark.commits
async def test_job_is_committed_with_its_cause(database: Database) -> None:
    async with database.transaction() as session:
        session.add(User(**ADA))
        key = await enqueue(session, SAMPLE, number=7)
        assert await outbox(database) == []
    (row,) = await outbox(database)
    assert (row.id, row.job, row.arguments, row.state) == (key, "sample", {"number": 7}, JobState.WAITING)
    assert (row.attempts, row.error, row.worker, row.request_id) == (0, None, None, None)
    assert row.due_at == row.created_at


@pytest.mark.commits
async def test_rollback_leaves_no_job(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            session.add(User(**ADA))
            await enqueue(session, SAMPLE)
            raise ZeroDivisionError
    assert await outbox(database) == []
    async with database.read() as session:
        assert (await session.scalars(select(User))).all() == []


async def test_session_that_only_reads_cannot_enqueue(database: Database) -> None:
    async with database.read() as session:
        with pytest.raises(RuntimeError, match="only reads"):
            await enqueue(session, SAMPLE)
    assert await outbox(database) == []


async def test_enqueue_is_one_statement(database: Database, sql_engine: Engine) -> None:
    async with database.transaction() as session:
        with recorded_statements(sql_engine) as statements:
            await enqueue(session, SAMPLE, number=7)
    assert [statement.split(" (")[0] for statement in statements] == ["INSERT INTO outbox_messages"]


async def test_arguments_reach_the_function_unchanged(database: Database) -> None:
    given = {"key": uuid4(), "at": datetime.now(UTC), "names": ["Ada", "Bob"], "many": {"a": 1.5}}
    received: dict[str, object] = {}

    async def take(_services: None, key: UUID, at: datetime, names: list[str], many: dict[str, float]) -> None:
        received.update(key=key, at=at, names=names, many=many)

    async with database.transaction() as session:
        await enqueue(session, SAMPLE, **given)
    (row,) = await outbox(database)
    assert row.arguments["key"] == str(given["key"])
    await Handler[None](SAMPLE, take)(None, row.arguments)
    assert received == given


async def test_argument_that_is_no_json_is_refused(database: Database) -> None:
    async with database.transaction() as session:
        with pytest.raises(PydanticSerializationError, match="object"):
            await enqueue(session, SAMPLE, thing=object())
    assert await outbox(database) == []


async def test_job_keeps_the_id_of_its_request(database: Database) -> None:
    token = request_id.set("request-1")
    async with database.transaction() as session:
        await enqueue(session, SAMPLE)
    request_id.reset(token)
    assert [row.request_id for row in await outbox(database)] == ["request-1"]


@pytest.mark.commits
async def test_workers_are_notified_at_commit(database: Database) -> None:
    async with asyncio.timeout(PATIENCE), listening(database.engine, CHANNEL) as wait:
        notified = asyncio.ensure_future(wait(PATIENCE))
        with pytest.raises(ZeroDivisionError):
            async with database.transaction() as session:
                await enqueue(session, SAMPLE)
                raise ZeroDivisionError
        async with database.transaction() as session:
            await enqueue(session, SAMPLE)
            # long enough for a notification to arrive
            await session.execute(text("SELECT pg_sleep(0.05)"))
            assert not notified.done()
        await notified
