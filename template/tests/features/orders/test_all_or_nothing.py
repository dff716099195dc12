"""A failed import or order stores nothing, in both styles of data access."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError

from app.features.orders.models import Order, OrderLine, OrderStatus
from app.features.orders.schemas import ImportResult, OrderCreate
from app.features.orders.service import OrderService
from app.platform.db.pagination import PageRequest
from app.platform.db.session import Database
from app.platform.idempotency import IdempotencyKey
from tests.features.orders.baskets import BASKET, CUP, TEA, batches, claim, rows

REFUSE_AT_COMMIT = (
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'refused at commit' USING ERRCODE = 'check_violation'; END$$
    """,
    """
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
    """,
)


async def test_import_stores_all_orders(orders: OrderService, owner: UUID, database: Database) -> None:
    assert await orders.import_all(owner, batches(600, 1, 300)) == ImportResult(imported=901)
    assert (await rows(database, Order), await rows(database, OrderLine)) == (901, 1802)
    (imported,) = (await orders.page(owner, PageRequest(limit=1))).items
    assert (imported.status, imported.total_cents) == (OrderStatus.PENDING, 2198)
    assert [line.model_dump() for line in imported.lines] == [TEA.model_dump(), CUP.model_dump()]


async def test_import_of_nothing_imports_nothing(orders: OrderService, owner: UUID, database: Database) -> None:
    assert await orders.import_all(owner, batches()) == ImportResult(imported=0)
    assert await orders.import_all(owner, batches(0)) == ImportResult(imported=0)
    assert await rows(database, Order) == 0


@pytest.mark.commits
async def test_interrupted_import_stores_nothing(orders: OrderService, owner: UUID, database: Database) -> None:
    async def broken() -> AsyncIterator[Sequence[OrderCreate]]:
        yield [BASKET] * 10
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await orders.import_all(owner, broken())
    assert (await rows(database, Order), await rows(database, OrderLine)) == (0, 0)


@pytest.mark.commits
async def test_failure_after_the_inserts_leaves_no_row(orders: OrderService, owner: UUID, database: Database) -> None:
    def fail(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT INTO order_lines" in statement:
            raise ZeroDivisionError

    event.listen(Engine, "after_cursor_execute", fail)
    try:
        with pytest.raises(ZeroDivisionError):
            await orders.create(owner, BASKET, claim(owner))
    finally:
        event.remove(Engine, "after_cursor_execute", fail)
    assert [await rows(database, model) for model in (Order, OrderLine, IdempotencyKey)] == [0, 0, 0]


@pytest.mark.commits
async def test_failure_of_the_commit_is_raised_and_leaves_nothing(
    orders: OrderService, owner: UUID, database: Database
) -> None:
    placed = await orders.create(owner, BASKET)
    async with database.transaction() as session:
        for statement in REFUSE_AT_COMMIT:
            await session.execute(text(statement))
    calls: tuple[Awaitable[object], ...] = (
        orders.create(owner, BASKET, claim(owner)),
        orders.pay(owner, placed.id),
        orders.cancel(owner, placed.id),
        orders.import_all(owner, batches(2, 2)),
    )
    for call in calls:
        with pytest.raises(IntegrityError, match="refused at commit"):
            await call
    assert [await rows(database, model) for model in (Order, OrderLine, IdempotencyKey)] == [1, 2, 0]
    assert await orders.get(owner, placed.id) == placed
