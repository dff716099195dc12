"""Request and response bodies of orders."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.features.orders.models import OrderStatus
from app.platform.schemas import Integer, RequestModel, ResponseModel

_Sku = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["TEA-250"])]


class LineCreate(RequestModel):
    """A product to order."""

    sku: _Sku
    quantity: Integer = Field(ge=1, le=10_000, examples=[2])
    unit_price_cents: Integer = Field(ge=0, le=100_000_000, examples=[499])


class OrderCreate(RequestModel):
    """An order to place."""

    lines: list[LineCreate] = Field(min_length=1, max_length=100)


class LineRead(ResponseModel):
    """One product of an order."""

    sku: str
    quantity: int
    unit_price_cents: int


class OrderRead(ResponseModel):
    """An order with its lines."""

    id: UUID
    status: OrderStatus
    total_cents: int = Field(examples=[998])
    created_at: datetime
    updated_at: datetime
    lines: list[LineRead]


class StatusSummary(ResponseModel):
    """The number of orders with one status, and their total."""

    status: OrderStatus
    count: int
    total_cents: int


class OrderSummary(ResponseModel):
    """The number of a user's orders and their total, by status; statuses without orders are left out."""

    count: int
    total_cents: int
    by_status: list[StatusSummary]

    @classmethod
    def of(cls, by_status: Sequence[StatusSummary]) -> "OrderSummary":
        """Return the summary of all statuses."""
        return cls(
            count=sum(part.count for part in by_status),
            total_cents=sum(part.total_cents for part in by_status),
            by_status=list(by_status),
        )


class ImportResult(ResponseModel):
    """The number of orders that an import stored."""

    imported: int
