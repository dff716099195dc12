"""Queries and counts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import FrozenInstanceError
from functools import partial

import pytest
from sqlalchemy import Engine, func, inspect
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import defer

from app.features.users.models import User
from app.platform.db.dao.base import BaseDAO
from app.platform.db.dao.builders import QueryBuilder
from app.platform.db.pagination import Cursor, PageRequest
from app.platform.db.session import Database
from tests.support.databases import settings_for
from tests.support.sql import RoundTrips, recorded_statements


async def insert(users: BaseDAO[User], *emails: str) -> None:
    await users.insert_rows({"email": email, "password_hash": ""} for email in emails)


async def emails(query: QueryBuilder[User]) -> list[str]:
    return [user.email for user in await query.all()]


async def test_builders_with_shared_first_steps_are_independent(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob", "cyd")
    beginning = users.querier.order_by(User.email)
    one = beginning.filter(email="bob")
    other = beginning.where(User.email > "ada").offset(1).limit(1)
    locked = beginning.for_update().options(defer(User.full_name))
    assert await emails(beginning) == ["ada", "bob", "cyd"]
    assert await emails(one) == ["bob"]
    assert await emails(other) == ["cyd"]
    assert len({id(builder) for builder in (beginning, one, other, locked)}) == 4


def test_builder_cannot_be_changed(users: BaseDAO[User]) -> None:
    for builder in (users.querier, users.counter, users.updater, users.updater.returning()):
        with pytest.raises(FrozenInstanceError):
            builder._conditions = ()  # type: ignore[misc] # noqa: SLF001 - that it fails is the point


async def test_order_limit_and_offset(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob", "cyd")
    assert await emails(users.querier.order_by(User.email.desc())) == ["cyd", "bob", "ada"]
    assert await emails(users.querier.order_by(User.is_admin).order_by(User.email)) == ["ada", "bob", "cyd"]
    assert await emails(users.querier.order_by(User.email).limit(0)) == []
    assert await emails(users.querier.order_by(User.email).offset(2)) == ["cyd"]


async def test_first(users: BaseDAO[User], sql_engine: Engine) -> None:
    assert await users.querier.first() is None
    await insert(users, "ada", "bob")
    with recorded_statements(sql_engine) as statements:
        first = await users.querier.order_by(User.email.desc()).first()
    assert first is not None
    assert first.email == "bob"
    assert "LIMIT" in statements[0]


async def test_one(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob")
    assert (await users.querier.filter(email="ada").one()).email == "ada"
    with pytest.raises(NoResultFound):
        await users.querier.filter(email="eve").one()
    with pytest.raises(MultipleResultsFound):
        await users.querier.one()


async def test_one_or_none(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob")
    found = await users.querier.filter(email="ada").one_or_none()
    assert found is not None
    assert found.email == "ada"
    assert await users.querier.filter(email="eve").one_or_none() is None
    with pytest.raises(MultipleResultsFound):
        await users.querier.one_or_none()


async def test_rows_are_complete_and_need_no_session(users: BaseDAO[User]) -> None:
    await insert(users, "ada")
    for row in (await users.querier.one(), *await users.querier.all()):
        state = inspect(row)
        assert state.detached
        assert not state.expired_attributes
        assert not state.unloaded
        assert row.created_at == row.updated_at


async def test_loader_options_are_used(users: BaseDAO[User]) -> None:
    await insert(users, "ada")
    row = await users.querier.options(defer(User.full_name), defer(User.email, raiseload=True)).one()
    assert inspect(row).unloaded == {"full_name", "email"}


async def test_pages_are_complete_without_overlap(users: BaseDAO[User]) -> None:
    await insert(users, *"abcde")
    query = users.querier.filter(email__ne="c")
    seen: list[str] = []
    request = PageRequest(limit=3)
    for expected in (3, 1):
        page = await query.page(request)
        assert len(page.items) == expected
        seen += [user.email for user in page.items]
        request = PageRequest(limit=3, after=Cursor.decode(page.next_cursor) if page.next_cursor else None)
    assert request.after is None
    assert sorted(seen) == ["a", "b", "d", "e"]


async def test_page_refuses_order_by_limit_and_offset(users: BaseDAO[User]) -> None:
    for query in (users.querier.order_by(User.email), users.querier.limit(5), users.querier.offset(5)):
        with pytest.raises(ValueError, match="leave out order_by, limit and offset"):
            await query.page(PageRequest())


async def test_stream_gives_every_row_in_batches(users: BaseDAO[User], sql_engine: Engine) -> None:
    names = [f"{number:04}" for number in range(250)]
    await insert(users, *names)
    with recorded_statements(sql_engine) as statements:
        async with users.querier.order_by(User.email).stream(batch=100) as rows:
            assert [row.email async for row in rows] == names
    assert len(statements) == 1


async def test_stream_may_be_left_early(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob", "cyd")
    async with users.querier.order_by(User.email).stream(batch=1) as rows:
        async for row in rows:
            assert row.email == "ada"
            break
    assert await users.counter.count() == 3


@pytest.mark.commits
async def test_stream_gives_its_connection_back_when_its_block_raises(users: BaseDAO[User], database: Database) -> None:
    await insert(users, "ada", "bob")
    with pytest.raises(ZeroDivisionError):
        async with users.querier.stream(batch=1) as rows:
            async for _row in rows:
                raise ZeroDivisionError
    assert "Checked out connections: 0" in database.engine.pool.status()


async def test_count_and_exists(users: BaseDAO[User], sql_engine: Engine) -> None:
    assert await users.counter.count() == 0
    assert not await users.counter.exists()
    await insert(users, "ada", "bob", "cyd")
    assert await users.counter.where(User.email > "ada").count() == 2
    with recorded_statements(sql_engine) as statements:
        assert await users.counter.filter(email="bob").exists()
        assert not await users.counter.filter(email="eve").exists()
    assert len(statements) == 2


@pytest.mark.commits
async def test_builders_may_be_used_by_many_tasks_at_once(users: BaseDAO[User]) -> None:
    await insert(users, *map(str, range(20)))
    query, counter = users.querier.order_by(User.email), users.counter
    async with asyncio.TaskGroup() as group:
        found = [group.create_task(query.filter(email=str(number)).one()) for number in range(20)]
        counts = [group.create_task(counter.count()) for _ in range(5)]
    assert [task.result().email for task in found] == [str(number) for number in range(20)]
    assert {task.result() for task in counts} == {20}


async def test_reads_are_one_round_trip_and_writes_are_three(migrated_url: str) -> None:
    async with RoundTrips(migrated_url).running() as proxy:
        database = Database(settings_for(proxy.url))
        await database.init()

        class Users(BaseDAO[User]):
            model = User

        users = Users(database)
        await insert(users, "ada")
        key = (await users.querier.one()).id
        set_name = users.updater.filter(id=key).values(full_name="Ada")
        calls: dict[Callable[[], Awaitable[object]], int] = {
            partial(users.get, key): 1,
            users.querier.filter(email="ada").one: 1,
            users.querier.order_by(User.email).first: 1,
            users.querier.all: 1,
            partial(users.querier.page, PageRequest()): 1,
            users.counter.count: 1,
            users.counter.exists: 1,
            set_name.execute: 3,
            set_name.returning().execute: 3,
        }
        for call, expected in calls.items():
            for _ in range(6):  # psycopg prepares a statement when it has seen it five times
                await call()
            before = proxy.count
            await call()
            assert proxy.count - before == expected, call
        await database.close()


async def test_deleted_rows_are_skipped_unless_asked_for(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob")
    bob = await users.querier.filter(email="bob").one()
    assert await users.updater.filter(email="bob").values(deleted_at=func.now()).execute() == 1
    assert await users.get(bob.id) is None
    assert await emails(users.querier) == ["ada"]
    assert await users.counter.count() == 1
    assert not await users.counter.filter(email="bob").exists()
    assert await users.updater.filter(email="bob").values(full_name="Bob").execute() == 0
    assert [user.email for user in (await users.querier.page(PageRequest(limit=10))).items] == ["ada"]
    async with users.querier.stream() as rows:
        assert [user.email async for user in rows] == ["ada"]
    assert await emails(users.querier.with_deleted().order_by(User.email)) == ["ada", "bob"]
    assert await users.counter.with_deleted().count() == 2
    restored = await users.updater.with_deleted().filter(email="bob").values(deleted_at=None).returning().execute()
    assert [user.email for user in restored] == ["bob"]
