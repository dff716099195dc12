"""The operations on orders. Each method is one unit of work."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from app.features.orders.dao import OrderDAO, OrderLineDAO
from app.features.orders.errors import OrderNotFound, OrderNotPayable
from app.features.orders.models import Order, OrderStatus
from app.features.orders.rows import line_rows, new_rows, order_row
from app.features.orders.schemas import ImportResult, OrderCreate, OrderRead, OrderSummary
from app.features.orders.summaries import order_summaries
from app.platform.cache.caches import Caches
from app.platform.concurrency import ahead
from app.platform.db.dao.transaction import execute_transaction
from app.platform.db.pagination import Page, PageRequest
from app.platform.db.retries import repeatable
from app.platform.db.session import SessionProvider
from app.platform.idempotency import Claim, claim_key, keep_answer

# Called with the owner's id and the order's id, in the transaction that marks the order as paid.
OnPaid = Callable[[AsyncSession, UUID, UUID], Awaitable[None]]


class OrderService:
    """Operations on the orders of one user: a method only finds orders of its argument `owner`.

    Without the `caches` of the process, its writes leave old summaries there.
    """

    def __init__(self, database: SessionProvider, on_paid: OnPaid | None = None, caches: Caches | None = None) -> None:
        self._database = database
        self._summaries = order_summaries(caches)
        self._on_paid = on_paid
        self._orders = OrderDAO(database)

    @repeatable
    async def create(self, owner: UUID, data: OrderCreate, claim: Claim | None = None) -> OrderRead:
        """Place an order; with a claim, repeated calls place it only once.

        Raises:
            IdempotencyKeyReused: the claim's key was used for another order.
        """
        key = uuid4()
        row, lines = order_row(key, owner, data), line_rows(key, data)
        if claim is None:
            async with self._summaries.invalidating(owner, provider=self._database):
                return await self._orders.create(OrderRead, row, lines=lines)

        async def place(steps: SessionProvider) -> OrderRead:
            async with steps.transaction() as session:
                if (answer := await claim_key(session, claim, OrderRead)) is not None:
                    return answer
                self._summaries.invalidate_after(session, owner)
                order = await OrderDAO(steps).create(OrderRead, row, lines=lines)
                await keep_answer(session, claim, order)
                return order

        return await execute_transaction(self._database, place)

    async def get(self, owner: UUID, order_id: UUID) -> OrderRead:
        """Return an order with its lines.

        Raises:
            OrderNotFound: the owner has no order with this id.
        """
        order = await self._orders.show(owner, order_id)
        if order is None:
            raise OrderNotFound
        return order

    async def page(self, owner: UUID, request: PageRequest, status: OrderStatus | None = None) -> Page[OrderRead]:
        """Return one page of orders, newest first; with `status`, only orders with this status."""
        return await self._orders.page_of(owner, request, status)

    async def summary(self, owner: UUID) -> OrderSummary:
        """Return the number of orders and their total, by status; from the cache, if it is on."""
        return await self._summaries.get(owner, load=lambda: self._load_summary(owner))

    async def _load_summary(self, owner: UUID) -> OrderSummary:
        return OrderSummary.of(await self._orders.summary(owner))

    @repeatable
    async def pay(self, owner: UUID, order_id: UUID) -> OrderRead:
        """Pay a pending order; of two calls at once, one succeeds.

        Raises:
            OrderNotFound: the owner has no order with this id.
            OrderNotPayable: the order is paid or cancelled already.
        """
        return await self._settle(owner, order_id, OrderStatus.PAID)

    @repeatable
    async def cancel(self, owner: UUID, order_id: UUID) -> OrderRead:
        """Cancel a pending order.

        Raises:
            OrderNotFound: the owner has no order with this id.
            OrderNotPayable: the order is paid or cancelled already.
        """
        return await self._settle(owner, order_id, OrderStatus.CANCELLED)

    async def import_all(
        self, owner: UUID, batches: AsyncIterator[Sequence[OrderCreate]], claim: Claim | None = None
    ) -> ImportResult:
        """Store all orders or none, with two batches in memory at a time; with a claim, repeated calls store them once.

        Raises:
            IdempotencyKeyReused: the claim's key was used for another import.
        """

        async def store(steps: SessionProvider) -> ImportResult:
            orders, lines = OrderDAO(steps), OrderLineDAO(steps)
            imported = 0
            async with steps.transaction() as session:
                if (answer := await claim_key(session, claim, ImportResult)) is not None:
                    return answer
                self._summaries.invalidate_after(session, owner)
                # rows of the next batch are made while PostgreSQL stores the last one
                async with aclosing(ahead(batches, lambda data: new_rows(owner, data))) as prepared:
                    async for batch in prepared:
                        imported += await orders.copy_rows(order for order, _ in batch)
                        await lines.copy_rows(line for _, order_lines in batch for line in order_lines)
                result = ImportResult(imported=imported)
                await keep_answer(session, claim, result)
            return result

        return await execute_transaction(self._database, store)

    async def _settle(self, owner: UUID, order_id: UUID, status: OrderStatus) -> OrderRead:
        async def settle(steps: SessionProvider) -> Order:
            async with steps.transaction() as session:
                self._summaries.invalidate_after(session, owner)
            orders = OrderDAO(steps)
            order = await orders.lock(owner, order_id)
            if order is None:
                raise OrderNotFound
            if order.status != OrderStatus.PENDING:
                raise OrderNotPayable
            if status is OrderStatus.PAID and self._on_paid:
                async with steps.transaction() as session:
                    await self._on_paid(session, owner, order_id)
            return await orders.update_status(owner, order_id, status)

        return OrderRead.model_validate(await execute_transaction(self._database, settle))
