"""The queries for orders."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import selectinload

from app.features.orders.models import Order, OrderLine, OrderStatus
from app.features.orders.schemas import OrderRead, StatusSummary
from app.platform.db.bulk import copy_rows
from app.platform.db.one_step import in_one_step
from app.platform.db.pagination import Page, PageRequest
from app.platform.db.repository import AsyncRepository

# built once, so that it is compiled once
_SUMMARY: Any = (
    select(Order.status, func.count().label("count"), func.sum(Order.total_cents).label("total_cents"))
    .where(Order.user_id == bindparam("owner"))
    .group_by(Order.status)
    .order_by(Order.status)
)


class OrderRepository(AsyncRepository[Order]):
    """Orders with their lines. Every query names the owner: another user's order does not exist."""

    model = Order

    async def show(self, owner: UUID, order_id: UUID) -> OrderRead | None:
        """Return the order with its lines, in one statement."""
        return await self.read(OrderRead).filter(id=order_id, user_id=owner).one_or_none()

    async def lock(self, owner: UUID, order_id: UUID) -> Order | None:
        """Return the order with its lines, locked until the transaction ends; wait while another one has the lock."""
        query = select(Order).where(Order.id == order_id, Order.user_id == owner)
        query = query.options(selectinload(Order.lines)).with_for_update()
        # rows that the session loaded before it had the lock may be out of date
        return await self._session.scalar(query.execution_options(populate_existing=True))

    async def page_of(self, owner: UUID, request: PageRequest, status: OrderStatus | None) -> Page[OrderRead]:
        """Return one page of the owner's orders with their lines, in two statements."""
        query = self.read(OrderRead).filter(user_id=owner)
        if status:
            query = query.filter(status=status)
        return await query.page(request)

    async def summary(self, owner: UUID) -> Sequence[StatusSummary]:
        """Return the number of orders and their total per status."""
        rows = await in_one_step(self._session, lambda run: run(_SUMMARY, {"owner": owner}), prebuilt=True)
        return [StatusSummary.model_validate(row) for row in rows]

    async def copy_lines(self, lines: Iterable[dict[str, Any]]) -> int:
        """Store many lines of orders that are stored already, and return their number."""
        return await copy_rows(self._session, OrderLine, lines)
