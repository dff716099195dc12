"""A database for tests that undoes every commit."""

from sqlalchemy.ext.asyncio import AsyncConnection

from app.platform.db.session import Database
from app.platform.settings import DatabaseSettings


class SavepointDatabase(Database):
    """All sessions share one connection. They are savepoints in its transaction, which the test rolls back.

    One connection cannot serve two requests at once: tests with concurrent requests need the marker `commits`.
    """

    def __init__(self, settings: DatabaseSettings, connection: AsyncConnection) -> None:
        super().__init__(settings)
        self._bind(connection, join_transaction_mode="create_savepoint")
