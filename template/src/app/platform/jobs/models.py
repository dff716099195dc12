"""The tables of the jobs. They belong to the template: their migrations are on the branch `jobs`."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, DateTime, String, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base


class JobState(StrEnum):
    """Where a job is: it waits, the broker was told of it, or a worker is on it."""

    WAITING = "waiting"
    HANDED_OVER = "handed_over"
    RUNNING = "running"


class _JobRow:
    """What a job is, wherever it is."""

    # the job's key: the same in every attempt and after a replay
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    job: Mapped[str] = mapped_column(String(100))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)
    request_id: Mapped[str | None] = mapped_column(String(200))
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class OutboxMessage(_JobRow, Base):
    """A job that is not done yet. The row goes when the job is done, or gave up."""

    __tablename__ = "outbox_messages"
    __table_args__ = (CheckConstraint("state IN ('waiting', 'handed_over', 'running')", name="state"),)

    state: Mapped[str] = mapped_column(String(16), default=JobState.WAITING, server_default=JobState.WAITING)
    # when a relay looks at it again, whatever its state: after a delay, a lost broker, a dead worker
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)
    # of the worker that is on it
    worker: Mapped[str | None] = mapped_column(String(32))


class DeadJob(_JobRow, Base):
    """A job that gave up, with its last error; `python -m app jobs replay` tries again."""

    __tablename__ = "dead_jobs"

    died_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)


class JobSchedule(Base):
    """When a schedule fired last, so that of many workers one fires it."""

    __tablename__ = "job_schedules"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    slot: Mapped[datetime] = mapped_column(DateTime(timezone=True))
