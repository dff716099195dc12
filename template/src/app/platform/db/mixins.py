"""Columns that several models share."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, DateTime, func
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.context import actor_id


class UuidKey:
    """A random UUID as primary key, known before the row is written."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)


class Timestamps:
    """When the row was created and last changed, by the server's transaction clock."""

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


class SoftDelete:
    """Rows that are marked as deleted instead of removed; queries say `Model.is_live()`."""

    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @classmethod
    def is_live(cls) -> ColumnElement[bool]:
        """The condition under which a row still counts."""
        return cls.deleted_at.is_(None)


class Audit:
    """Who created and last changed the row.

    Column defaults, so that they are filled by the ORM, by `insert()` and by `update()` alike. Without foreign keys,
    because the trail must outlive the user.
    """

    created_by: Mapped[UUID | None] = mapped_column(default=actor_id)
    updated_by: Mapped[UUID | None] = mapped_column(default=actor_id, onupdate=actor_id)
