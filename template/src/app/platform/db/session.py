"""The one engine of a process, and the sessions on it.

A service method opens `transaction()` to write and `read()` to read, and is done with it when it returns; so the commit
comes before the response, and no connection is held while the response is written.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NoReturn, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session

from app.platform.db import driver, monitoring, pool
from app.platform.settings import DatabaseSettings


class SessionProvider(Protocol):
    """Gives sessions: `Database` new ones, `app.platform.db.shared` the one of an open transaction."""

    def transaction(self, *, autoflush: bool = True) -> AbstractAsyncContextManager[AsyncSession]:
        """A session whose work is committed at the end of the block, and rolled back when the block raises."""

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A session for statements that change nothing."""


class ReadSession(Session):
    """A session that refuses to write: it commits each statement by itself, so there would be nothing to roll back."""

    def flush(self, objects: Any = None) -> None:
        """Raise when there is anything to flush.

        Raises:
            RuntimeError: an object was added, changed or deleted.
        """
        if self.new or self.dirty or self.deleted:
            _refuse_write()
        super().flush(objects)

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **options: Any) -> Engine | Connection:
        """Raise for statements that write; here, because every statement comes by, and an event would cost more.

        Raises:
            RuntimeError: the statement is an INSERT, UPDATE or DELETE.
        """
        if clause is not None and clause.is_dml:
            _refuse_write()
        return super().get_bind(mapper, clause=clause, **options)


def _refuse_write() -> NoReturn:
    message = "this session only reads: write inside Database.transaction()"
    raise RuntimeError(message)


class Database:
    """Engine and sessions. `init` and `close` may be called again; `reset` is for a forked worker or a new loop."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None
        self._readers: async_sessionmaker[AsyncSession] | None = None

    @property
    def engine(self) -> AsyncEngine:
        """The engine.

        Raises:
            RuntimeError: `init` was not called, or `close` was.
        """
        if self._engine is None:
            raise self._not_initialised()
        return self._engine

    async def init(self) -> None:
        """Create the engine, unless there is one. Connections are opened when they are needed.

        Raises:
            ConfigError: `DATABASE_URL` is not one this service can use.
        """
        if self._engine is not None:
            return
        self._engine = create_async_engine(
            driver.url(self._settings),
            connect_args=driver.connect_arguments(self._settings),
            # an exception or a log line must never carry somebody's data
            hide_parameters=True,
            **pool.engine_arguments(self._settings),
        )
        monitoring.watch(self._engine.sync_engine, self._settings)
        self._bind(self._engine)

    async def close(self) -> None:
        """Close all connections."""
        await self._drop(close=True)

    async def reset(self) -> None:
        """Forget the engine without touching its connections, which belong to another process or event loop."""
        await self._drop(close=False)

    @asynccontextmanager
    async def get_session(self, *, autoflush: bool = True) -> AsyncIterator[AsyncSession]:
        """A session whose owner commits; what is not committed when the block ends or raises is rolled back.

        Raises:
            RuntimeError: the database was not initialised.
        """
        if self._sessions is None:
            raise self._not_initialised()
        async with self._sessions(autoflush=autoflush) as session:
            yield session

    @asynccontextmanager
    async def transaction(self, *, autoflush: bool = True) -> AsyncIterator[AsyncSession]:
        """A session in a transaction: BEGIN, the block, COMMIT; or ROLLBACK when the block raises.

        Raises:
            RuntimeError: the database was not initialised.
        """
        async with self.get_session(autoflush=autoflush) as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session in autocommit: a read of one statement is one round trip. Writing through it raises.

        Raises:
            RuntimeError: the database was not initialised, or the block wrote.
        """
        if self._readers is None:
            raise self._not_initialised()
        async with self._readers() as session:
            yield session

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        async with self.read() as session:
            await session.execute(text("SELECT 1"))

    def _bind(self, bind: AsyncEngine | AsyncConnection, **options: Any) -> None:
        readers: AsyncEngine | AsyncConnection = bind
        isolation = driver.isolation_of_reads(self._settings)
        if isinstance(bind, AsyncEngine) and isolation:
            readers = bind.execution_options(isolation_level=isolation)
        self._sessions = async_sessionmaker(bind, expire_on_commit=False, **options)
        self._readers = async_sessionmaker(readers, expire_on_commit=False, sync_session_class=ReadSession, **options)

    async def _drop(self, *, close: bool) -> None:
        engine, self._engine, self._sessions, self._readers = self._engine, None, None, None
        if engine is not None:
            await engine.dispose(close=close)

    @staticmethod
    def _not_initialised() -> RuntimeError:
        return RuntimeError("the database is not initialised: call `await database.init()` first")
