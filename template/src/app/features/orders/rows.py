"""The table rows of an order."""

from typing import Any
from uuid import UUID, uuid4

from app.features.orders.schemas import OrderCreate


def new_rows(owner: UUID, data: OrderCreate) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the rows of a new order: that of the table `orders`, and those of its lines."""
    key = uuid4()
    return order_row(key, owner, data), line_rows(key, data)


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
