"""COPY through a connection of psycopg."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
from psycopg.pq import Format
from sqlalchemy import Table


async def copy_in(
    connection: Any,
    statement: str,
    _table: Table,
    _columns: Sequence[str],
    types: Sequence[int],
    rows: AsyncIterator[Any],
) -> None:
    """Send the rows to these columns of the table, in PostgreSQL's binary format if psycopg knows it of all of them."""
    is_binary = all(_has_binary(connection, each) for each in types)
    command = f"{statement} (FORMAT BINARY)" if is_binary else statement
    async with connection.cursor() as cursor, cursor.copy(command.encode()) as copy:
        if is_binary:
            # without them psycopg would send the type of the Python value, which may be another one than the column's
            copy.set_types(types)
        async for row in rows:
            await copy.write_row(row)


def _has_binary(connection: Any, oid: int) -> bool:
    """Return whether psycopg has a binary form of a type: not of enums, of CHAR, or of what extensions bring."""
    adapters = connection.adapters
    # that of an array is found by its own number, that of its elements only when the first one is sent
    known = adapters.types.get(oid)
    try:
        for each in {oid, known.oid if known else oid}:
            adapters.get_dumper_by_oid(each, Format.BINARY)
    except psycopg.ProgrammingError:
        return False
    return True
