"""The table rows of an order."""

from typing import Any
from uuid import UUID

from app.features.orders.schemas import OrderCreate


def order_row(key: UUID, owner: UUID, data: OrderCreate) -> dict[str, Any]:
    """Return the row of the table `orders`, with the order's total."""
    total = sum(line.quantity * line.unit_price_cents for line in data.lines)
    return {"id": key, "user_id": owner, "total_cents": total}


def line_rows(key: UUID, data: OrderCreate) -> list[dict[str, Any]]:
    """Return the rows of the table `order_lines`, numbered from 1."""
    return [
        {
            "order_id": key,
            "position": position,
            "sku": line.sku,
            "quantity": line.quantity,
            "unit_price_cents": line.unit_price_cents,
        }
        for position, line in enumerate(data.lines, start=1)
    ]
