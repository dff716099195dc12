"""Sessions: when they commit, roll back and refuse to write."""

import asyncio

import pytest
from sqlalchemy import insert, literal_column, select, text, update
from sqlalchemy.exc import IntegrityError

from app.features.users.models import User
from app.platform.db.one_step import in_one_step
from app.platform.db.read_session import LazySession
from app.platform.db.rows import Run
from app.platform.db.session import Database
from app.platform.settings import DatabaseSettings
from tests.support.databases import settings_for
from tests.support.sql import RoundTrips


def user(email: str = "ada@example.com") -> User:
    return User(email=email, password_hash="x")


async def emails(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(User.email)))


async def test_uninitialised_database_says_what_to_do(database_settings: DatabaseSettings) -> None:
    database = Database(database_settings)
    for opening in (database.get_session, database.transaction, database.read):
        with pytest.raises(RuntimeError, match="init"):
            async with opening():
                pass
    with pytest.raises(RuntimeError, match="init"):
        _ = database.engine


async def test_init_and_close_may_be_repeated(database_settings: DatabaseSettings) -> None:
    database = Database(database_settings)
    await database.close()
    await database.init()
    engine = database.engine
    await database.init()
    assert database.engine is engine
    await database.ping()
    await database.close()
    await database.close()
    await database.init()
    assert database.engine is not engine
    await database.ping()
    await database.close()


async def test_session_is_made_when_something_asks_for_it(database_settings: DatabaseSettings) -> None:
    def seven(run: Run) -> object:
        ((found,),) = run(select(literal_column("7")), {})
        return found

    database = Database(database_settings)
    await database.init()
    async with database.read() as session:
        assert isinstance(session, LazySession)
        assert await in_one_step(session, seven, prebuilt=True) == 7
        assert not session.is_made
        assert await session.scalar(text("SELECT 8")) == 8
        assert session.is_made
        assert await in_one_step(session, seven, prebuilt=True) == 7
        with pytest.raises(AttributeError, match="'LazySession' object has no attribute 'colour'"):
            _ = session.colour
    async with database.read() as session:
        assert isinstance(session, LazySession)
        await in_one_step(session, seven, prebuilt=True)
    await database.close()
    # the end of the block did not ask for it either
    assert not session.is_made


def test_reset_serves_a_new_event_loop(database_settings: DatabaseSettings) -> None:
    database = Database(database_settings)

    async def use() -> int:
        await database.init()
        async with database.read() as session:
            pid = (await session.scalars(text("SELECT pg_backend_pid()"))).one()
        connection = await database.engine.connect()
        await connection.invalidate()
        await connection.close()
        await database.reset()
        return int(pid)

    assert asyncio.run(use()) != asyncio.run(use())


@pytest.mark.commits
async def test_transaction_commits(database: Database) -> None:
    async with database.transaction() as session:
        session.add(user())
    assert await emails(database) == ["ada@example.com"]


@pytest.mark.commits
async def test_exception_rolls_back_what_was_flushed(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            session.add(user())
            await session.flush()
            raise ZeroDivisionError
    assert await emails(database) == []


@pytest.mark.commits
async def test_cancellation_rolls_back(database: Database) -> None:
    flushed = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as session:
            session.add(user())
            await session.flush()
            flushed.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await flushed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await emails(database) == []


@pytest.mark.commits
async def test_get_session_commits_only_when_told(database: Database) -> None:
    async with database.get_session() as session:
        session.add(user("forgotten@example.com"))
        await session.flush()
    async with database.get_session() as session:
        session.add(user("told@example.com"))
        await session.commit()
    assert await emails(database) == ["told@example.com"]


@pytest.mark.commits
async def test_violated_constraint_raises_an_integrity_error(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add_all([user(), user()])
    assert await emails(database) == []


async def test_autoflush_is_up_to_the_caller(database: Database) -> None:
    async with database.transaction(autoflush=False) as session:
        session.add(user())
        assert list(await session.scalars(select(User))) == []
    async with database.get_session(autoflush=True) as session:
        session.add(user("bob@example.com"))
        assert len(list(await session.scalars(select(User)))) == 2


async def test_reading_session_refuses_to_write(database: Database) -> None:
    async with database.read() as session:
        session.add(user())
        with pytest.raises(RuntimeError, match="only reads"):
            await session.flush()
    for statement in (insert(User).values(email="a", password_hash="x"), update(User).values(is_admin=True)):
        async with database.read() as session:
            with pytest.raises(RuntimeError, match="only reads"):
                await session.execute(statement)


async def test_reading_session_flushes_nothing_when_there_is_nothing(database: Database) -> None:
    async with database.read() as session:
        await session.flush()


async def test_objects_can_be_used_after_their_session(database: Database) -> None:
    ada = user()
    async with database.transaction() as session:
        session.add(ada)
    assert ada.created_at.tzinfo is not None
    async with database.transaction() as session:
        session.add(ada)
        ada.full_name = "Ada"
    assert ada.updated_at >= ada.created_at


async def test_read_of_one_statement_is_one_round_trip(migrated_url: str) -> None:
    async with RoundTrips(migrated_url).running() as proxy:
        database = Database(settings_for(proxy.url))
        await database.init()

        async def read() -> None:
            async with database.read() as session:
                await session.scalar(select(User).where(User.email == "ada@example.com"))

        for _ in range(6):  # psycopg prepares a statement when it has seen it five times
            await read()
        before = proxy.count
        await read()
        await read()
        assert proxy.count - before == 2

        before = proxy.count
        async with database.transaction() as session:
            await session.scalar(select(User).where(User.email == "ada@example.com"))
        assert proxy.count - before == 3  # BEGIN, SELECT, COMMIT
        await database.close()
