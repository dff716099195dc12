"""Waiting for PostgreSQL's notifications, with psycopg."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool


@asynccontextmanager
async def listening(engine: AsyncEngine, channel: str) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """Yield what waits for a notification, so many seconds at most; it raises when the connection is lost.

    The connection belongs to the listener, not to the pool. Behind an external pooler notifications do not arrive, so
    there it only waits.
    """
    if isinstance(engine.pool, NullPool):
        yield asyncio.sleep
        return

    async def wait(seconds: float) -> None:
        # to the end of the generator, so that notifications that came together are taken together
        async for _ in driver.notifies(timeout=seconds, stop_after=1):
            pass

    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await connection.run_sync(lambda sync: sync.detach())
        try:
            # SQLAlchemy closes what was detached with other drivers only
            async with driver:
                await driver.execute(f"LISTEN {channel}")
                yield wait
        finally:
            # it would roll back what is closed
            await connection.invalidate()
