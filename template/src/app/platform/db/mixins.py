"""Mixins for models: columns that several models share."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, DateTime, func, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.context import actor_id


class UuidKey:
    """A random UUID as primary key, made in Python before the row is inserted."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)


class Timestamps:
    """When the row was created and last changed: the start of the transaction, by the server's clock."""

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


class SoftDelete:
    """Rows are marked as deleted, not removed. Repositories, DAOs and their builders skip them, unless asked not to.

    Statements of your own say `Model.is_live()`. Relationships load deleted rows as well.
    """

    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @classmethod
    def is_live(cls) -> ColumnElement[bool]:
        """Return the condition for rows that are not deleted."""
        return cls.deleted_at.is_(None)


class Audit:
    """The users who created and last changed the row.

    Column defaults, because these also apply to `insert()` and `update()` statements. No foreign keys, because the
    columns must keep the ids of removed users.
    """

    created_by: Mapped[UUID | None] = mapped_column(default=actor_id)
    updated_by: Mapped[UUID | None] = mapped_column(default=actor_id, onupdate=actor_id)


def live_rows(model: type[Any]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of every query for a model: with `SoftDelete`, that the row is not deleted."""
    return (model.is_live(),) if issubclass(model, SoftDelete) else ()


async def is_deleted(session: AsyncSession, row: object) -> bool:
    """Return whether a row of this session is marked as deleted; read the mark if the session has not loaded it."""
    if not isinstance(row, SoftDelete):
        return False
    if "deleted_at" in inspect(row).unloaded:
        await session.refresh(row, ["deleted_at"])
    return row.deleted_at is not None
