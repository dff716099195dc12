"""Models with unusual columns and relationships: both ways of reading and of creating give the same."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func
from sqlalchemy.orm.attributes import InstrumentedAttribute

from app.platform.db.creating import create_alone
from app.platform.db.reading import ReadQuery
from app.platform.db.selection import Selection
from app.platform.db.session import Database
from app.platform.db.shapes import shape_of
from tests.platform.support.library import ReadModel
from tests.platform.support.unusual import (
    THING,
    Base,
    Cart,
    CartRead,
    Employee,
    EmployeeRead,
    Manager,
    Node,
    NodeEarly,
    NodeName,
    NodeRead,
    NodeShown,
    Team,
    TeamRead,
    Thing,
    ThingRead,
)
from tests.support.databases import execute, settings_for
from tests.support.sql import recorded_statements


@pytest.fixture
async def database(empty_url: str) -> AsyncIterator[Database]:
    database = Database(settings_for(empty_url))
    await database.init()
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.close()


def query(database: Database, model: type[Any], read_model: type[ReadModel]) -> ReadQuery[Any]:
    return ReadQuery(database.read, Selection(shape_of(model, read_model)))


async def on_both_ways(database: Database, model: type[Any], read_model: type[ReadModel], **wanted: Any) -> Any:
    """Return the only row, which must be the same if somebody listens to statements."""
    found = await query(database, model, read_model).filter(**wanted).one_or_none()
    with recorded_statements(database.engine.sync_engine):
        assert await query(database, model, read_model).filter(**wanted).one_or_none() == found
    return found


async def test_types_that_change_their_values(database: Database) -> None:
    created = await create_alone(database, Thing, ThingRead, THING)
    assert created == ThingRead(**THING, id=created.id, count=7)
    assert await on_both_ways(database, Thing, ThingRead, id=created.id) == created
    for name in ("price", "label", "count", "kind", "lasts"):
        assert await on_both_ways(database, Thing, ThingRead, **{name: getattr(created, name)}) == created
    with recorded_statements(database.engine.sync_engine):
        other = await create_alone(database, Thing, ThingRead, THING)
    assert other == created.model_copy(update={"id": other.id})


async def test_table_that_refers_to_itself(database: Database) -> None:
    async with database.transaction() as session:
        top = Node(name="a", below=[Node(name="b"), Node(name="c", hidden=True)])
        session.add(top)
    found = await on_both_ways(database, Node, NodeRead, id=top.id)
    assert {each.name for each in found.below} == {"b", "c"}
    assert (await on_both_ways(database, Node, NodeRead, name="b")).below == []


def test_relationship_with_further_conditions_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Node\.shown: its primaryjoin says more"):
        shape_of(Node, NodeShown)


async def test_column_that_is_an_expression_with_a_list(database: Database) -> None:
    async with database.transaction() as session:
        session.add_all([Node(name="a"), Node(name="z")])
    assert (await on_both_ways(database, Node, NodeEarly, name="a")).is_early
    assert not (await on_both_ways(database, Node, NodeEarly, name="z")).is_early
    assert (await on_both_ways(database, Node, NodeName, is_early=True)).name == "a"


async def test_models_that_inherit(database: Database) -> None:
    async with database.transaction() as session:
        team = Team(name="one", managers=[Manager(name="Ada")])
        session.add_all([team, Employee(name="Bob", team_id=team.id), Team(name="two")])
        await session.flush()
        session.add(Employee(name="Eve", team_id=team.id))
    assert (await on_both_ways(database, Manager, EmployeeRead, name="Ada")).kind == "manager"
    assert await on_both_ways(database, Manager, EmployeeRead, name="Eve") is None
    assert (await on_both_ways(database, Employee, EmployeeRead, name="Eve")).kind == "employee"
    assert [each.name for each in (await on_both_ways(database, Team, TeamRead, id=team.id)).managers] == ["Ada"]
    assert (await on_both_ways(database, Team, TeamRead, name="two")).managers == []


async def test_row_without_values_gets_all_defaults(database: Database) -> None:
    assert await create_alone(database, Cart, CartRead, {}) == CartRead(note="empty", items=3)


async def test_expressions_are_conditions(database: Database) -> None:
    await create_alone(database, Cart, CartRead, {"note": "Mine"})
    carts = query(database, Cart, CartRead)
    assert (await carts.filter(note=func.initcap("mine")).one()).items == 3
    note: InstrumentedAttribute[str] = Cart.note
    assert await carts.filter(items__lt=func.length(note)).all() != []


async def test_type_that_a_migration_replaces(database: Database, empty_url: str) -> None:
    """The server knows the old type by its number, and says so once."""
    await create_alone(database, Thing, ThingRead, THING)
    for _ in range(7):
        await query(database, Thing, ThingRead).filter(kind="new").one()
    await execute(
        empty_url,
        "ALTER TABLE things ALTER kind TYPE text",
        "DROP TYPE thing_kind",
        "CREATE TYPE thing_kind AS ENUM ('new', 'old', 'odd')",
        "ALTER TABLE things ALTER kind TYPE thing_kind USING kind::thing_kind",
    )
    assert (await query(database, Thing, ThingRead).filter(kind="new").one()).kind == "new"
