"""Wait for PostgreSQL's notifications, with psycopg."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool


@asynccontextmanager
async def listening(engine: AsyncEngine, channel: str) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """Yield a function that waits for a notification, at most for the given seconds.

    The function raises when the connection is lost. The listener has its own connection, outside the pool. Behind an
    external pooler notifications do not arrive, so there the function only sleeps.
    """
    if isinstance(engine.pool, NullPool):
        yield asyncio.sleep
        return

    async def wait(seconds: float) -> None:
        # exhaust the generator, which returns notifications that arrive together as one batch
        async for _ in driver.notifies(timeout=seconds, stop_after=1):
            pass

    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await connection.run_sync(lambda sync: sync.detach())
        try:
            # SQLAlchemy does not close a detached psycopg connection
            async with driver:
                await driver.execute(f"LISTEN {channel}")
                yield wait
        finally:
            # without this SQLAlchemy would roll back on the closed connection
            await connection.invalidate()
