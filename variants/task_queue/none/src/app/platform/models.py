"""All models of the platform: importing this module adds their tables to `Base.metadata`."""

from app.platform.auth.models import RefreshToken
from app.platform.db.base import Base
from app.platform.idempotency import IdempotencyKey

__all__ = ["Base", "IdempotencyKey", "RefreshToken"]
