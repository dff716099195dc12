"""The tables of the jobs. The template owns them; their migrations are on the branch `jobs`."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, DateTime, String, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.db.base import Base


class JobState(StrEnum):
    """The state of an unfinished job: it waits, a delivery went to the broker, or an attempt is running."""

    WAITING = "waiting"
    # the value in the database is older than the name
    DELIVERED = "handed_over"
    RUNNING = "running"


class _JobColumns:
    """The columns of a job, finished or not."""

    # the job's key: the same for all attempts, and after a replay
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    job: Mapped[str] = mapped_column(String(100))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)
    request_id: Mapped[str | None] = mapped_column(String(200))
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class OutboxMessage(_JobColumns, Base):
    """An unfinished job. The row is deleted when the job succeeds or gives up."""

    __tablename__ = "outbox_messages"
    __table_args__ = (CheckConstraint("state IN ('waiting', 'handed_over', 'running')", name="state"),)

    state: Mapped[str] = mapped_column(String(16), default=JobState.WAITING, server_default=JobState.WAITING)
    # when the relay delivers the job: after a delay, or because the broker or the worker must have lost it
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)
    # the worker that runs the attempt
    worker: Mapped[str | None] = mapped_column(String(32))


class DeadLetter(_JobColumns, Base):
    """A job that gave up, with its last error; `python -m app jobs replay` tries it again."""

    __tablename__ = "dead_jobs"

    died_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)


class JobSchedule(Base):
    """The last time that a schedule fired: its row makes only one of many workers fire each slot."""

    __tablename__ = "job_schedules"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    slot: Mapped[datetime] = mapped_column(DateTime(timezone=True))
