"""All models of the platform: importing this module adds their tables to `Base.metadata`."""

from app.platform.auth.models import RefreshToken
from app.platform.db.base import Base
from app.platform.idempotency import IdempotencyKey
from app.platform.jobs.models import DeadLetter, JobSchedule, OutboxMessage

__all__ = ["Base", "DeadLetter", "IdempotencyKey", "JobSchedule", "OutboxMessage", "RefreshToken"]
