"""`for_update`: locked rows."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from app.features.users.models import User
from app.platform.db.dao.base import BaseDAO
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.session import Database, SessionProvider


class Users(BaseDAO[User]):
    model = User

    async def insert(self, *emails: str) -> None:
        await self.insert_rows({"email": email, "password_hash": ""} for email in emails)


async def test_lock_outside_of_a_transaction_is_refused(database: Database) -> None:
    with pytest.raises(RuntimeError, match=r"for_update\(\) outside of execute_transaction"):
        await Users(database).querier.for_update().all()


@pytest.mark.commits
async def test_locked_row_has_the_values_of_the_previous_lock_holder(database: Database) -> None:
    await Users(database).insert("ada")
    locked, read = asyncio.Event(), asyncio.Event()

    async def slow(provider: SessionProvider) -> None:
        await Users(provider).querier.filter(email="ada").for_update().one()
        locked.set()
        await read.wait()
        await asyncio.sleep(0.1)
        await Users(provider).updater.filter(email="ada").values(full_name="first").execute()

    async def waiting(provider: SessionProvider) -> str | None:
        await locked.wait()
        query = Users(provider).querier.filter(email="ada")
        before = await query.one()
        assert before.full_name is None
        read.set()
        return (await query.for_update().one()).full_name

    async with asyncio.TaskGroup() as group:
        group.create_task(execute_transaction(database, slow))
        second = group.create_task(execute_transaction(database, waiting))
    assert second.result() == "first"


@pytest.mark.commits
async def test_locked_rows_can_be_skipped(database: Database) -> None:
    await Users(database).insert("ada", "bob")

    async def take(provider: SessionProvider) -> list[str]:
        (mine,) = await Users(provider).querier.order_by(User.email).limit(1).for_update(skip_locked=True).all()

        async def take_next(other: SessionProvider) -> str:
            query = Users(other).querier.order_by(User.email)
            return (await query.for_update(skip_locked=True).one()).email

        return [mine.email, await execute_transaction(database, take_next)]

    assert await execute_transaction(database, take) == ["ada", "bob"]


@pytest.mark.commits
async def test_lock_with_nowait_fails_at_once(database: Database) -> None:
    await Users(database).insert("ada")

    async def take(provider: SessionProvider) -> None:
        await Users(provider).querier.for_update().one()

        async def take_too(other: SessionProvider) -> None:
            await Users(other).querier.for_update(nowait=True).one()

        with pytest.raises(DBAPIError, match="could not obtain lock"):
            await execute_transaction(database, take_too)

    await execute_transaction(database, take)
