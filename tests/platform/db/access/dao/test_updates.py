"""Updates of rows that meet conditions."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, inspect, true
from sqlalchemy.exc import CompileError, IntegrityError

from app.features.users.models import User
from app.platform.context import Actor, actor
from app.platform.db.dao.base import BaseDAO
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.session import Database, SessionProvider
from tests.support.sql import recorded_statements


async def insert(users: BaseDAO[User], *emails: str) -> list[UUID]:
    return [user.id for user in await users.insert_instances(User(email=email, password_hash="") for email in emails)]


async def test_rows_that_meet_the_conditions_are_changed_and_counted(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob", "cyd")
    update = users.updater.where(User.email > "ada").values(full_name="X", is_admin=True)
    assert await update.execute() == 2
    assert await update.filter(email="eve").execute() == 0
    assert await users.counter.filter(full_name="X", is_admin=True).count() == 2


async def test_builders_with_shared_first_steps_are_independent(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob")
    ada = users.updater.filter(email="ada").values(full_name="A")
    assert await ada.values(full_name="B", is_admin=True).filter(is_admin=True).execute() == 0
    assert await ada.execute() == 1
    row = await users.querier.filter(email="ada").one()
    assert (row.full_name, row.is_admin) == ("A", False)


async def test_later_values_win(users: BaseDAO[User]) -> None:
    await insert(users, "ada")
    update = users.updater.filter(email="ada").values(full_name="A", is_admin=True).values(full_name="B")
    (row,) = await update.returning().execute()
    assert (row.full_name, row.is_admin) == ("B", True)


async def test_update_without_a_condition_is_refused(users: BaseDAO[User]) -> None:
    await insert(users, "ada")
    for update in (users.updater, users.updater.where(), users.updater.filter(), users.updater.returning()):
        with pytest.raises(ValueError, match="update of User without a condition"):
            await update.values(full_name="X").execute()
    assert await users.counter.filter(full_name="X").count() == 0


async def test_update_of_all_rows_needs_an_explicit_condition(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob")
    assert await users.updater.where(true()).values(full_name="X").execute() == 2


async def test_update_without_values_is_refused(users: BaseDAO[User]) -> None:
    for update in (users.updater.filter(email="ada"), users.updater.filter(email="ada").values().returning()):
        with pytest.raises(ValueError, match="update of User without values"):
            await update.execute()


async def test_unknown_column_is_named(users: BaseDAO[User]) -> None:
    with pytest.raises(CompileError, match="fulll_name"):
        await users.updater.where(true()).values(fulll_name="X").execute()


async def test_values_may_be_expressions(users: BaseDAO[User]) -> None:
    await insert(users, "ada")
    (row,) = await users.updater.filter(email="ada").values(full_name=func.upper(User.email)).returning().execute()
    assert row.full_name == "ADA"


async def test_changed_rows_come_back_complete(users: BaseDAO[User], sql_engine: Engine) -> None:
    await insert(users, "ada", "bob", "cyd")
    update = users.updater.where(User.email < "cyd").values(deleted_at=func.now()).returning()
    with recorded_statements(sql_engine) as statements:
        rows = await update.execute()
    assert len(statements) == 1
    assert sorted(row.email for row in rows) == ["ada", "bob"]
    for row in rows:
        assert row.deleted_at == row.updated_at
        assert inspect(row).detached
        assert not inspect(row).unloaded


async def test_conditions_may_follow_returning(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob")
    update = users.updater.returning().where(User.email > "ada").filter(is_admin=False).values(full_name="X")
    assert [row.email for row in await update.execute()] == ["bob"]


@pytest.mark.commits
async def test_audit_columns_set_themselves(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob")
    before = await users.querier.filter(email="ada").one()
    caller = Actor(uuid4())
    token = actor.set(caller)
    (row,) = await users.updater.filter(email="ada").values(full_name="X").returning().execute()
    await users.updater.filter(email="bob").values(full_name="X").execute()
    actor.reset(token)
    other = await users.querier.filter(email="bob").one()
    assert (before.created_by, before.updated_by) == (None, None)
    assert row.created_at == before.created_at
    for changed in (row, other):
        assert (changed.created_by, changed.updated_by) == (None, caller.user_id)
        assert changed.updated_at > before.updated_at


@pytest.mark.parametrize(
    ("values", "criteria"),
    [
        ({"full_name": "X"}, User.email == "ada"),
        ({"full_name": func.upper("x")}, User.email == "ada"),
        # a condition that only the server can evaluate
        ({"full_name": "X"}, User.email.regexp_match("^ad")),
    ],
)
async def test_rows_the_transaction_holds_are_brought_up_to_date(
    users: BaseDAO[User], database: Database, sql_engine: Engine, values: dict[str, Any], criteria: Any
) -> None:
    await insert(users, "ada", "bob", "eva")
    caller = Actor(uuid4())
    token = actor.set(caller)

    async def change(steps: SessionProvider) -> User:
        dao = type(users)(steps)
        held = await dao.querier.filter(email="ada").one()
        with recorded_statements(sql_engine) as statements:
            assert await dao.updater.where(criteria).values(**values).execute() == 1
        assert len(statements) == 1
        return held

    held = await execute_transaction(database, change)
    actor.reset(token)
    assert not inspect(held).expired_attributes
    assert (held.full_name, held.updated_by) == ("X", caller.user_id)
    assert held.updated_at == (await users.querier.filter(email="ada").one()).updated_at


async def test_violated_constraint_is_raised_and_nothing_is_changed(users: BaseDAO[User]) -> None:
    await insert(users, "ada", "bob")
    with pytest.raises(IntegrityError):
        await users.updater.where(true()).values(email="same").execute()
    assert await users.counter.filter(email="same").count() == 0


@pytest.mark.commits
async def test_concurrent_updates_of_a_row_lose_nothing(users: BaseDAO[User]) -> None:
    (key,) = await insert(users, "ada")
    update = users.updater.filter(id=key).values(full_name=func.concat(User.full_name, "x"))
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(update.execute())
    assert (await users.querier.one()).full_name == "x" * 8
