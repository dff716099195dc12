"""Functions that run on each new connection."""

from typing import Any

import pytest
from sqlalchemy import text

from app.platform.db.session import Database
from app.resources import Resources
from tests.support.databases import settings_for


async def name(connection: Any) -> None:
    await connection.execute("SET application_name TO 'set up'")


async def count(connection: Any) -> None:
    seen.append(connection)


seen: list[Any] = []


async def test_functions_run_on_each_new_connection(server_url: str) -> None:
    seen.clear()
    database = Database(settings_for(server_url), [name, count])
    await database.init()
    async with database.get_session() as first, database.get_session() as second:
        for session in (first, second):
            assert await session.scalar(text("SHOW application_name")) == "set up"
        await first.rollback()
        # set outside of a transaction
        assert await first.scalar(text("SHOW application_name")) == "set up"
    async with database.read() as session:
        assert await session.scalar(text("SHOW application_name")) == "set up"
    await database.close()
    assert len(seen) == 2


@pytest.mark.commits
async def test_resources_name_the_functions(settings: Any) -> None:
    class Own(Resources):
        on_connect = (name,)

    async with Own(settings) as resources, resources.database.read() as session:
        assert await session.scalar(text("SHOW application_name")) == "set up"
