"""Getting a row by its key, and inserting rows."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import defer

from app.features.users.models import User
from app.platform.context import Actor, actor
from app.platform.db.dao.base import BaseDAO
from tests.support.sql import recorded_statements


def rows(count: int) -> Iterator[dict[str, Any]]:
    return ({"email": f"{number}@example.com", "password_hash": ""} for number in range(count))


@pytest.fixture
def caller() -> Iterator[UUID]:
    caller = Actor(uuid4())
    token = actor.set(caller)
    yield caller.user_id
    actor.reset(token)


async def test_get(users: BaseDAO[User]) -> None:
    (user,) = await users.insert_instances([User(email="ada", password_hash="")])
    found = await users.get(user.id)
    assert found is not None
    assert found is not user
    assert found.email == "ada"
    assert await users.get(uuid4()) is None
    lean = await users.get(user.id, defer(User.full_name))
    assert inspect(lean).unloaded == {"full_name"}


async def test_rows_are_inserted_in_chunks_and_counted(users: BaseDAO[User], sql_engine: Engine) -> None:
    with recorded_statements(sql_engine) as statements:
        assert await users.insert_rows(rows(2500)) == 2500
    assert len(statements) == 3
    assert await users.counter.count() == 2500


async def test_inserting_nothing_sends_nothing(users: BaseDAO[User], sql_engine: Engine) -> None:
    with recorded_statements(sql_engine) as statements:
        assert await users.insert_rows([]) == 0
        assert await users.insert_instances([]) == []
    assert statements == []


async def test_rows_are_all_stored_or_none(users: BaseDAO[User]) -> None:
    double = [*rows(1200), {"email": "0@example.com", "password_hash": ""}]
    with pytest.raises(IntegrityError):
        await users.insert_rows(double)
    assert await users.counter.count() == 0


async def test_rows_may_leave_out_different_columns(users: BaseDAO[User]) -> None:
    await users.insert_rows(
        [{"email": "ada", "password_hash": ""}, {"email": "bob", "password_hash": "", "full_name": "Bob"}]
    )
    assert [user.full_name for user in await users.querier.order_by(User.email).all()] == [None, "Bob"]


async def test_misspelt_column_of_a_row_is_named(users: BaseDAO[User]) -> None:
    with pytest.raises(ValueError, match=r"^User has no column 'fulll_name', 'x'$"):
        await users.insert_rows([*rows(1), {"email": "a", "password_hash": "", "x": 1, "fulll_name": "A"}])
    assert await users.counter.count() == 0


async def test_instances_have_what_the_server_computed(users: BaseDAO[User]) -> None:
    users_ = [User(email=str(number), password_hash="") for number in range(3)]
    assert await users.insert_instances(iter(users_)) == users_
    for user in users_:
        assert inspect(user).detached
        assert not inspect(user).expired_attributes
        assert user.created_at == user.updated_at


async def test_instances_are_all_stored_or_none(users: BaseDAO[User]) -> None:
    with pytest.raises(IntegrityError):
        await users.insert_instances(User(email=str(number % 1100), password_hash="") for number in range(1200))
    assert await users.counter.count() == 0


async def test_audit_columns_are_filled_in_bulk(users: BaseDAO[User], caller: UUID) -> None:
    await users.insert_rows(rows(3))
    assert {(user.created_by, user.updated_by) for user in await users.querier.all()} == {(caller, caller)}


async def test_audit_columns_are_filled_on_instances(users: BaseDAO[User], caller: UUID) -> None:
    (user,) = await users.insert_instances([User(email="ada", password_hash="")])
    assert (user.created_by, user.updated_by) == (caller, caller)
    stored = await users.querier.one()
    assert (stored.created_by, stored.updated_by) == (caller, caller)


async def test_audit_columns_are_empty_without_a_caller(users: BaseDAO[User]) -> None:
    await users.insert_rows(rows(1))
    user = await users.querier.one()
    assert (user.created_by, user.updated_by) == (None, None)
