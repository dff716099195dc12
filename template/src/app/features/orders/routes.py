"""Routes for the caller's orders. Another user's order gets the same answer as one that does not exist."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, status

from app.dependencies import ServicesDep
from app.features.orders.errors import InvalidImport, OrderNotFound, OrderNotPayable
from app.features.orders.models import OrderStatus
from app.features.orders.schemas import ImportResult, OrderCreate, OrderRead, OrderSummary
from app.platform.auth.dependencies import AUTHENTICATED, CallerId, CurrentActor
from app.platform.db.pagination import Page
from app.platform.http import ndjson
from app.platform.http.created import CREATED_ONCE, REPLAYED, Created
from app.platform.http.dependencies import IdempotencyKey, Paging
from app.platform.http.etags import UNCHANGED, Unchanged
from app.platform.http.limits import large_body
from app.platform.http.openapi import responses
from app.platform.http.uploads import receive_lines
from app.platform.idempotency import Claim, IdempotencyKeyReused
from app.platform.spools import TooManyUploads

router = APIRouter(prefix="/orders", tags=["orders"], responses=AUTHENTICATED)

_LINE = '{"lines": [{"sku": "TEA-250", "quantity": 2, "unit_price_cents": 499}]}'


@router.post("", status_code=status.HTTP_201_CREATED, responses=CREATED_ONCE | responses(IdempotencyKeyReused))
async def create_order(
    body: OrderCreate, caller: CurrentActor, services: ServicesDep, created: Created, key: IdempotencyKey = None
) -> OrderRead:
    """Place an order."""
    claim = Claim.of(caller.user_id, key, "create_order", body) if key else None
    order = await services.orders.create(caller.user_id, body, claim)
    created.at("get_order", claim, order_id=order.id)
    return order


@router.get("")
async def list_orders(
    caller: CallerId,
    services: ServicesDep,
    paging: Paging,
    status: Annotated[OrderStatus | None, Query(description="Show only orders with this status.")] = None,
) -> Page[OrderRead]:
    """Show the caller's orders, newest first."""
    return await services.orders.page(caller, paging, status)


@router.get("/summary", responses=UNCHANGED)
async def summarize_orders(caller: CallerId, services: ServicesDep, unchanged: Unchanged) -> OrderSummary:
    """Show the number of the caller's orders and their total, by status."""
    return unchanged.unless_known(await services.orders.summary(caller))


@router.post(
    "/import",
    responses=REPLAYED | responses(InvalidImport, IdempotencyKeyReused, TooManyUploads),
    openapi_extra=ndjson.request_body(OrderCreate, _LINE),
)
@large_body
async def import_orders(
    request: Request, caller: CurrentActor, services: ServicesDep, created: Created, key: IdempotencyKey = None
) -> ImportResult:
    """Store many orders, all or none."""
    async with receive_lines(request, caller.user_id, OrderCreate, InvalidImport) as orders:
        claim = orders.claim(key, "import_orders")
        result = await services.orders.import_all(caller.user_id, orders.batches(), claim)
    created.repeated(claim)
    return result


@router.get("/{order_id:uuid}", responses=UNCHANGED | responses(OrderNotFound))
async def get_order(order_id: UUID, caller: CallerId, services: ServicesDep, unchanged: Unchanged) -> OrderRead:
    """Show one of the caller's orders."""
    return unchanged.unless_known(await services.orders.get(caller, order_id))


@router.post("/{order_id:uuid}/pay", responses=responses(OrderNotFound, OrderNotPayable))
async def pay_order(order_id: UUID, caller: CurrentActor, services: ServicesDep) -> OrderRead:
    """Pay a pending order; of two requests at once, one succeeds."""
    return await services.orders.pay(caller.user_id, order_id)


@router.post("/{order_id:uuid}/cancel", responses=responses(OrderNotFound, OrderNotPayable))
async def cancel_order(order_id: UUID, caller: CurrentActor, services: ServicesDep) -> OrderRead:
    """Cancel a pending order."""
    return await services.orders.cancel(caller.user_id, order_id)
