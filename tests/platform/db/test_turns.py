"""One process migrates at a time; the others wait without holding anything open, and not for ever."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.platform.db import migrating
from app.platform.db.session import Database
from tests.support.databases import settings_for
from tests.support.server import PATIENCE, environment

INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"


@pytest.fixture
async def turn(migrated_url: str) -> AsyncIterator[AsyncConnection]:
    """Yield a connection in autocommit mode that has the lock, as a process that migrates."""
    database = Database(settings_for(migrated_url, statement_timeout=PATIENCE))
    await database.init()
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"SELECT pg_advisory_lock({migrating.ADVISORY_LOCK})"))
        yield connection
    await database.close()


@asynccontextmanager
async def migrate(url: str, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "migrate"),
        env=environment(url, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_index_is_built_concurrently_while_others_wait(turn: AsyncConnection, migrated_url: str) -> None:
    pid = await turn.scalar(text("SELECT pg_backend_pid()"))
    async with asyncio.timeout(PATIENCE), migrate(migrated_url) as one, migrate(migrated_url) as other:
        for process in (one, other):
            assert process.stdout
            while b"migration_waits" not in (line := await process.stdout.readline()):
                assert line
            assert f'"pid":{pid}'.encode() in line
        await turn.execute(text("CREATE INDEX CONCURRENTLY by_name ON users (full_name)"))
        assert await turn.scalar(text(INVALID)) == 0
        await turn.execute(text(f"SELECT pg_advisory_unlock({migrating.ADVISORY_LOCK})"))
        assert await one.wait() == await other.wait() == 0


async def test_waiting_ends(turn: AsyncConnection, migrated_url: str) -> None:
    pid = await turn.scalar(text("SELECT pg_backend_pid()"))
    async with asyncio.timeout(PATIENCE), migrate(migrated_url, DB_MIGRATION_WAIT="0.1") as process:
        printed, _ = await process.communicate()
    last = printed.decode().splitlines()[-1]
    assert last.startswith("python -m app: another process")
    assert str(pid) in last
    assert process.returncode == 1
