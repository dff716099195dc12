"""A database whose every commit can be taken back."""

from sqlalchemy.ext.asyncio import AsyncConnection

from app.platform.db.session import Database
from app.platform.settings import DatabaseSettings


class SavepointDatabase(Database):
    """All sessions share one connection and are savepoints in its transaction, which the test rolls back.

    One connection cannot serve two requests at once: tests that need that are marked `commits`.
    """

    def __init__(self, settings: DatabaseSettings, connection: AsyncConnection) -> None:
        super().__init__(settings)
        self._bind(connection, join_transaction_mode="create_savepoint")
