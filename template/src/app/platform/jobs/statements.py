"""Single statements that write, each a transaction by itself and a single round trip."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Row
from sqlalchemy.util import greenlet_spawn

from app.platform.db import driver
from app.platform.db.session import Database
from app.platform.settings import DatabaseSettings

# a statement, and the values of its parameters
Query = tuple[Executable, Mapping[str, Any]]


class Statements:
    """Runs them on connections of the pool; without sessions, because nothing is joined to anything.

    Checkout, statement and end are one step for the event loop: in an `AsyncConnection` each would be one, and take as
    long again.
    """

    def __init__(self, database: Database, settings: DatabaseSettings) -> None:
        isolation = driver.isolation_of_reads(settings)
        engine = database.engine.sync_engine
        self._engine = engine.execution_options(isolation_level=isolation) if isolation else engine

    async def rows(self, query: Query) -> Sequence[Row[Any]]:
        """Run a statement that returns rows."""
        return await greenlet_spawn(self._rows, query)

    def _rows(self, query: Query) -> Sequence[Row[Any]]:
        with self._engine.begin() as connection:
            return connection.execute(*query).all()

    async def count(self, query: Query) -> int:
        """Run a statement that returns none; how many rows it touched."""
        return await greenlet_spawn(self._count, query)

    def _count(self, query: Query) -> int:
        with self._engine.begin() as connection:
            return connection.execute(*query).rowcount
