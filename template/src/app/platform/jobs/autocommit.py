"""Runs single statements that write: each in a transaction of its own, in a single step of the event loop."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Row
from sqlalchemy.util import greenlet_spawn

from app.platform.db import driver
from app.platform.db.session import Database
from app.platform.settings import DatabaseSettings

# a statement and its parameters
Statement = tuple[Executable, Mapping[str, Any]]


class Statements:
    """Runs statements on connections of the pool, without a session.

    Checkout, statement and commit are one step of the event loop. An `AsyncConnection` needs one step for each, which
    takes twice as long.
    """

    def __init__(self, database: Database, settings: DatabaseSettings) -> None:
        self._engine = database.engine.sync_engine.execution_options(**driver.options_of_reads(settings))

    async def rows(self, statement: Statement) -> Sequence[Row[Any]]:
        """Run a statement, and return its rows."""
        return await greenlet_spawn(self._rows, statement)

    def _rows(self, statement: Statement) -> Sequence[Row[Any]]:
        with self._engine.begin() as connection:
            return connection.execute(*statement).all()

    async def count(self, statement: Statement) -> int:
        """Run a statement that returns no rows, and return how many rows it changed."""
        return await greenlet_spawn(self._count, statement)

    def _count(self, statement: Statement) -> int:
        with self._engine.begin() as connection:
            return connection.execute(*statement).rowcount
