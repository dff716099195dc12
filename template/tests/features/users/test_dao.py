"""The queries for users."""

from uuid import uuid4

import pytest
from sqlalchemy import Engine, func, inspect

from app.features.users.dao import UserDAO
from app.features.users.models import User
from app.platform.db.pagination import PageRequest
from app.platform.db.session import Database
from tests.support.sql import recorded_statements


@pytest.fixture
def users(database: Database) -> UserDAO:
    return UserDAO(database)


async def insert(users: UserDAO, email: str = "ada@example.com", *, deleted: bool = False) -> User:
    user = User(email=email, password_hash="", deleted_at=func.now() if deleted else None)
    await users.insert_instances([user])
    return user


async def test_user_is_found_by_id_and_by_address(users: UserDAO) -> None:
    user = await insert(users)
    for found in (await users.find(user.id), await users.find_by_email("Ada@Example.com")):
        assert found is not None
        assert found.id == user.id
        assert inspect(found).detached
    assert await users.find(uuid4()) is None
    assert await users.find_by_email("eve@example.com") is None


async def test_deleted_user_is_not_found(users: UserDAO) -> None:
    user = await insert(users, deleted=True)
    assert await users.find(user.id) is None
    assert await users.find_by_email(user.email) is None
    assert await users.querier.all() == []
    assert (await users.page(PageRequest())).items == []
    assert await users.update(User.id == user.id, full_name="Ada") is None
    assert await users.counter.count() == 0
    assert await users.counter.with_deleted().count() == 1


async def test_page_has_no_deleted_users(users: UserDAO) -> None:
    user = await insert(users)
    await insert(users, "eve@example.com", deleted=True)
    assert [found.id for found in (await users.page(PageRequest())).items] == [user.id]


async def test_update_is_one_statement_and_gives_the_user_as_it_is_now(users: UserDAO, sql_engine: Engine) -> None:
    user = await insert(users)
    other = await insert(users, "eve@example.com")
    with recorded_statements(sql_engine) as statements:
        changed = await users.update(User.id == user.id, full_name="Ada")
    assert len(statements) == 1
    assert changed is not None
    assert (changed.id, changed.full_name) == (user.id, "Ada")
    unchanged = await users.find(other.id)
    assert unchanged is not None
    assert unchanged.full_name is None
