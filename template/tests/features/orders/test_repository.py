"""The queries for orders."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.orders.models import Order, OrderLine, OrderStatus
from app.features.orders.repository import OrderRepository
from app.features.users.models import User
from app.platform.db.pagination import PageRequest
from app.platform.db.session import Database
from tests.support.sql import recorded_statements


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    async with database.transaction() as session:
        yield session


@pytest.fixture
def orders(session: AsyncSession) -> OrderRepository:
    return OrderRepository(session)


@pytest.fixture
async def owner(session: AsyncSession) -> UUID:
    user = User(email=f"{uuid4().hex}@example.com", password_hash="")
    session.add(user)
    await session.flush()
    return user.id


async def insert(session: AsyncSession, owner: UUID, lines: int = 2) -> UUID:
    order = Order(user_id=owner, total_cents=lines)
    order.lines = [OrderLine(position=n, sku=f"sku-{n}", quantity=1, unit_price_cents=1) for n in range(lines, 0, -1)]
    await OrderRepository(session).add(order)
    # makes the session load the rows from the server
    session.expunge_all()
    return order.id


async def test_order_is_found_with_its_lines_in_order_in_one_statement(
    orders: OrderRepository, session: AsyncSession, owner: UUID, sql_engine: Engine
) -> None:
    key = await insert(session, owner, lines=3)
    with recorded_statements(sql_engine) as statements:
        found = await orders.show(owner, key)
    assert len(statements) == 1
    assert found is not None
    assert [line.sku for line in found.lines] == ["sku-1", "sku-2", "sku-3"]


async def test_locked_order_has_its_lines(
    orders: OrderRepository, session: AsyncSession, owner: UUID, sql_engine: Engine
) -> None:
    key = await insert(session, owner)
    with recorded_statements(sql_engine) as statements:
        found = await orders.lock(owner, key)
    assert "FOR UPDATE" in statements[0]
    assert found is not None
    assert len(found.lines) == 2


async def test_somebody_elses_order_does_not_exist(orders: OrderRepository, session: AsyncSession, owner: UUID) -> None:
    key = await insert(session, owner)
    assert await orders.show(uuid4(), key) is None
    assert await orders.lock(uuid4(), key) is None
    assert (await orders.page_of(uuid4(), PageRequest(), None)).items == []
    assert await orders.summary(uuid4()) == []


async def test_pages_load_the_lines_of_all_orders_at_once(
    orders: OrderRepository, session: AsyncSession, owner: UUID, sql_engine: Engine
) -> None:
    for _ in range(5):
        await insert(session, owner)
    with recorded_statements(sql_engine) as statements:
        page = await orders.page_of(owner, PageRequest(limit=4), None)
    assert len(statements) == 2
    assert [len(order.lines) for order in page.items] == [2] * 4
    assert page.next_cursor is not None


async def test_page_and_summary_know_the_status(orders: OrderRepository, session: AsyncSession, owner: UUID) -> None:
    paid, _pending = await insert(session, owner), await insert(session, owner)
    order = await orders.get(paid)
    assert order is not None
    await orders.update(order, status=OrderStatus.PAID)
    page = await orders.page_of(owner, PageRequest(), OrderStatus.PAID)
    assert [order.id for order in page.items] == [paid]
    assert [(part.status, part.count, part.total_cents) for part in await orders.summary(owner)] == [
        (OrderStatus.PAID, 1, 2),
        (OrderStatus.PENDING, 1, 2),
    ]


async def test_missing_loader_option_raises_instead_of_a_query_per_row(
    orders: OrderRepository, session: AsyncSession, owner: UUID
) -> None:
    await insert(session, owner)
    for order in await orders.list():
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = order.lines


async def test_query_per_row_shows_in_the_number_of_statements(
    orders: OrderRepository, session: AsyncSession, owner: UUID, sql_engine: Engine
) -> None:
    for _ in range(5):
        await insert(session, owner)
    with recorded_statements(sql_engine) as statements:
        for order in await orders.list():
            await orders.show(owner, order.id)
    assert len(statements) == 6


async def test_orders_and_lines_can_be_inserted_in_bulk(
    orders: OrderRepository, owner: UUID, sql_engine: Engine
) -> None:
    keys = [uuid4() for _ in range(300)]
    line = {"position": 1, "sku": "TEA", "quantity": 1, "unit_price_cents": 1}
    with recorded_statements(sql_engine) as statements:
        await orders.copy_rows({"id": key, "user_id": owner, "total_cents": 1} for key in keys)
        await orders.copy_lines(line | {"order_id": key} for key in keys)
    # before each COPY, one that asks for the types of the columns
    assert [statement.split()[0] for statement in statements] == ["SELECT", "COPY"] * 2
    found = await orders.show(owner, keys[-1])
    assert found is not None
    assert (found.status, len(found.lines)) == (OrderStatus.PENDING, 1)
