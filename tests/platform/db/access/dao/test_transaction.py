"""Several steps in one transaction."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from app.features.users.models import User
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.session import Database, SessionProvider
from tests.platform.db.access.dao.users import Refused, Users
from tests.support.sql import recorded_statements


async def test_value_of_the_callback_is_returned(database: Database) -> None:
    async def steps(provider: SessionProvider) -> int:
        await Users(provider).insert("ada")
        await Users(provider).insert("bob")
        return await Users(provider).counter.count()

    assert await execute_transaction(database, steps) == 2
    assert await Users(database).counter.count() == 2


@pytest.mark.commits
async def test_nothing_is_visible_to_others_before_the_end(database: Database) -> None:
    async def steps(provider: SessionProvider) -> None:
        await Users(provider).insert("ada")
        await Users(provider).insert_instances([User(email="bob", password_hash="")])
        await Users(provider).updater.filter(email="ada").values(full_name="A").execute()
        assert await Users(provider).counter.count() == 2
        assert await Users(database).counter.count() == 0

    await execute_transaction(database, steps)
    assert await Users(database).counter.count() == 2


@pytest.mark.commits
async def test_original_exception_comes_out_and_nothing_is_stored(database: Database) -> None:
    refusal = Refused("too late")

    async def steps(provider: SessionProvider) -> None:
        await Users(provider).insert("ada")
        raise refusal

    with pytest.raises(Refused) as raised:
        await execute_transaction(database, steps)
    assert raised.value is refusal
    assert await Users(database).counter.count() == 0


@pytest.mark.commits
async def test_cancelled_transaction_is_rolled_back(database: Database) -> None:
    async def steps(provider: SessionProvider) -> None:
        await Users(provider).insert("ada")
        await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await execute_transaction(database, steps)
    assert await Users(database).counter.count() == 0


async def test_database_error_comes_out_with_its_type(database: Database) -> None:
    async def steps(provider: SessionProvider) -> None:
        await Users(provider).insert("ada")
        await Users(provider).insert("ada")

    with pytest.raises(IntegrityError):
        await execute_transaction(database, steps)
    assert await Users(database).counter.count() == 0


async def test_all_sessions_inside_are_the_same(database: Database) -> None:
    async def steps(provider: SessionProvider) -> None:
        async with provider.transaction() as one, provider.read() as other:
            assert one is other
        async with provider.transaction() as later:
            assert later is one
            assert later.in_transaction()

    await execute_transaction(database, steps)


async def test_objects_are_flushed_before_a_query_unless_told_otherwise(database: Database) -> None:
    async def steps(provider: SessionProvider) -> int:
        async with provider.transaction() as session:
            session.add(User(email="ada", password_hash=""))
        return await Users(provider).counter.filter(email="ada").count()

    assert await execute_transaction(database, steps) == 1
    await Users(database).updater.filter(email="ada").values(email="eve").execute()
    assert await execute_transaction(database, steps, autoflush=False) == 0

    async def nested(provider: SessionProvider) -> tuple[int, int]:
        without = await execute_transaction(provider, steps, autoflush=False)
        return without, await Users(provider).counter.filter(email="ada").count()

    await Users(database).updater.filter(email="ada").values(email="bob").execute()
    assert await execute_transaction(database, nested) == (0, 1)


async def test_changed_objects_are_written_at_the_end(database: Database) -> None:
    await Users(database).insert("ada")

    async def steps(provider: SessionProvider) -> None:
        user = await Users(provider).querier.one()
        user.full_name = "Ada"

    await execute_transaction(database, steps)
    assert (await Users(database).querier.one()).full_name == "Ada"


async def test_stream_inside_shares_the_transaction(database: Database, sql_engine: Engine) -> None:
    async def steps(provider: SessionProvider) -> list[str]:
        await Users(provider).insert("ada", "bob")
        with recorded_statements(sql_engine) as statements:
            async with Users(provider).querier.order_by(User.email).stream(batch=1) as rows:
                emails = [row.email async for row in rows]
        assert len(statements) == 1
        return emails

    assert await execute_transaction(database, steps) == ["ada", "bob"]


@pytest.mark.commits
async def test_transactions_at_once_are_separate(database: Database) -> None:
    async def steps(provider: SessionProvider, email: str) -> int:
        await Users(provider).insert(email)
        async with provider.read() as session:
            return int((await session.scalars(text("SELECT txid_current()"))).one())

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(execute_transaction(database, partial(steps, email=email))) for email in "abcde"]
    assert len({task.result() for task in tasks}) == 5
    assert await Users(database).counter.count() == 5
