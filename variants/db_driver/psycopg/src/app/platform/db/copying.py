"""COPY through a connection of psycopg."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Table


async def copy_in(
    connection: Any,
    statement: str,
    _table: Table,
    _columns: Sequence[str],
    types: Sequence[int],
    rows: AsyncIterator[Any],
) -> None:
    """Send the rows to these columns of the table, in PostgreSQL's binary format."""
    async with connection.cursor() as cursor, cursor.copy(f"{statement} (FORMAT BINARY)".encode()) as copy:
        # without them psycopg would send the type of the Python value, which may be another one than the column's
        copy.set_types(types)
        async for row in rows:
            await copy.write_row(row)
