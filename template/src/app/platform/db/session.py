"""The database engine of a process, and its sessions.

A service method opens `transaction()` to write or `read()` to read, and closes it before it returns. So the commit
comes before the response, and no connection is held while the response is sent.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Literal, Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker

from app.platform.db.connections import OnConnect
from app.platform.db.engine import OpenEngine, open_engine, readers
from app.platform.db.read_session import LazySession, ReadSession
from app.platform.db.readiness import Readiness
from app.platform.db.replica_address import open_replicas
from app.platform.db.replicas import Reading, Replicas
from app.platform.db.unit_of_work import UnitOfWork
from app.platform.settings import DatabaseSettings

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 10.0
"""The longest that closing all connections may take."""


class SessionProvider(Protocol):
    """Provides sessions: `Database` opens new ones, `app.platform.db.shared` shares that of an open transaction."""

    def transaction(self, *, autoflush: bool = True) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that commits at the end of the block, or rolls back when the block raises."""

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session for statements that change nothing."""


class Database:
    """The engine and its sessions; with `DATABASE_REPLICA_URL` also those of the replicas.

    `init` and `close` may be called repeatedly. `reset` is for a forked worker process or a new event loop. The
    functions `on_connect` run on each new connection. `redis_url` is where processes tell each other who has written.
    """

    def __init__(
        self, settings: DatabaseSettings, on_connect: Sequence[OnConnect] = (), redis_url: str | None = None
    ) -> None:
        self._settings = settings
        self._on_connect = on_connect
        self._redis_url = redis_url
        self._open: OpenEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None
        self._readers: async_sessionmaker[AsyncSession] | None = None
        self._replicas: Replicas | None = None
        self._readiness: Readiness | None = None

    @property
    def engine(self) -> AsyncEngine:
        """Return the engine.

        Raises:
            RuntimeError: the database is not initialised, or was closed.
        """
        if self._open is None:
            raise self._not_initialised()
        return self._open.engine

    @property
    def replicas(self) -> Replicas | None:
        """Return the replicas; `None` without `DATABASE_REPLICA_URL`."""
        return self._replicas

    async def init(self) -> None:
        """Create the engine if it does not exist. The pool opens connections when they are needed.

        Raises:
            ConfigError: this service cannot use the `DATABASE_URL` or the `DATABASE_REPLICA_URL`.
        """
        if self._open is not None:
            return
        opened = open_engine(self._settings, self._on_connect)
        self._replicas = open_replicas(self._settings, opened.engine, self._on_connect, self._redis_url)
        self._open = opened
        self._bind(opened.engine)

    async def close(self) -> None:
        """Close all connections."""
        await self._drop(close=True)

    async def reset(self) -> None:
        """Drop the engine without closing its connections, which belong to another process or event loop."""
        await self._drop(close=False)

    def get_session(self, *, autoflush: bool = True) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that the caller commits; uncommitted work is rolled back when the block ends or raises.

        Raises:
            RuntimeError: the database was not initialised.
        """
        return self._unit_of_work(self._sessions, autoflush=autoflush)

    def transaction(self, *, autoflush: bool = True) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session in a transaction: BEGIN, the block, COMMIT; or ROLLBACK when the block raises.

        Raises:
            RuntimeError: the database was not initialised.
        """
        return self._unit_of_work(self._sessions, writes=True, autoflush=autoflush)

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session in autocommit mode: a read of one statement takes one round trip.

        The session is one of a replica if there is one that may be used (`replicas.py`).

        Raises:
            RuntimeError: the database was not initialised, or the block tried to write.
        """
        if self._replicas is None:
            return self._unit_of_work(self._readers)
        return Reading(self._replicas, partial(self._unit_of_work, self._readers))

    def primary(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session in autocommit mode, for work that begins and ends its own transaction.

        Raises:
            RuntimeError: the database was not initialised.
        """
        return self._unit_of_work(self._readers, noted=True)

    async def ping(self) -> None:
        """Run a trivial statement on the primary, which raises when the server does not answer."""
        async with self._unit_of_work(self._readers) as session:
            await session.execute(text("SELECT 1"))

    async def check(self) -> Literal["ok", "busy"]:
        """Ask the server past the queue before the pool whether it answers and accepts writes.

        Raises:
            RuntimeError: the database was not initialised.
            DatabaseUnavailable: no connection could be opened.
            sqlalchemy.exc.DBAPIError: the server does not answer, or accepts no writes.
        """
        if self._readiness is None:
            raise self._not_initialised()
        return await self._readiness.check()

    def _unit_of_work(
        self,
        sessions: async_sessionmaker[AsyncSession] | None,
        *,
        writes: bool = False,
        noted: bool = False,
        **options: Any,
    ) -> UnitOfWork:
        if sessions is None:
            raise self._not_initialised()
        is_noted = noted or sessions is self._sessions
        writers = self._replicas.writers if self._replicas and is_noted else None
        return UnitOfWork(sessions(**options), self._open, writers, writes=writes)

    def _bind(self, bind: AsyncEngine | AsyncConnection, **options: Any) -> None:
        read = readers(bind, self._settings) if isinstance(bind, AsyncEngine) else bind
        self._sessions = async_sessionmaker(bind, expire_on_commit=False, **options)
        self._readers = async_sessionmaker(
            read, class_=LazySession, expire_on_commit=False, sync_session_class=ReadSession, **options
        )
        self._readiness = Readiness(self._settings, self._readers, self._open.gate if self._open else None)

    async def _drop(self, *, close: bool) -> None:
        opened, self._open, self._sessions, self._readers = self._open, None, None, None
        replicas, self._replicas, self._readiness = self._replicas, None, None
        if replicas is not None:
            await replicas.drop(close=close)
        if opened is not None:
            await self._dispose(opened.engine, close=close)

    @staticmethod
    async def _dispose(engine: AsyncEngine, *, close: bool) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await engine.dispose(close=close)
        except TimeoutError:
            # drivers say good-bye to each connection, and wait for the answer of a server that is silent
            log.warning("connections_not_closed", seconds=CLOSE_SECONDS)

    @staticmethod
    def _not_initialised() -> RuntimeError:
        return RuntimeError("the database is not initialised: call `await database.init()` first")
