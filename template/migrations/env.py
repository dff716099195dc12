"""How Alembic reaches the database: with the service's own settings and driver."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app import models
from app.platform.db import driver, monitoring
from app.platform.settings import DatabaseSettings, load

# Any number will do, as long as all releases of this service use the same.
ADVISORY_LOCK = 5_461_234_987


def migrate(connection: Connection, settings: DatabaseSettings) -> None:
    """Run the migrations in one transaction.

    The lock lets several instances start at once: one migrates, the others wait, and then find nothing left to do. It
    is waited for without a limit; after that the limits of the service hold, so that a migration that cannot get a
    table lock gives up instead of stopping everybody who queues behind it.
    """
    connection.execute(text("SET lock_timeout = 0"))
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text(f"SELECT pg_advisory_lock({ADVISORY_LOCK})"))
    connection.execute(text(f"SET lock_timeout = '{settings.lock_timeout * 1000:.0f}ms'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=models.Base.metadata,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate() -> None:
    """Open the one connection that migrates; the lock is released with it."""
    settings = load(DatabaseSettings)
    engine = create_async_engine(
        driver.url(settings), connect_args=driver.connect_arguments(settings), poolclass=NullPool
    )
    monitoring.watch_migrations(engine.sync_engine, settings)
    async with engine.connect() as connection:
        await connection.run_sync(migrate, settings)
    await engine.dispose()


asyncio.run(connect_and_migrate())
