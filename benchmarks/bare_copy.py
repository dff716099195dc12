"""COPY of orders and their lines by the driver alone: `python -m benchmarks.bare_copy DRIVER URL USER_ID ORDERS`.

It runs in the environment of a service with this driver, prints the seconds that COPY and COMMIT took, and empties
the tables again.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

Rows = list[tuple[Any, ...]]
ORDERS = (
    "orders",
    ("id", "user_id", "status", "total_cents", "created_by", "updated_by"),
    ("uuid", "uuid", "varchar", "int8", "uuid", "uuid"),
)
LINES = (
    "order_lines",
    ("order_id", "position", "sku", "quantity", "unit_price_cents"),
    ("uuid", "int4", "varchar", "int4", "int4"),
)
# the lines of an order in benchmarks/workload.py, which runs in another environment
LINE_VALUES = (("TEA-250", 2, 499), ("CUP-1", 1, 1250))
EMPTY = "TRUNCATE orders, order_lines"


async def asyncpg(url: str, orders: Rows, lines: Rows) -> float:
    """Copy the rows with asyncpg."""
    import asyncpg as driver  # noqa: PLC0415 - only one driver is installed

    connection = await driver.connect(url)
    try:
        started = time.perf_counter()
        async with connection.transaction():
            for (table, columns, _), rows in ((ORDERS, orders), (LINES, lines)):
                await connection.copy_records_to_table(table, records=rows, columns=columns)
        took = time.perf_counter() - started
        await connection.execute(EMPTY)
    finally:
        await connection.close()
    return took


async def psycopg(url: str, orders: Rows, lines: Rows) -> float:
    """Copy the rows with psycopg, in the binary format."""
    import psycopg as driver  # noqa: PLC0415 - only one driver is installed

    async with await driver.AsyncConnection.connect(url) as connection:
        started = time.perf_counter()
        for (table, columns, types), rows in ((ORDERS, orders), (LINES, lines)):
            statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
            async with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types(types)
                for row in rows:
                    await copy.write_row(row)
        await connection.commit()
        took = time.perf_counter() - started
        await connection.execute(EMPTY)
    return took


DRIVERS: dict[str, Callable[[str, Rows, Rows], Awaitable[float]]] = {"asyncpg": asyncpg, "psycopg": psycopg}


def main(driver: str, url: str, user: str, number: str) -> None:
    """Make the rows, copy them, and print the seconds."""
    keys = [uuid4() for _ in range(int(number))]
    owner, total = UUID(user), sum(quantity * price for _, quantity, price in LINE_VALUES)
    orders: Rows = [(key, owner, "pending", total, owner, owner) for key in keys]
    lines: Rows = [(key, at, *values) for key in keys for at, values in enumerate(LINE_VALUES, start=1)]

    async def copied() -> float:
        return await DRIVERS[driver](url, orders, lines)

    sys.stdout.write(f"{asyncio.run(copied())}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
