"""Single statements that write, each a transaction by itself and a single round trip."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Row

from app.config import DatabaseSettings
from app.db import driver
from app.db.session import Database

# a statement, and the values of its parameters
Query = tuple[Executable, Mapping[str, Any]]


class Statements:
    """Runs them on connections of the pool; without sessions, because nothing is joined to anything."""

    def __init__(self, database: Database, settings: DatabaseSettings) -> None:
        isolation = driver.isolation_of_reads(settings)
        engine = database.engine
        self._engine = engine.execution_options(isolation_level=isolation) if isolation else engine

    async def rows(self, query: Query) -> Sequence[Row[Any]]:
        """Run a statement that returns rows."""
        async with self._engine.begin() as connection:
            return (await connection.execute(*query)).all()

    async def count(self, query: Query) -> int:
        """Run a statement that returns none; how many rows it touched."""
        async with self._engine.begin() as connection:
            return (await connection.execute(*query)).rowcount
