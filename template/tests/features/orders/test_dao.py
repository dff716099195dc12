"""The queries for orders."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import selectinload

from app.features.orders.dao import OrderDAO, OrderLineDAO
from app.features.orders.models import Order, OrderLine, OrderStatus
from app.features.users.dao import UserDAO
from app.features.users.models import User
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.pagination import PageRequest
from app.platform.db.session import Database, SessionProvider
from tests.support.sql import recorded_statements


@pytest.fixture
def orders(database: Database) -> OrderDAO:
    return OrderDAO(database)


@pytest.fixture
async def owner(database: Database) -> UUID:
    (user,) = await UserDAO(database).insert_instances([User(email=f"{uuid4().hex}@example.com", password_hash="")])
    return user.id


async def insert(orders: OrderDAO, owner: UUID, lines: int = 2) -> Order:
    order = Order(user_id=owner, total_cents=lines)
    order.lines = [OrderLine(position=n, sku=f"sku-{n}", quantity=1, unit_price_cents=1) for n in range(lines, 0, -1)]
    await orders.insert_instances([order])
    return order


async def test_order_is_found_with_its_lines_in_order_in_one_statement(
    orders: OrderDAO, owner: UUID, sql_engine: Engine
) -> None:
    order = await insert(orders, owner, lines=3)
    with recorded_statements(sql_engine) as statements:
        found = await orders.show(owner, order.id)
    assert len(statements) == 1
    assert found is not None
    assert [line.sku for line in found.lines] == ["sku-1", "sku-2", "sku-3"]


async def test_somebody_elses_order_does_not_exist(orders: OrderDAO, owner: UUID, database: Database) -> None:
    order = await insert(orders, owner)
    assert await orders.show(uuid4(), order.id) is None
    assert (await orders.page_of(uuid4(), PageRequest(), None)).items == []
    assert await orders.summary(uuid4()) == []

    async def lock(steps: SessionProvider) -> Order | None:
        return await OrderDAO(steps).lock(uuid4(), order.id)

    assert await execute_transaction(database, lock) is None
    with pytest.raises(ValueError, match="not enough values"):
        await orders.update_status(uuid4(), order.id, OrderStatus.PAID)


async def test_pages_load_the_lines_of_all_orders_at_once(orders: OrderDAO, owner: UUID, sql_engine: Engine) -> None:
    for _ in range(5):
        await insert(orders, owner)
    with recorded_statements(sql_engine) as statements:
        page = await orders.page_of(owner, PageRequest(limit=4), None)
    assert len(statements) == 2
    assert [len(order.lines) for order in page.items] == [2] * 4
    assert page.next_cursor is not None


async def test_page_may_be_of_one_status(orders: OrderDAO, owner: UUID) -> None:
    paid, _pending = await insert(orders, owner), await insert(orders, owner)
    await orders.update_status(owner, paid.id, OrderStatus.PAID)
    page = await orders.page_of(owner, PageRequest(), OrderStatus.PAID)
    assert [order.id for order in page.items] == [paid.id]


async def test_missing_loader_option_raises_instead_of_a_query_per_row(orders: OrderDAO, owner: UUID) -> None:
    await insert(orders, owner)
    for order in await orders.querier.all():
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = order.lines


async def test_missing_loader_option_raises_inside_a_transaction_too(
    orders: OrderDAO, owner: UUID, database: Database
) -> None:
    order = await insert(orders, owner)

    async def forget(steps: SessionProvider) -> None:
        found = await OrderDAO(steps).get(order.id)
        assert found is not None
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = found.lines

    await execute_transaction(database, forget)


async def test_query_per_row_shows_in_the_number_of_statements(
    orders: OrderDAO, owner: UUID, sql_engine: Engine
) -> None:
    for _ in range(5):
        await insert(orders, owner)
    with recorded_statements(sql_engine) as statements:
        for order in await orders.querier.all():
            await orders.show(owner, order.id)
    assert len(statements) == 6
    with recorded_statements(sql_engine) as statements:
        loaded = await orders.querier.options(selectinload(Order.lines)).all()
    assert len(statements) == 2
    assert [len(order.lines) for order in loaded] == [2] * 5


async def test_changed_status_comes_back_with_the_lines(orders: OrderDAO, owner: UUID, sql_engine: Engine) -> None:
    order = await insert(orders, owner)
    with recorded_statements(sql_engine) as statements:
        changed = await orders.update_status(owner, order.id, OrderStatus.PAID)
    assert len(statements) == 2
    assert changed.status == OrderStatus.PAID
    assert [line.position for line in changed.lines] == [1, 2]


@pytest.mark.commits
async def test_lock_makes_others_wait(orders: OrderDAO, owner: UUID, database: Database) -> None:
    order = await insert(orders, owner)
    locked = asyncio.Event()

    async def pay(steps: SessionProvider) -> None:
        assert await OrderDAO(steps).lock(owner, order.id)
        locked.set()
        await asyncio.sleep(0.2)
        await OrderDAO(steps).update_status(owner, order.id, OrderStatus.PAID)

    async def look(steps: SessionProvider) -> str | None:
        await locked.wait()
        before = await OrderDAO(steps).querier.filter(id=order.id).one_or_none()
        after = await OrderDAO(steps).lock(owner, order.id)
        assert before is after
        return after.status if after else None

    async with asyncio.TaskGroup() as group:
        group.create_task(execute_transaction(database, pay))
        second = group.create_task(execute_transaction(database, look))
    assert second.result() == OrderStatus.PAID


async def test_summary(orders: OrderDAO, owner: UUID) -> None:
    paid, _pending = await insert(orders, owner), await insert(orders, owner)
    await orders.update_status(owner, paid.id, OrderStatus.PAID)
    assert [(part.status, part.count, part.total_cents) for part in await orders.summary(owner)] == [
        (OrderStatus.PAID, 1, 2),
        (OrderStatus.PENDING, 1, 2),
    ]


async def test_lines_can_be_inserted_in_bulk(orders: OrderDAO, owner: UUID, database: Database) -> None:
    order = await insert(orders, owner, lines=0)
    line = {"order_id": order.id, "sku": "TEA", "quantity": 1, "unit_price_cents": 1}
    lines = OrderLineDAO(database)
    assert await lines.insert_rows(line | {"position": position} for position in range(1, 1501)) == 1500
    assert await lines.counter.filter(order_id=order.id).count() == 1500
    assert await lines.get((order.id, 1500)) is not None
