"""Deletes rows by their age, however many have piled up."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

PERIOD = timedelta(hours=1)
"""The rows of one period are one statement, which ends within `DB_STATEMENT_TIMEOUT` even if a year has piled up."""


async def delete_before(session: AsyncSession, column: InstrumentedAttribute[datetime], before: datetime) -> int:
    """Delete the rows whose `column`, which has an index, is before this time, and return their number."""
    deleted = 0
    # drivers cannot read times that are infinite; a row that never expires may have one
    first = select(func.min(column)).where(column < before, func.isfinite(column))
    oldest = await session.scalar(first)
    while oldest is not None:
        # psycopg's times have the session's zone, where an hour later is an earlier moment when clocks are set back
        end = min(oldest.astimezone(UTC) + PERIOD, before)
        # with both ends, so that the index is not read from its beginning, where the rows are that were deleted before
        rows = delete(column.class_).where(column >= oldest, column < end)
        result = await session.execute(rows, execution_options={"synchronize_session": False})
        deleted += cast("CursorResult[Any]", result).rowcount
        oldest = await session.scalar(first.where(column >= end))
    return deleted
