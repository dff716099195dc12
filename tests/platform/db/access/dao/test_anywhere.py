"""DAOs work without a web framework: in jobs, scripts and workers."""

import asyncio
from uuid import UUID, uuid4

import anyio

from app.features.users.models import User
from app.platform.context import Actor, actor
from app.platform.db.dao.base import BaseDAO
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.session import Database, SessionProvider
from tests.support.databases import settings_for


class Users(BaseDAO[User]):
    model = User


async def script(database: Database, email: str) -> UUID:
    await database.init()

    async def steps(provider: SessionProvider) -> UUID:
        await Users(provider).insert_rows([{"email": email, "password_hash": ""}])
        return (await Users(provider).querier.filter(email=email).for_update().one()).id

    key = await execute_transaction(database, steps)
    await database.close()
    return key


async def test_plain_asyncio_script(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url))
    key = await asyncio.to_thread(asyncio.run, script(database, "ada"))
    await database.init()
    assert (await Users(database).querier.one()).id == key
    await database.close()


async def test_anyio_script(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url))
    await asyncio.to_thread(anyio.run, script, database, "ada")
    await asyncio.to_thread(anyio.run, script, database, "bob")
    await database.init()
    assert await Users(database).counter.count() == 2
    await database.close()


async def test_new_event_loop_after_a_reset(migrated_url: str) -> None:
    # a forked worker inherits an engine whose connections belong to its parent process
    database = Database(settings_for(migrated_url))
    await database.init()
    users = Users(database)
    await users.insert_rows([{"email": "ada", "password_hash": ""}])

    async def job() -> int:
        await database.reset()
        await database.init()
        found = await users.counter.count()
        await database.close()
        return found

    async with database.engine.connect() as inherited:
        assert await asyncio.to_thread(asyncio.run, job()) == 1
        await inherited.invalidate()


async def test_caller_of_a_job_is_in_the_audit_columns(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url))
    caller = uuid4()

    async def job() -> UUID | None:
        actor.set(Actor(caller))
        await script(database, "ada")
        await database.init()
        user = await Users(database).querier.one()
        await database.close()
        return user.created_by

    assert await asyncio.to_thread(asyncio.run, job()) == caller
