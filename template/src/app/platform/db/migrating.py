"""Run Alembic on one connection, one process at a time. `migrations/env.py` calls this."""

import asyncio
import time

import structlog
from alembic import context
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.platform.db import (
    alembic_dialect,  # noqa: F401 (takes the place of Alembic's own)
    autogenerate,
    driver,
    monitoring,
    poolers,
    safety,
)
from app.platform.errors import StartupError
from app.platform.settings import DatabaseSettings, load

# Any number will do, but all releases of this service must use the same one.
ADVISORY_LOCK = 5_461_234_987
POLL_SECONDS = 0.5

log = structlog.get_logger(__name__)

_TRY = text(f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})")
# pg_locks shows the two halves of the number
_HOLDER = text(
    f"""
    SELECT pid, application_name, client_addr::text, backend_start::text
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid = {ADVISORY_LOCK >> 32} AND objid = {ADVISORY_LOCK & 0xFFFF_FFFF}
    """  # noqa: S608 - numbers of ours
)


def run(models: MetaData) -> None:
    """Run the command that Alembic was given, with the service's own settings.

    Raises:
        ConfigError: the variables of the database are missing or malformed.
        DatabaseUnavailable: PostgreSQL cannot be reached.
        StartupError: another process migrates for longer than `DB_MIGRATION_WAIT`, or a pooler in transaction mode is
            between.
    """
    asyncio.run(_run(models))


async def _run(models: MetaData) -> None:
    settings = poolers.for_migrations(load(DatabaseSettings))
    await poolers.verify_for_migrations(settings)
    engine = create_async_engine(
        driver.url(settings),
        connect_args=driver.connect_arguments(settings),
        hide_parameters=True,
        poolclass=NullPool,
    )
    safety.prepare_connections(engine.sync_engine, settings)
    if settings.echo:
        monitoring.echo_statements(engine.sync_engine)
    # closing the connection gives the lock back
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, settings, models)
    await engine.dispose()


def _migrate(connection: Connection, settings: DatabaseSettings, models: MetaData) -> None:
    """Run all migrations in one transaction.

    `DB_LOCK_TIMEOUT` applies to table locks: a migration that cannot get one gives up, because every query that needs
    the table would have to wait with it.
    """
    connection.execute(text("SET statement_timeout = 0"))
    # the connection has it only without a pooler
    connection.execute(text(f"SET lock_timeout = '{settings.lock_timeout * 1000:.0f}ms'"))
    connection.commit()
    _wait_for_turn(connection, settings.migration_wait)
    context.configure(
        connection=connection,
        target_metadata=models,
        compare_server_default=True,
        autogenerate_plugins=autogenerate.PLUGINS,
        include_object=autogenerate.leaving_alone(context.script),
    )
    with context.begin_transaction():
        context.run_migrations()


def _wait_for_turn(connection: Connection, seconds: float) -> None:
    """Take the lock that lets one process migrate at a time.

    Between two tries nothing is open on the server. Waiting inside a statement would hold a snapshot, and CREATE INDEX
    CONCURRENTLY of the process that has the lock would wait for that snapshot.

    Raises:
        StartupError: the time is up.
    """
    deadline = time.monotonic() + seconds
    named = None
    while not connection.scalar(_TRY):
        holder = connection.execute(_HOLDER).first()
        connection.rollback()
        if holder and holder.pid != named:
            log.warning("migration_waits", **{name: value for name, value in holder._asdict().items() if value})
            named = holder.pid
        if time.monotonic() > deadline:
            message = f"another process (PostgreSQL's process {named}) still migrates this database after {seconds:g} s"
            raise StartupError(message)
        time.sleep(POLL_SECONDS)
    connection.commit()
