"""All models, for those who need the whole schema: import this, and `Base.metadata` is complete."""

from app.auth.models import RefreshToken
from app.db.base import Base
from app.idempotency import IdempotencyKey
from app.orders.models import Order, OrderLine
from app.users.models import User

__all__ = ["Base", "IdempotencyKey", "Order", "OrderLine", "RefreshToken", "User"]
# add your own above: Alembic compares the database with what is imported here
