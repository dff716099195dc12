"""Rows with related rows."""

import pytest
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import joinedload, selectinload

from app.platform.db.dao.base import BaseDAO
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.pagination import PageRequest
from app.platform.db.session import Database, SessionProvider
from tests.platform.support.scratch import ScratchChild, ScratchParent, create_tables, parent
from tests.support.sql import recorded_statements

CHILDREN = selectinload(ScratchParent.children)


class Parents(BaseDAO[ScratchParent]):
    model = ScratchParent


class Children(BaseDAO[ScratchChild]):
    model = ScratchChild


@pytest.fixture
async def parents(database: Database) -> Parents:
    await create_tables(database)
    parents = Parents(database)
    await parents.insert_instances(parent(name) for name in ("ada", "bob", "cyd"))
    return parents


@pytest.mark.usefixtures("parents")
async def test_related_instances_are_inserted_too(database: Database) -> None:
    assert await Children(database).counter.count() == 6


async def test_one_row_and_its_children_are_one_statement(parents: Parents, sql_engine: Engine) -> None:
    query = parents.querier.filter(name="bob").options(joinedload(ScratchParent.children))
    with recorded_statements(sql_engine) as statements:
        bob = await query.one()
    assert len(statements) == 1
    assert inspect(bob).detached
    assert [child.position for child in bob.children] == [1, 2]


async def test_many_rows_and_their_children_are_two_statements(parents: Parents, sql_engine: Engine) -> None:
    with recorded_statements(sql_engine) as statements:
        page = await parents.querier.options(CHILDREN).page(PageRequest(limit=2))
    assert len(statements) == 2
    assert [len(row.children) for row in page.items] == [2, 2]
    assert page.next_cursor is not None


async def test_changed_rows_come_back_with_their_children(parents: Parents, sql_engine: Engine) -> None:
    update = parents.updater.filter(name="bob").values(name="eve")
    with recorded_statements(sql_engine) as statements:
        (eve,) = await update.returning(CHILDREN).execute()
    assert len(statements) == 2
    assert [child.position for child in eve.children] == [1, 2]


@pytest.mark.usefixtures("parents")
async def test_lock_is_on_the_row_and_not_on_its_children(database: Database) -> None:
    async def lock(steps: SessionProvider) -> ScratchParent:
        query = Parents(steps).querier.filter(name="bob").options(joinedload(ScratchParent.children))
        return await query.for_update().one()

    assert len((await execute_transaction(database, lock)).children) == 2


async def test_missing_loader_option_raises_instead_of_a_query_per_row(parents: Parents, database: Database) -> None:
    async def forget(steps: SessionProvider) -> None:
        for row in await Parents(steps).querier.all():
            with pytest.raises(InvalidRequestError, match="lazy='raise'"):
                _ = row.children

    await execute_transaction(database, forget)
    for row in await parents.querier.all():
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = row.children
