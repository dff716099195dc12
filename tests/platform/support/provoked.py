"""Ways to make PostgreSQL say its errors, for the table of errors."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db import driver
from app.platform.db.base import Base
from tests.platform.support.silent_proxy import SilentProxy
from tests.platform.support.trouble import Trouble, deadlock, grow, opened

ASYNCPG = driver.DRIVERNAME == "postgresql+asyncpg"

Provoke = Callable[[Trouble], Awaitable[object]]

# what no server can be made to say in a test, or not this version: PL/pgSQL raises it
RAISE = "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END$$"


def runs(statement: str, **values: object) -> Provoke:
    async def provoke(trouble: Trouble) -> None:
        await trouble.run(statement, **values)

    return provoke


async def idles_in_a_transaction(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await session.execute(text("SELECT 1"))
        await asyncio.sleep(0.5)
        await session.execute(text("SELECT 1"))


async def idles_before_its_commit(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await grow(session, 1)
        await asyncio.sleep(0.5)


async def idles_between_units_of_work(trouble: Trouble) -> None:
    async with trouble.database.read() as session:
        await session.execute(text("SET idle_session_timeout = '100ms'"))
    await asyncio.sleep(0.5)
    await trouble.run("SELECT 1")


async def prepared(trouble: Trouble) -> None:
    """Run a statement as often as a driver needs to prepare it."""
    for _ in range(8):
        await trouble.run("SELECT * FROM things")


async def loses_prepared_statements(trouble: Trouble) -> None:
    await prepared(trouble)
    # psycopg would notice a plain DEALLOCATE
    await trouble.run("DO $$BEGIN EXECUTE 'DEALLOCATE ALL'; END$$")
    await trouble.run("SELECT * FROM things")


async def loses_everything(trouble: Trouble) -> None:
    await prepared(trouble)
    async with trouble.database.read() as session:
        connection = await session.connection()
        native: Any = (await connection.get_raw_connection()).driver_connection
        if ASYNCPG:
            await native.execute("DISCARD ALL")
        else:
            # in a way that psycopg does not notice
            native.pgconn.exec_(b"DISCARD ALL")
    await trouble.run("SELECT * FROM things")


async def has_another_prepared_statement(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await session.execute(text("SELECT 1"))
        native: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        if ASYNCPG:
            # the names are numbered
            name = native._get_unique_id("stmt")  # noqa: SLF001 (there is no other way to know)
            number = int(name.split("_")[-3], 16)
            taken = [f"__asyncpg_stmt_{each:x}__" for each in range(number, number + 9)]
        else:
            taken = [f"_pg3_{each}" for each in range(99)]
        prepare = " ".join(f"EXECUTE 'PREPARE {name} AS SELECT 1';" for name in taken)
        await session.execute(text(f"DO $$BEGIN {prepare} END$$"))
        for _ in range(8):
            await session.execute(text("SELECT 2"))


async def meets_a_migration(trouble: Trouble) -> None:
    await prepared(trouble)
    await trouble.others_run("ALTER TABLE things ADD COLUMN added integer")
    await trouble.run("SELECT * FROM things")


async def changes_what_another_changed(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        await session.execute(text("SELECT * FROM things"))
        await trouble.others_run("UPDATE things SET size = 7 WHERE id = 1")
        await grow(session, 1)


async def cannot_be_put_in_sequence(trouble: Trouble) -> None:
    """Fail in COMMIT: both transactions read what the other one changes."""
    serializable = {"isolation_level": "SERIALIZABLE"}
    async with trouble.database.transaction() as session:
        await session.connection(execution_options=serializable)
        await session.execute(text("SELECT sum(size) FROM things"))
        async with opened(trouble.url) as others, others.transaction() as other:
            await other.connection(execution_options=serializable)
            await other.execute(text("SELECT sum(size) FROM things"))
            await grow(other, 2)
            await grow(session, 1)


async def loses_a_deadlock(trouble: Trouble) -> None:
    async def work(meet: Callable[[], Awaitable[None]]) -> None:
        async with trouble.database.transaction() as session:
            await session.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            await grow(session, 1)
            await meet()
            await grow(session, 2)

    await deadlock(trouble.url, work)


async def waits_for_a_row(trouble: Trouble) -> None:
    async with opened(trouble.url) as others, others.transaction() as other:
        await grow(other, 1)
        await trouble.run("UPDATE things SET size = 1 WHERE id = 1")


async def does_not_wait_for_a_row(trouble: Trouble) -> None:
    async with opened(trouble.url) as others, others.transaction() as other:
        await grow(other, 1)
        await trouble.run("SELECT * FROM things WHERE id = 1 FOR UPDATE NOWAIT")


async def is_killed_between_statements(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await grow(session, 1)
        await trouble.kill(session)
        await grow(session, 2)


class Thing(Base):
    """The table of `TABLES`; the metadata of its own keeps migrations away."""

    metadata = MetaData()
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]


async def is_killed_before_a_flush(trouble: Trouble) -> None:
    """Lose the connection in a statement of the commit that comes before COMMIT itself."""
    async with trouble.database.transaction() as session:
        await trouble.kill(session)
        session.add(Thing(id=77, size=1))


async def is_killed_in_a_statement(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
        running = asyncio.create_task(session.execute(text("SELECT pg_sleep(20)")))
        await asyncio.sleep(0.1)
        await trouble.kill_process(pid)
        await running


async def is_killed_in_a_stream(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        rows = await session.stream(
            text("SELECT pg_backend_pid(), repeat('x', 9999) FROM generate_series(1, 9999)"),
            execution_options={"yield_per": 10},
        )
        first = await rows.fetchone()
        assert first
        await trouble.kill_process(first[0])
        try:
            async for _ in rows:
                pass
        finally:
            # psycopg warns of a cursor that was not closed
            with suppress(SQLAlchemyError):
                await rows.close()


async def times_out_in_a_stream(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        rows = await session.stream(
            text("SELECT id, pg_sleep(0.02) FROM generate_series(1, 999) AS id"), execution_options={"yield_per": 100}
        )
        async for _ in rows:
            await asyncio.sleep(0)


async def is_cut_off(trouble: Trouble) -> None:
    """Lose the connection without a word of the server."""
    async with (
        SilentProxy(trouble.url).running() as proxy,
        opened(proxy.url) as database,
        database.transaction() as session,
    ):
        await session.execute(text("SELECT 1"))
        proxy.cut()
        await session.execute(text("SELECT 2"))


async def commits_what_cannot_be_committed(trouble: Trouble) -> None:
    await trouble.others_run("ALTER TABLE things ALTER CONSTRAINT things_parent_fkey DEFERRABLE INITIALLY DEFERRED")
    await trouble.run("UPDATE things SET parent = 99")


async def needs_more_disk_than_it_may_have(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await session.execute(text("SET LOCAL temp_file_limit = 1"))
        await session.execute(text("SET LOCAL work_mem = 64"))
        await session.execute(text("SELECT g FROM generate_series(1, 99999) AS g ORDER BY random()"))
