"""Wait for PostgreSQL's notifications, with asyncpg."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from app.platform.errors import DatabaseUnavailable


@asynccontextmanager
async def listening(engine: AsyncEngine, channel: str) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """Yield a function that waits for a notification, at most for the given seconds.

    The function raises when the connection is lost. The listener has its own connection, outside the pool. Behind an
    external pooler notifications do not arrive, so there the function only sleeps.
    """
    if isinstance(engine.pool, NullPool):
        yield asyncio.sleep
        return
    notified = asyncio.Event()

    async def wait(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await notified.wait()
        notified.clear()
        if driver.is_closed():
            raise DatabaseUnavailable

    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await connection.run_sync(lambda sync: sync.detach())
        driver.add_termination_listener(lambda *_: notified.set())
        await driver.add_listener(channel, lambda *_: notified.set())
        yield wait
