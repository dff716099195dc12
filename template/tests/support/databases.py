"""Databases for tests: a migrated template database a run, and cheap clones of it."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.platform.db import driver, migrations
from app.platform.settings import DatabaseSettings, PoolProfile


def settings_for(url: str, **values: object) -> DatabaseSettings:
    """Settings of the database at `url`; nothing comes from the developer's environment or `.env`.

    The small pool, whichever profile is this service's default: the tests of the others ask for them.
    """
    defaults = DatabaseSettings.model_construct(pool_profile=PoolProfile.SMALL).model_dump()
    return DatabaseSettings.model_validate(defaults | {"url": url} | values)


def sibling(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


async def execute(url: str, *statements: str) -> None:
    """Run statements outside of a transaction, which CREATE DATABASE asks for."""
    settings = settings_for(url)
    engine = create_async_engine(
        driver.url(settings),
        connect_args=driver.connect_arguments(settings),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


@asynccontextmanager
async def scratch_database(server_url: str, template: str | None = None) -> AsyncIterator[str]:
    """The URL of a database that exists inside the block: a clone of `template`, else empty."""
    name = f"test_{uuid4().hex}"
    await execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
    try:
        yield sibling(server_url, name)
    finally:
        await execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def heads() -> dict[str, str]:
    """The newest revision of each migration branch, by the branch's label."""
    scripts = ScriptDirectory.from_config(migrations.config())
    return {label: head.revision for head in scripts.get_revisions("heads") for label in head.branch_labels}


def migrate(url: str) -> None:
    """Bring the database at `url` up to date, by the service's own migrations."""
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = url
    try:
        migrations.upgrade()
    finally:
        del os.environ["DATABASE_URL"]
        if before is not None:
            os.environ["DATABASE_URL"] = before
