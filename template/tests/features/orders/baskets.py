"""Orders for the tests of the service, and helpers to count the stored rows."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy import func, select

from app.features.orders.models import Order, OrderLine
from app.features.orders.schemas import LineCreate, OrderCreate
from app.features.users.schemas import UserCreate
from app.platform.db.session import Database
from app.platform.idempotency import Claim, IdempotencyKey
from app.services import Services

TEA = LineCreate(sku="TEA-250", quantity=2, unit_price_cents=499)
CUP = LineCreate(sku="CUP", quantity=1, unit_price_cents=1200)
BASKET = OrderCreate(lines=[TEA, CUP])


async def register(services: Services) -> UUID:
    """Register a user, and return the user's id."""
    user = UserCreate(email=f"{uuid4().hex}@example.com", password=SecretStr("correct horse battery"))
    return (await services.users.create(user)).id


async def batches(*sizes: int) -> AsyncIterator[Sequence[OrderCreate]]:
    """Yield batches of an import, each with this number of baskets."""
    for size in sizes:
        yield [BASKET] * size


async def rows(database: Database, model: type[Order | OrderLine | IdempotencyKey]) -> int:
    """Return the number of rows of a table."""
    async with database.read() as session:
        return (await session.scalars(select(func.count()).select_from(model))).one()


def claim(owner: UUID, key: str = "one", body: OrderCreate = BASKET) -> Claim:
    """Return the claim of a key for a basket."""
    return Claim.of(owner, key, "create_order", body)
