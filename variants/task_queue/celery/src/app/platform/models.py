"""All models of the platform: importing this module adds their tables to `Base.metadata`."""

from app.platform.auth.models import RefreshToken
from app.platform.db.base import Base
from app.platform.idempotency import IdempotencyKey
from app.platform.jobs.models import DeadJob, JobSchedule, OutboxMessage

__all__ = ["Base", "DeadJob", "IdempotencyKey", "JobSchedule", "OutboxMessage", "RefreshToken"]
