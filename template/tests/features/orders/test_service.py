"""The contract of the service of orders, the same in both styles of data access."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.orders.errors import OrderNotFound, OrderNotPayable
from app.features.orders.models import Order, OrderLine, OrderStatus
from app.features.orders.schemas import OrderCreate, OrderRead
from app.features.orders.service import OrderService
from app.platform.context import Actor, actor
from app.platform.db.pagination import Cursor, PageRequest
from app.platform.db.session import Database
from app.platform.idempotency import IdempotencyKeyReused
from app.services import Services
from tests.features.orders.baskets import BASKET, CUP, TEA, batches, claim, register, rows


@contextmanager
def acting(user_id: UUID) -> Iterator[None]:
    token = actor.set(Actor(user_id))
    yield
    actor.reset(token)


async def stored(database: Database) -> Sequence[Order]:
    async with database.read() as session:
        return (await session.scalars(select(Order))).all()


async def test_placed_order_has_its_lines_and_total(orders: OrderService, owner: UUID) -> None:
    placed = await orders.create(owner, BASKET)
    assert (placed.status, placed.total_cents) == (OrderStatus.PENDING, 2198)
    assert [line.model_dump() for line in placed.lines] == [TEA.model_dump(), CUP.model_dump()]
    assert await orders.get(owner, placed.id) == placed


async def test_order_needs_an_owner_that_exists(orders: OrderService, database: Database) -> None:
    with pytest.raises(IntegrityError):
        await orders.create(uuid4(), BASKET)
    assert await rows(database, OrderLine) == 0


async def test_claimed_order_is_placed_once(orders: OrderService, owner: UUID, database: Database) -> None:
    first = await orders.create(owner, BASKET, claim(owner))
    await orders.pay(owner, first.id)
    assert await orders.create(owner, BASKET, claim(owner)) == first
    assert await rows(database, Order) == 1
    with pytest.raises(IdempotencyKeyReused):
        await orders.create(owner, BASKET, claim(owner, body=OrderCreate(lines=[CUP])))
    assert (await orders.create(owner, BASKET, claim(owner, "two"))).id != first.id


@pytest.mark.commits
async def test_concurrent_calls_with_a_claim_have_one_effect(
    orders: OrderService, owner: UUID, database: Database
) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(orders.create(owner, BASKET, claim(owner))) for _ in range(5)]
    assert len({task.result().id for task in tasks}) == 1
    assert await rows(database, Order) == 1


async def test_somebody_elses_order_does_not_exist(orders: OrderService, owner: UUID, services: Services) -> None:
    placed = await orders.create(owner, BASKET)
    stranger = await register(services)
    for call in (orders.get, orders.pay, orders.cancel):
        with pytest.raises(OrderNotFound):
            await call(stranger, placed.id)
        with pytest.raises(OrderNotFound):
            await call(owner, uuid4())
    assert (await orders.page(stranger, PageRequest())).items == []
    assert (await orders.summary(stranger)).count == 0
    assert await orders.get(owner, placed.id) == placed


@pytest.mark.commits
async def test_pending_order_is_settled_once(orders: OrderService, owner: UUID) -> None:
    for settle, status in ((orders.pay, OrderStatus.PAID), (orders.cancel, OrderStatus.CANCELLED)):
        placed = await orders.create(owner, BASKET)
        settled = await settle(owner, placed.id)
        assert settled.updated_at > placed.updated_at
        assert settled == placed.model_copy(update={"status": status, "updated_at": settled.updated_at})
        assert await orders.get(owner, placed.id) == settled
        for again in (orders.pay, orders.cancel):
            with pytest.raises(OrderNotPayable):
                await again(owner, placed.id)
        assert await orders.get(owner, placed.id) == settled


async def outcome(call: Awaitable[OrderRead]) -> OrderRead | type[Exception]:
    try:
        return await call
    except OrderNotPayable as error:
        return type(error)


@pytest.mark.commits
async def test_of_two_concurrent_payers_one_wins(orders: OrderService, owner: UUID) -> None:
    for _ in range(5):
        placed = await orders.create(owner, BASKET)
        async with asyncio.TaskGroup() as group:
            payers = [group.create_task(outcome(orders.pay(owner, placed.id))) for _ in range(2)]
        outcomes = [payer.result() for payer in payers]
        assert outcomes.count(OrderNotPayable) == 1
        assert (await orders.get(owner, placed.id)) in outcomes


@pytest.mark.commits
async def test_two_payers_in_a_deadlock_both_pay(database: Database, orders: OrderService, owner: UUID) -> None:
    both = asyncio.Barrier(2)
    one, other = [(await orders.create(owner, BASKET)).id for _ in range(2)]
    calls: list[UUID] = []

    async def lock_the_other(session: AsyncSession, _owner: UUID, paid: UUID) -> None:
        calls.append(paid)
        if len(calls) <= 2:
            # each has locked its own order
            await both.wait()
        await session.execute(select(Order.id).where(Order.id != paid).with_for_update())

    paying = OrderService(database, lock_the_other)
    await asyncio.gather(paying.pay(owner, one), paying.pay(owner, other))
    # PostgreSQL ended one of them, which was repeated; on a slow machine it may meet the other one once more
    assert len(calls) >= 3
    page = await orders.page(owner, PageRequest(), OrderStatus.PAID)
    assert {each.id for each in page.items} == {one, other}


@pytest.mark.commits
async def test_pages_are_newest_first_and_filtered_by_status(orders: OrderService, owner: UUID) -> None:
    placed = [await orders.create(owner, BASKET) for _ in range(3)]
    first = await orders.page(owner, PageRequest(limit=2))
    assert first.items == placed[:0:-1]
    assert first.next_cursor is not None
    second = await orders.page(owner, PageRequest(limit=2, after=Cursor.decode(first.next_cursor)))
    assert (second.items, second.next_cursor) == (placed[:1], None)
    paid = await orders.pay(owner, placed[1].id)
    assert (await orders.page(owner, PageRequest(), OrderStatus.PAID)).items == [paid]
    assert len((await orders.page(owner, PageRequest(), OrderStatus.PENDING)).items) == 2
    assert (await orders.page(owner, PageRequest(), OrderStatus.CANCELLED)).items == []


async def test_summary_counts_by_status(orders: OrderService, owner: UUID) -> None:
    assert (await orders.summary(owner)).by_status == []
    placed = [await orders.create(owner, BASKET) for _ in range(3)]
    await orders.cancel(owner, placed[0].id)
    summary = await orders.summary(owner)
    assert (summary.count, summary.total_cents) == (3, 3 * 2198)
    assert [(part.status, part.count, part.total_cents) for part in summary.by_status] == [
        (OrderStatus.CANCELLED, 1, 2198),
        (OrderStatus.PENDING, 2, 4396),
    ]


@pytest.mark.commits
async def test_audit_columns_carry_the_caller(orders: OrderService, owner: UUID, database: Database) -> None:
    one, other = uuid4(), uuid4()
    with acting(one):
        placed = await orders.create(owner, BASKET)
        await orders.import_all(owner, batches(2))
    assert [(order.created_by, order.updated_by) for order in await stored(database)] == [(one, one)] * 3
    with acting(other):
        await orders.pay(owner, placed.id)
    (paid,) = [order for order in await stored(database) if order.id == placed.id]
    assert (paid.created_by, paid.updated_by) == (one, other)
