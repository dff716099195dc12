"""A primary and a real streaming replica of it."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from sqlalchemy import make_url, text

from app.platform.db.session import Database
from dev.services import postgres
from tests.support.databases import execute, settings_for

SECONDS = 20.0


class Server:
    """A PostgreSQL server on a data directory, which is started and stopped."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""
        self._running = ExitStack()

    @property
    def host(self) -> str:
        """Return host and port."""
        url = make_url(self.url)
        return f"{url.host}:{url.port}"

    def start(self) -> None:
        """Start it, again on its former port."""
        port = make_url(self.url).port if self.url else None
        self.url = self._running.enter_context(postgres(self.data, port))

    def stop(self) -> None:
        """Stop it; its clients are disconnected."""
        self._running.close()

    def follow(self, primary: "Server") -> None:
        """Make it a standby of this primary from its next start on."""
        url = make_url(primary.url)
        source = f"host={url.host} port={url.port} user={url.username} password={url.password}"
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{source}'\nwal_retrieve_retry_interval = '200ms'\n")
        (self.data / "standby.signal").touch()

    async def ask(self, question: str) -> object:
        """Return the answer of the server to a query for one value."""
        database = Database(settings_for(self.url))
        await database.init()
        try:
            async with database.read() as session:
                return await session.scalar(text(question))
        finally:
            await database.close()

    async def promote(self) -> None:
        """Make a standby the primary."""
        assert await self.ask("SELECT pg_promote()")

    async def pause(self) -> None:
        """Let a standby replay nothing, so that it lags."""
        await execute(self.url, "SELECT pg_wal_replay_pause()")
        # the pause is only asked for: it begins with the next change
        await eventually(lambda: self._is_paused("<> 'not paused'"))

    async def resume(self) -> None:
        """Let it catch up."""
        await execute(self.url, "SELECT pg_wal_replay_resume()")

    async def _is_paused(self, state: str) -> bool:
        return bool(await self.ask(f"SELECT pg_get_wal_replay_pause_state() {state}"))


class Pair:
    """A primary and its replica."""

    def __init__(self, primary: Server, replica: Server) -> None:
        self.primary = primary
        self.replica = replica

    async def caught_up(self) -> None:
        """Wait until the replica has all that the primary has now."""
        position = await self.primary.ask("SELECT CAST(pg_current_wal_lsn() AS text)")
        replayed = f"SELECT pg_last_wal_replay_lsn() >= CAST('{position}' AS pg_lsn)"
        await eventually(lambda: self.replica.ask(replayed))


async def eventually(check: Callable[[], Awaitable[object]], seconds: float = SECONDS) -> None:
    """Wait until the check returns something true."""
    until = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < until, f"not within {seconds:g} s"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def replicated(home: Path) -> AsyncIterator[Pair]:
    """Run a primary and a replica in this directory."""
    pair = Pair(Server(home / "a"), Server(home / "b"))
    try:
        # the files of a server that was stopped are a whole backup
        await asyncio.to_thread(pair.primary.start)
        pair.primary.stop()
        shutil.copytree(pair.primary.data, pair.replica.data)
        shutil.copy2(home / "a.password", home / "b.password")
        await asyncio.to_thread(pair.primary.start)
        pair.replica.follow(pair.primary)
        owner = pair.primary.data.stat()
        for path in (pair.replica.data, *pair.replica.data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        await asyncio.to_thread(pair.replica.start)
        yield pair
    finally:
        pair.replica.stop()
        pair.primary.stop()
