"""`bulk_update`: many rows with values of their own in one statement. `insert_rows`: many rows in chunks."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, MetaData, Numeric, String, func, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.context import Actor, actor
from app.platform.db.base import NAMING_CONVENTION, Base
from app.platform.db.bulk import bulk_update, insert_rows
from app.platform.db.mixins import Audit, SoftDelete, Timestamps, UuidKey
from app.platform.db.session import Database
from tests.platform.db.test_columns import Level
from tests.support.sql import recorded_statements


class Price(UuidKey, Timestamps, SoftDelete, Audit, Base):
    __tablename__ = "bulk_prices"
    metadata = MetaData(naming_convention=NAMING_CONVENTION)

    sku: Mapped[str] = mapped_column("the sku", String(20), unique=True)
    amount: Mapped[Decimal | None] = mapped_column(Numeric(20, 2))
    level: Mapped[Level] = mapped_column(default=Level.LOW)
    data: Mapped[dict[str, Any] | None]
    words: Mapped[list[str] | None]
    steps: Mapped[list[Any] | None] = mapped_column(JSONB)


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    async with database.transaction() as session:
        await (await session.connection()).run_sync(Price.metadata.create_all)
        yield session


@pytest.fixture
def caller() -> Iterator[UUID]:
    caller = Actor(uuid4())
    token = actor.set(caller)
    yield caller.user_id
    actor.reset(token)


async def stored(session: AsyncSession, count: int) -> list[UUID]:
    keys = [uuid4() for _ in range(count)]
    assert await insert_rows(session, Price, ({"id": key, "sku": str(n)} for n, key in enumerate(keys))) == count
    return keys


async def prices(session: AsyncSession) -> dict[UUID, Price]:
    found = await session.scalars(select(Price).execution_options(populate_existing=True))
    return {price.id: price for price in found}


async def test_each_row_gets_its_values(session: AsyncSession, sql_engine: Engine, caller: UUID) -> None:
    keys = await stored(session, 2500)
    await session.execute(update(Price).values(updated_by=None, updated_at=func.now() - func.make_interval(1)))
    rows = [
        {"id": key, "amount": Decimal(n) / 100, "level": Level.VERY_HIGH, "data": {"n": n, "none": None}}
        for n, key in enumerate(keys)
    ]
    with recorded_statements(sql_engine) as statements:
        assert await bulk_update(session, Price, iter(rows)) == 2500
    assert len(statements) == 3
    found = await prices(session)
    assert [(found[key].amount, found[key].data, found[key].sku) for key in keys] == [
        (Decimal(n) / 100, {"n": n, "none": None}, str(n)) for n in range(2500)
    ]
    assert {price.level for price in found.values()} == {Level.VERY_HIGH}
    assert {price.updated_by for price in found.values()} == {caller}
    assert all(price.updated_at == price.created_at for price in found.values())


async def test_rows_are_found_by_other_columns(session: AsyncSession) -> None:
    keys = await stored(session, 3)

    async def rows() -> AsyncIterator[dict[str, Any]]:
        yield {"sku": "1", "amount": None}
        yield {"sku": "2", "amount": Decimal("1.50")}
        yield {"sku": "unknown", "amount": Decimal(2)}
        yield {"sku": "2", "amount": Decimal("2.50")}

    assert await bulk_update(session, Price, rows(), key=["sku"]) == 2
    assert (await prices(session))[keys[2]].amount == Decimal("2.50")
    assert await bulk_update(session, Price, []) == 0


async def test_json_that_is_a_list_stays_one(session: AsyncSession) -> None:
    keys = await stored(session, 3)
    lists: list[list[Any]] = [[1, 2], [], [["a"], ["b"]]]
    rows = [{"id": key, "steps": steps} for key, steps in zip(keys, lists, strict=True)]
    assert await bulk_update(session, Price, rows) == 3
    found = await prices(session)
    assert [found[key].steps for key in keys] == lists


async def test_deleted_rows_are_left_alone(session: AsyncSession) -> None:
    keys = await stored(session, 2)
    await session.execute(update(Price).where(Price.id == keys[0]).values(deleted_at=func.now()))
    assert await bulk_update(session, Price, [{"id": key, "amount": Decimal(1)} for key in keys]) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": uuid4(), "colour": 1}], "Price has no column 'colour'"),
        ([{"id": uuid4()}], "each row needs id, and a column to set"),
        ([{"amount": 1}], "each row needs id, and a column to set"),
        ([{"id": uuid4(), "words": ["a"]}], "cannot be sent: words"),
        ([{"id": uuid4(), "amount": 1}, {"id": uuid4()}], "all rows need exactly the keys of the first one"),
    ],
)
async def test_rows_that_cannot_be_updated_are_refused(
    session: AsyncSession, rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await bulk_update(session, Price, rows)


async def test_unknown_key_of_an_inserted_row_is_named(session: AsyncSession) -> None:
    with pytest.raises(ValueError, match="Price has no column 'colour'"):
        await insert_rows(session, Price, [{"sku": "a", "colour": 1}])
