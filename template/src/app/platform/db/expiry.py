"""Deletes rows by their age, however many have piled up."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

PERIOD = timedelta(hours=1)
"""The rows of one period are one statement, which ends within `DB_STATEMENT_TIMEOUT` even if a year has piled up."""

Transaction = Callable[[], AbstractAsyncContextManager[AsyncSession]]


async def delete_before(transaction: Transaction, column: InstrumentedAttribute[datetime], before: datetime) -> int:
    """Delete the rows whose `column`, which has an index, is before this time, and return their number.

    Each period is deleted in a block of `transaction`. If that opens a transaction each time, nobody who changes such
    rows waits for long, and what was deleted stays deleted when a later period fails.
    """
    deleted = 0
    # drivers cannot read times that are infinite; a row that never expires may have one
    first = older = select(func.min(column)).where(column < before, func.isfinite(column))
    while True:
        async with transaction() as session:
            oldest = await session.scalar(first)
            if oldest is None:
                return deleted
            # psycopg's times have the session's zone, where an hour later is an earlier moment when clocks are set back
            end = min(oldest.astimezone(UTC) + PERIOD, before)
            # with both ends, so that the index is not read from its beginning, where the rows were that are deleted
            rows = delete(column.class_).where(column >= oldest, column < end)
            result = await session.execute(rows, execution_options={"synchronize_session": False})
            deleted += cast("CursorResult[Any]", result).rowcount
            first = older.where(column >= end)
