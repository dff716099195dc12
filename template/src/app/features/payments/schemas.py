"""The receipt that receivers get."""

from datetime import datetime
from uuid import UUID

from app.features.orders.schemas import LineRead, OrderRead
from app.platform.schemas import ResponseModel


class Receipt(ResponseModel):
    """The receipt of a paid order."""

    order_id: UUID
    user_id: UUID
    paid_at: datetime
    total_cents: int
    lines: list[LineRead]

    @classmethod
    def of(cls, owner: UUID, order: OrderRead) -> "Receipt":
        """Return the receipt of an order of this user."""
        return cls(
            order_id=order.id,
            user_id=owner,
            paid_at=order.updated_at,
            total_cents=order.total_cents,
            lines=order.lines,
        )
