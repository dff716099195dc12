"""COPY through a connection of asyncpg."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Table


async def copy_in(
    connection: Any,
    _statement: str,
    table: Table,
    columns: Sequence[str],
    _types: Sequence[int],
    rows: AsyncIterator[Any],
) -> None:
    """Send the rows to these columns of the table, in PostgreSQL's binary format."""
    await connection.copy_records_to_table(table.name, schema_name=table.schema, columns=columns, records=rows)
