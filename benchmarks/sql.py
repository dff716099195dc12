"""Runs SQL statements one by one: `python -m benchmarks.sql URL STATEMENT…`, where one of the drivers is installed."""

import asyncio
import importlib.util
import sys


async def _by_asyncpg(url: str, *statements: str) -> None:
    import asyncpg  # noqa: PLC0415 - only one driver is installed

    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _by_psycopg(url: str, *statements: str) -> None:
    import psycopg  # noqa: PLC0415 - only one driver is installed

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in statements:
            await connection.execute(statement.encode())


if __name__ == "__main__":
    run = _by_asyncpg if importlib.util.find_spec("asyncpg") else _by_psycopg
    # each statement in its own transaction, because some cannot run in one with others
    asyncio.run(run(*sys.argv[1:]))
