"""The database engine of a process, and its sessions.

A service method opens `transaction()` to write or `read()` to read, and closes it before it returns. So the commit
comes before the response, and no connection is held while the response is sent.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, NoReturn, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session

from app.platform.db import driver, json_values, monitoring, pool, safety
from app.platform.db.connections import OnConnect, run_on_connect
from app.platform.db.gate import Gate
from app.platform.db.held import Watch
from app.platform.db.readiness import Readiness
from app.platform.db.unit_of_work import UnitOfWork
from app.platform.settings import DatabaseSettings


class SessionProvider(Protocol):
    """Provides sessions: `Database` opens new ones, `app.platform.db.shared` shares that of an open transaction."""

    def transaction(self, *, autoflush: bool = True) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that commits at the end of the block, or rolls back when the block raises."""

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session for statements that change nothing."""


class ReadSession(Session):
    """A session that refuses to write: each statement commits by itself, so a write could not be rolled back."""

    reads_only = True

    def flush(self, objects: Any = None) -> None:
        """Raise when there is anything to flush.

        Raises:
            RuntimeError: an object was added, changed or deleted.
        """
        if self.new or self.dirty or self.deleted:
            _refuse_write()
        super().flush(objects)

    def get_bind(self, mapper: Any = None, *, clause: Any = None, **options: Any) -> Engine | Connection:
        """Raise for statements that write. Every statement passes this method, and it is cheaper than an event.

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
    """The engine and its sessions.

    `init` and `close` may be called repeatedly. `reset` is for a forked worker process or a new event loop. The
    functions `on_connect` run on each new connection.
    """

    def __init__(self, settings: DatabaseSettings, on_connect: Sequence[OnConnect] = ()) -> None:
        self._settings = settings
        self._on_connect = on_connect
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None
        self._readers: async_sessionmaker[AsyncSession] | None = None
        self._gate: Gate | None = None
        self._watch: Watch | None = None
        self._readiness: Readiness | None = None

    @property
    def engine(self) -> AsyncEngine:
        """Return the engine.

        Raises:
            RuntimeError: the database is not initialised, or was closed.
        """
        if self._engine is None:
            raise self._not_initialised()
        return self._engine

    async def init(self) -> None:
        """Create the engine if it does not exist. The pool opens connections when they are needed.

        Raises:
            ConfigError: this service cannot use the `DATABASE_URL`.
        """
        if self._engine is not None:
            return
        self._engine = create_async_engine(
            driver.url(self._settings),
            connect_args=driver.connect_arguments(self._settings),
            json_serializer=json_values.dumps,
            json_deserializer=json_values.loads,
            # exceptions and log lines must not contain personal data
            hide_parameters=True,
            **pool.engine_arguments(self._settings),
            **driver.engine_arguments(),
        )
        driver.attach(self._engine.sync_engine)
        safety.attach(self._engine.sync_engine, self._settings)
        self._gate, self._watch = pool.gate(self._settings), Watch(self._settings.hold_threshold)
        monitoring.attach(self._engine.sync_engine, self._settings, self._gate)
        self._bind(self._engine)
        run_on_connect(self._engine.sync_engine, self._on_connect)

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

        Raises:
            RuntimeError: the database was not initialised, or the block tried to write.
        """
        return self._unit_of_work(self._readers)

    async def ping(self) -> None:
        """Run a trivial statement, which raises when the server does not answer."""
        async with self.read() as session:
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
        self, sessions: async_sessionmaker[AsyncSession] | None, *, writes: bool = False, **options: Any
    ) -> UnitOfWork:
        if sessions is None:
            raise self._not_initialised()
        return UnitOfWork(sessions(**options), self._gate, self._watch, writes=writes)

    def _bind(self, bind: AsyncEngine | AsyncConnection, **options: Any) -> None:
        readers: AsyncEngine | AsyncConnection = bind
        if isinstance(bind, AsyncEngine):
            options_of_reads = driver.options_of_reads(self._settings)
            readers = bind.execution_options(slow_sql_threshold=self._settings.slow_sql_threshold, **options_of_reads)
        self._sessions = async_sessionmaker(bind, expire_on_commit=False, **options)
        self._readers = async_sessionmaker(readers, expire_on_commit=False, sync_session_class=ReadSession, **options)
        self._readiness = Readiness(self._settings, self._readers, self._gate)

    async def _drop(self, *, close: bool) -> None:
        engine, self._engine, self._sessions, self._readers = self._engine, None, None, None
        self._readiness = None
        if engine is not None:
            await engine.dispose(close=close)

    @staticmethod
    def _not_initialised() -> RuntimeError:
        return RuntimeError("the database is not initialised: call `await database.init()` first")
