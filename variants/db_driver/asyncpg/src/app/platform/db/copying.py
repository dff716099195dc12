"""COPY through a connection of asyncpg."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Table


async def copy_in(
    connection: Any,
    _statement: str,
    table: Table,
    columns: Sequence[str],
    _types: Sequence[int],
    rows: AsyncIterator[Any],
) -> None:
    """Send the rows to these columns of the table, in PostgreSQL's binary format.

    Raises:
        ValueError: asyncpg does not know the binary format of a column's type.
    """
    names = {"schema_name": table.schema, "columns": columns}
    try:
        await connection.copy_records_to_table(table.name, records=rows, **names)
    except asyncpg.InternalClientError as error:
        if not str(error).startswith("no binary format encoder"):
            raise
        message = f"asyncpg cannot COPY into {table.name}, it has {error}: use insert_rows"
        raise ValueError(message) from error
