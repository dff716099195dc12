"""Single statements that write, each a transaction by itself and a single round trip."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, Row

from app.config import DatabaseSettings
from app.db import driver
from app.db.session import Database


class Statements:
    """Runs them on connections of the pool; without sessions, because nothing is joined to anything."""

    def __init__(self, database: Database, settings: DatabaseSettings) -> None:
        isolation = driver.isolation_of_reads(settings)
        engine = database.engine
        self._engine = engine.execution_options(isolation_level=isolation) if isolation else engine

    async def rows(self, statement: Executable) -> Sequence[Row[Any]]:
        """Run a statement that returns rows."""
        async with self._engine.begin() as connection:
            return (await connection.execute(statement)).all()

    async def count(self, statement: Executable) -> int:
        """Run a statement that returns none; how many rows it touched."""
        async with self._engine.begin() as connection:
            return (await connection.execute(statement)).rowcount
