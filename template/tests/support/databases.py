"""Databases for tests: each run migrates one template database, and tests clone it."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, chdir, contextmanager
from tempfile import TemporaryDirectory
from uuid import uuid4

from alembic.script import ScriptDirectory
from pydantic import BaseModel
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.platform import reference
from app.platform.db import driver, migrations
from app.platform.settings import DatabaseSettings, PlatformSettings, PoolProfile


def _forget_the_developers_settings() -> None:
    """Remove the variables of your shell that would change what the service does in this process.

    libpq's stay if the tests use your server, which may need them.
    """
    settings = {name for name, _, _ in reference.variables(PlatformSettings)}
    prefixes = ("DB_", "OTEL_", "PROMETHEUS_", *(() if "TEST_DATABASE_URL" in os.environ else ("PG",)))
    for name in list(os.environ):
        known = name.upper()
        if known in settings or known.startswith(prefixes) or known.endswith("_PROXY"):
            del os.environ[name]


_forget_the_developers_settings()


def settings_for(url: str, **values: object) -> DatabaseSettings:
    """Return settings for the database at `url`, independent of the environment and `.env`.

    They have the pool profile `small`, whatever the service's default is; tests of other profiles pass them.
    """
    defaults = DatabaseSettings.model_construct(pool_profile=PoolProfile.SMALL).model_dump()
    settings = DatabaseSettings.__new__(DatabaseSettings)
    # not its own __init__, which would first read the environment and `.env`
    BaseModel.__init__(settings, **(defaults | {"url": url} | values))
    return settings


def sibling(url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


async def execute(url: str, *statements: str) -> None:
    """Run statements outside a transaction, as CREATE DATABASE requires."""
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
    """Create a database for the block, a clone of `template` or else empty, and yield its URL."""
    name = f"test_{uuid4().hex}"
    await execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
    try:
        yield sibling(server_url, name)
    finally:
        await execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def heads() -> dict[str, str]:
    """Return the newest revision of each migration branch, by the branch's label."""
    scripts = ScriptDirectory.from_config(migrations.config())
    return {label: head.revision for head in scripts.get_revisions("heads") for label in head.branch_labels}


@contextmanager
def settings_of(url: str) -> Iterator[None]:
    """Let the settings that are read in the block be those of the database at `url`, whatever `.env` says."""
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = url
    try:
        # `.env` is read from the working directory
        with TemporaryDirectory() as empty, chdir(empty):
            yield
    finally:
        del os.environ["DATABASE_URL"]
        if before is not None:
            os.environ["DATABASE_URL"] = before


def migrate(url: str) -> None:
    """Apply the service's migrations to the database at `url`."""
    with settings_of(url):
        migrations.upgrade()
