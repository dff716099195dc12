"""Run Alembic's migrations with the service's own settings and driver."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app import models
from app.platform.db import driver, monitoring, safety
from app.platform.settings import DatabaseSettings, load

# Any number will do, but all releases of this service must use the same one.
ADVISORY_LOCK = 5_461_234_987


def migrate(connection: Connection, settings: DatabaseSettings) -> None:
    """Run the migrations in one transaction.

    The advisory lock lets several instances start at once: one migrates, the others wait and then find nothing to do.
    Waiting for this lock has no time limit. For table locks the service's `DB_LOCK_TIMEOUT` applies: a migration that
    cannot get one gives up, because every query that needs the table would have to wait with it.
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
    """Migrate on one connection; closing it releases the advisory lock."""
    settings = load(DatabaseSettings)
    engine = create_async_engine(
        driver.url(settings), connect_args=driver.connect_arguments(settings), poolclass=NullPool
    )
    safety.name_connection_failures(engine.sync_engine)
    if settings.echo:
        monitoring.echo_statements(engine.sync_engine)
    async with engine.connect() as connection:
        await connection.run_sync(migrate, settings)
    await engine.dispose()


asyncio.run(connect_and_migrate())
