"""The orders of a sample user."""

from typing import TYPE_CHECKING
from uuid import UUID

from app.features.orders.schemas import LineCreate, OrderCreate

if TYPE_CHECKING:
    from app.services import Services

ORDERS = 5
PAID = 2


async def add_for(services: "Services", user_id: UUID) -> None:
    """Place some orders of this user, and pay the first ones."""
    for number in range(1, ORDERS + 1):
        lines = [LineCreate(sku=f"TEA-{number * size}", quantity=number, unit_price_cents=499) for size in (100, 250)]
        order = await services.orders.create(user_id, OrderCreate(lines=lines))
        if number <= PAID:
            await services.orders.pay(user_id, order.id)
