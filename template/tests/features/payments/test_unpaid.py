"""Orders that are unpaid for too long are cancelled."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, Row, event, func, select, update

from app.config import Settings
from app.features.orders.models import Order, OrderStatus
from app.features.payments import service
from app.features.payments.jobs import CANCEL_UNPAID_ORDERS
from app.features.payments.service import PaymentService
from app.features.payments.settings import PaymentSettings
from app.jobs import JOBS
from app.platform.context import Actor, actor
from app.platform.db.session import Database
from app.platform.http_client import HttpClient
from app.services import Services
from tests.features.orders.baskets import BASKET
from tests.support.sql import recorded_statements

DAY = timedelta(days=1)


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BATCH", 2)


async def place(services: Services, owner: UUID, database: Database, age: timedelta) -> UUID:
    """Place an order, make it this old, and return its id."""
    placed = await services.orders.create(owner, BASKET)
    older = {"created_at": func.now() - age, "updated_at": func.now() - age}
    async with database.transaction() as session:
        await session.execute(update(Order).where(Order.id == placed.id).values(older))
    return placed.id


async def stored(database: Database, key: UUID) -> Row[str, bool, UUID | None, UUID | None]:
    """Return the order's status, whether it was changed in the last hour, and who created and changed it."""
    now = Order.updated_at > func.now() - timedelta(hours=1)
    query = select(Order.status, now, Order.created_by, Order.updated_by).where(Order.id == key)
    async with database.read() as session:
        return (await session.execute(query)).one()


async def statuses(database: Database, *keys: UUID) -> list[str]:
    return [(await stored(database, key)).status for key in keys]


@contextmanager
def third_fails(engine: Engine) -> Iterator[None]:
    """Make the third statement in the block fail."""
    count = itertools.count(1)

    def fail(*_: object) -> None:
        if next(count) == 3:
            raise ZeroDivisionError

    event.listen(engine, "after_cursor_execute", fail)
    try:
        yield
    finally:
        event.remove(engine, "after_cursor_execute", fail)


async def test_orders_pending_for_too_long_are_cancelled(
    services: Services, owner: UUID, database: Database, settings: Settings
) -> None:
    limit = timedelta(seconds=settings.payments.unpaid_after)
    ages = [limit + timedelta(seconds=1), limit, limit - timedelta(seconds=1), timedelta()]
    too_old, just, young, new = [await place(services, owner, database, age) for age in ages]
    paid, cancelled = [await place(services, owner, database, 30 * DAY) for _ in range(2)]
    await services.orders.pay(owner, paid)
    await services.orders.cancel(owner, cancelled)
    assert await services.payments.cancel_unpaid() == 1
    assert await statuses(database, too_old, just, young, new) == ["cancelled", "pending", "pending", "pending"]
    assert await statuses(database, paid, cancelled) == ["paid", "cancelled"]
    assert await services.payments.cancel_unpaid() == 0


async def test_age_limit_comes_from_the_settings(services: Services, owner: UUID, database: Database) -> None:
    key = await place(services, owner, database, 6 * DAY)
    assert await services.payments.cancel_unpaid() == 0
    impatient = PaymentSettings.model_construct(unpaid_after=(5 * DAY).total_seconds())
    assert await PaymentService(database, HttpClient(), impatient).cancel_unpaid() == 1
    assert await statuses(database, key) == [OrderStatus.CANCELLED]


async def test_cancelled_order_has_a_time_and_no_actor(services: Services, owner: UUID, database: Database) -> None:
    customer = uuid4()
    token = actor.set(Actor(customer))
    key = await place(services, owner, database, 30 * DAY)
    actor.reset(token)
    assert await stored(database, key) == (OrderStatus.PENDING, False, customer, customer)
    await services.payments.cancel_unpaid()
    assert await stored(database, key) == (OrderStatus.CANCELLED, True, customer, None)


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize(("orders", "statements"), [(0, 1), (1, 2), (4, 3), (5, 4)])
async def test_each_batch_is_one_statement(
    services: Services,
    owner: UUID,
    database: Database,
    sql_engine: Engine,
    orders: int,
    statements: int,
) -> None:
    keys = [await place(services, owner, database, 30 * DAY) for _ in range(orders)]
    with recorded_statements(sql_engine) as recorded:
        assert await services.payments.cancel_unpaid() == orders
    assert len(recorded) == statements
    assert set(await statuses(database, *keys)) <= {OrderStatus.CANCELLED}


@pytest.mark.commits
@pytest.mark.usefixtures("_small_batches")
async def test_batches_before_an_interruption_are_kept(
    services: Services, owner: UUID, database: Database, sql_engine: Engine
) -> None:
    keys = [await place(services, owner, database, 30 * DAY) for _ in range(5)]
    with recorded_statements(sql_engine) as statements, pytest.raises(ZeroDivisionError), third_fails(sql_engine):
        await services.payments.cancel_unpaid()
    assert len(statements) == 3
    assert sorted(await statuses(database, *keys)) == ["cancelled"] * 4 + ["pending"]


@pytest.mark.commits
@pytest.mark.usefixtures("_small_batches")
async def test_order_that_is_being_paid_is_skipped(services: Services, owner: UUID, database: Database) -> None:
    first, second, third = [await place(services, owner, database, 30 * DAY) for _ in range(3)]
    async with database.transaction() as session:
        await session.execute(select(Order).where(Order.id == second).with_for_update())
        assert await services.payments.cancel_unpaid() == 2
    assert await statuses(database, first, second, third) == ["cancelled", "pending", "cancelled"]
    assert (await services.orders.pay(owner, second)).status == OrderStatus.PAID


async def test_scheduled_job_cancels_unpaid_orders(services: Services, owner: UUID, database: Database) -> None:
    key = await place(services, owner, database, 30 * DAY)
    handler = JOBS.get(CANCEL_UNPAID_ORDERS.name)
    assert handler is not None
    await handler(services, {})
    assert await statuses(database, key) == [OrderStatus.CANCELLED]
