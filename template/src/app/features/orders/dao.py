"""The queries for orders."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import selectinload

from app.features.orders.models import Order, OrderLine, OrderStatus
from app.features.orders.schemas import OrderRead, StatusSummary
from app.platform.db.dao.base import BaseDAO
from app.platform.db.one_step import in_one_step
from app.platform.db.pagination import Page, PageRequest

# built once, so that it is compiled once
_SUMMARY: Any = (
    select(Order.status, func.count().label("count"), func.sum(Order.total_cents).label("total_cents"))
    .where(Order.user_id == bindparam("owner"))
    .group_by(Order.status)
    .order_by(Order.status)
)


class OrderLineDAO(BaseDAO[OrderLine]):
    """Lines of orders, for bulk inserts only; all other lines are written together with their order."""

    model = OrderLine


class OrderDAO(BaseDAO[Order]):
    """Orders with their lines. Every query names the owner: another user's order does not exist."""

    model = Order

    async def show(self, owner: UUID, order_id: UUID) -> OrderRead | None:
        """Return the order with its lines, in one statement."""
        return await self.querier.as_(OrderRead).filter(id=order_id, user_id=owner).one_or_none()

    async def lock(self, owner: UUID, order_id: UUID) -> Order | None:
        """Return the order, locked until the transaction ends; wait while another transaction has the lock."""
        return await self.querier.filter(id=order_id, user_id=owner).for_update().one_or_none()

    async def update_status(self, owner: UUID, order_id: UUID, status: OrderStatus) -> Order:
        """Change the status of an existing order, and return the order with its lines."""
        query = self.updater.filter(id=order_id, user_id=owner).values(status=status)
        (order,) = await query.returning(selectinload(Order.lines)).execute()
        return order

    async def page_of(self, owner: UUID, request: PageRequest, status: OrderStatus | None) -> Page[OrderRead]:
        """Return one page of the owner's orders with their lines, in two statements."""
        query = self.querier.as_(OrderRead).filter(user_id=owner)
        if status:
            query = query.filter(status=status)
        return await query.page(request)

    async def summary(self, owner: UUID) -> Sequence[StatusSummary]:
        """Return the number of orders and their total per status."""
        async with self._provider.read() as session:
            rows = await in_one_step(session, lambda run: run(_SUMMARY, {"owner": owner}), prebuilt=True)
        return [StatusSummary.model_validate(row) for row in rows]
