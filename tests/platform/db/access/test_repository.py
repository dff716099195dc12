"""The base class of the repositories, on the table of users."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, insert, inspect, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError, MultipleResultsFound, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer, joinedload, selectinload

from app.features.users.models import User
from app.platform.context import Actor, actor
from app.platform.db.pagination import Cursor, PageRequest
from app.platform.db.repository import AsyncRepository
from app.platform.db.session import Database
from app.platform.idempotency import IdempotencyKey
from tests.platform.support.scratch import ScratchParent, create_tables, parent
from tests.support.sql import recorded_statements


class Users(AsyncRepository[User]):
    model = User


class Keys(AsyncRepository[IdempotencyKey]):
    model = IdempotencyKey


class Parents(AsyncRepository[ScratchParent]):
    model = ScratchParent


def user(email: str) -> User:
    return User(email=email, password_hash="")


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    async with database.transaction() as session:
        yield session


@pytest.fixture
async def users(session: AsyncSession) -> Users:
    return Users(session)


@pytest.fixture
async def parents(database: Database, session: AsyncSession) -> Parents:
    await create_tables(database)
    await Parents(session).add_all(parent(name) for name in ("ada", "bob", "cyd"))
    # makes the session load the rows from the server
    session.expunge_all()
    return Parents(session)


async def test_added_row_has_what_the_server_computed(users: Users) -> None:
    ada = await users.add(user("ada"))
    assert not inspect(ada).expired_attributes
    assert ada.created_at == ada.updated_at


async def test_get_finds_by_key(users: Users, session: AsyncSession, sql_engine: Engine) -> None:
    added = await users.add(user("ada"))
    session.expunge_all()
    ada = await users.get(added.id)
    assert ada is not None
    with recorded_statements(sql_engine) as statements:
        assert await users.get(ada.id) is ada
    assert statements == []
    assert await users.get(uuid4()) is None
    session.expunge_all()
    assert inspect(await users.get(ada.id, defer(User.full_name))).unloaded == {"full_name"}


async def test_get_one(users: Users) -> None:
    await users.add_all([user("ada"), user("bob")])
    assert (await users.get_one(User.email == "ada")).email == "ada"
    with pytest.raises(NoResultFound):
        await users.get_one(User.email == "eve")
    with pytest.raises(MultipleResultsFound):
        await users.get_one()


async def test_get_many_leaves_out_unknown_keys(users: Users) -> None:
    ada, bob = await users.add(user("ada")), await users.add(user("bob"))
    await users.add(user("cyd"))
    found = await users.get_many(key for key in (ada.id, uuid4(), bob.id))
    assert sorted(row.email for row in found) == ["ada", "bob"]
    assert await users.get_many([]) == []


async def test_list_filters_sorts_and_limits(users: Users) -> None:
    await users.add_all([user("ada"), user("bob"), user("cyd")])
    rows = await users.list(User.email > "ada", order_by=[User.email.desc()], limit=1)
    assert [row.email for row in rows] == ["cyd"]
    assert len(await users.list()) == 3


async def test_list_takes_loader_options(users: Users, session: AsyncSession) -> None:
    await users.add(user("ada"))
    session.expunge_all()
    (row,) = await users.list(options=[defer(User.full_name)])
    assert inspect(row).unloaded == {"full_name"}


async def test_pages_are_complete_without_overlap(users: Users) -> None:
    await users.add_all(map(user, "abcde"))
    seen: list[str] = []
    request = PageRequest(limit=3)
    for expected in (3, 1):
        page = await users.page(request, User.email != "c")
        assert len(page.items) == expected
        seen += [row.email for row in page.items]
        request = PageRequest(limit=3, after=Cursor.decode(page.next_cursor) if page.next_cursor else None)
    assert request.after is None
    assert sorted(seen) == ["a", "b", "d", "e"]


async def test_count_and_exists(users: Users) -> None:
    assert await users.count() == 0
    assert not await users.exists()
    await users.add_all([user("ada"), user("bob")])
    assert await users.count() == 2
    assert await users.count(User.email > "ada") == 1
    assert await users.exists(User.email == "bob")
    assert not await users.exists(User.email == "eve")


async def test_violated_constraint_raises_in_the_call_that_violates_it(users: Users, session: AsyncSession) -> None:
    await users.add(user("ada"))
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await users.add(user("ada"))
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await users.add_all([user("bob"), user("ada")])
    assert await users.count() == 1


async def test_rows_are_added_in_one_statement(users: Users, sql_engine: Engine) -> None:
    with recorded_statements(sql_engine) as statements:
        await users.add_all(user(str(number)) for number in range(50))
    assert len(statements) == 1


async def test_update_changes_and_refreshes(users: Users, sql_engine: Engine) -> None:
    ada = await users.add(user("ada"))
    with recorded_statements(sql_engine) as statements:
        assert await users.update(ada, full_name="Ada", is_admin=True) is ada
    assert len(statements) == 1
    assert not inspect(ada).expired_attributes
    assert await users.exists(User.full_name == "Ada", User.is_admin)


async def test_delete_removes_only_rows_without_soft_deletion(users: Users, session: AsyncSession) -> None:
    ada = await users.add(user("ada"))
    keys = Keys(session)
    key = await keys.add(IdempotencyKey(user_id=ada.id, key="k", request_digest=""))
    await users.delete(ada)
    await keys.delete(key)
    assert (await users.count(), await keys.count()) == (0, 0)
    assert [row.deleted_at for row in await users.with_deleted().list()] == [ada.updated_at]


async def test_stream_gives_every_row_in_batches(users: Users, session: AsyncSession, sql_engine: Engine) -> None:
    await users.add_all(user(f"{number:03}") for number in range(250))
    session.expunge_all()
    with recorded_statements(sql_engine) as statements:
        found = [row.email async for row in users.stream(User.email >= "050", batch=100)]
    assert sorted(found) == [f"{number:03}" for number in range(50, 250)]
    assert len(statements) == 1


async def test_one_row_and_its_children_are_one_statement(parents: Parents, sql_engine: Engine) -> None:
    with recorded_statements(sql_engine) as statements:
        (bob,) = await parents.list(ScratchParent.name == "bob", options=[joinedload(ScratchParent.children)])
    assert len(statements) == 1
    assert [child.position for child in bob.children] == [1, 2]


async def test_many_rows_and_their_children_are_two_statements(parents: Parents, sql_engine: Engine) -> None:
    with recorded_statements(sql_engine) as statements:
        page = await parents.page(PageRequest(limit=2), options=[selectinload(ScratchParent.children)])
    assert len(statements) == 2
    assert [len(row.children) for row in page.items] == [2, 2]


async def test_missing_loader_option_raises_instead_of_a_query_per_row(parents: Parents) -> None:
    for row in await parents.list():
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = row.children


@pytest.mark.commits
async def test_nothing_is_committed_by_the_repository(database: Database) -> None:
    async with database.get_session() as session:
        await Users(session).add(user("ada"))
        await Users(session).add_all([user("bob")])
        assert await Users(session).count() == 2
    async with database.read() as session:
        assert await Users(session).count() == 0


@pytest.mark.commits
async def test_audit_columns_are_filled_by_objects_and_by_statements(database: Database) -> None:
    one, other = Actor(uuid4()), Actor(uuid4())
    token = actor.set(one)
    async with database.transaction() as session:
        await Users(session).add(user("ada"))
        await session.execute(insert(User), [{"email": email, "password_hash": ""} for email in ("bob", "cyd", "eve")])
    actor.set(other)
    async with database.transaction() as session:
        await Users(session).update(await Users(session).get_one(User.email == "ada"), full_name="A")
        await session.execute(update(User).where(User.email == "bob").values(full_name="B"))
    actor.reset(token)
    async with database.read() as session:
        rows = {row.email: row for row in await Users(session).list()}
    assert {row.created_by for row in rows.values()} == {one.user_id}
    assert [rows[email].updated_by for email in ("ada", "bob", "cyd")] == [other.user_id, other.user_id, one.user_id]
    assert [rows[email].updated_at > rows[email].created_at for email in ("ada", "bob", "cyd")] == [True, True, False]


async def test_deleted_rows_are_skipped_unless_asked_for(users: Users) -> None:
    live = await users.add(user("ada"))
    deleted = await users.add(User(email="bob", password_hash="", deleted_at=func.now()))
    both = [live.id, deleted.id]

    async def found(repository: Users) -> list[object]:
        return [
            await repository.get(deleted.id) is not None,
            len(await repository.get_many(both)),
            len(await repository.list(User.id.in_(both))),
            len((await repository.page(PageRequest(limit=10), User.id.in_(both))).items),
            await repository.count(User.id.in_(both)),
            await repository.exists(User.id == deleted.id),
            len([row async for row in repository.stream(User.id.in_(both))]),
        ]

    assert await found(users) == [False, 1, 1, 1, 1, False, 1]
    assert await found(users.with_deleted()) == [True, 2, 2, 2, 2, True, 2]
    with pytest.raises(NoResultFound):
        await users.get_one(User.id == deleted.id)
    assert await users.with_deleted().get_one(User.id == deleted.id) is deleted
