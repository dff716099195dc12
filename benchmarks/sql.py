"""Runs SQL statements one by one: `python -m benchmarks.sql URL STATEMENT…`, in an environment with asyncpg."""

import asyncio
import sys

import asyncpg


async def main(url: str, *statements: str) -> None:
    """Run the statements, each in its own transaction unless it cannot run in one."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
