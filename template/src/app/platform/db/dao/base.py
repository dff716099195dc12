"""The base class of all DAOs: the queries that every model needs. Each call is a unit of work of its own."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy.orm.interfaces import ORMOption

from app.platform.db import bulk, creating
from app.platform.db.base import Base
from app.platform.db.bulk import Items, chunks
from app.platform.db.copy_values import Row
from app.platform.db.creating import ReadT
from app.platform.db.dao.builders import CountBuilder, QueryBuilder
from app.platform.db.dao.updates import UpdateBuilder
from app.platform.db.mixins import is_deleted
from app.platform.db.session import SessionProvider

ModelT = TypeVar("ModelT", bound=Base)


class BaseDAO(Generic[ModelT]):
    """Data access for one model. A subclass sets `model`, and has one method for each query of its own.

    Each call is a unit of work: it reads in autocommit mode, or writes and commits. To run several calls in one
    transaction, use `execute_transaction`, and build the DAO on the session provider that its callback gets.
    """

    model: ClassVar[type[Any]]

    def __init__(self, session_provider: SessionProvider) -> None:
        self._provider = session_provider

    @property
    def querier(self) -> QueryBuilder[ModelT]:
        """Return a builder of queries for rows."""
        return QueryBuilder(self._provider, self.model)

    @property
    def counter(self) -> CountBuilder[ModelT]:
        """Return a builder of queries that count rows."""
        return CountBuilder(self._provider, self.model)

    @property
    def updater(self) -> UpdateBuilder[ModelT]:
        """Return a builder of UPDATE statements."""
        return UpdateBuilder(self._provider, self.model)

    async def get(self, key: Any, *options: ORMOption) -> ModelT | None:
        """Return the row with this primary key, without a query if the open transaction has loaded it."""
        async with self._provider.read() as session:
            row: ModelT | None = await session.get(self.model, key, options=options)
            return None if await is_deleted(session, row) else row

    async def create(
        self, read_model: type[ReadT], row: Mapping[str, Any], /, **related: Sequence[Mapping[str, Any]]
    ) -> ReadT:
        """Insert a row, and rows that belong to it, without model instances; see `creating.create`."""
        async with self._provider.transaction() as session:
            return await creating.create(session, self.model, read_model, row, **related)

    async def insert_rows(self, rows: Items[Mapping[str, Any]]) -> int:
        """Insert all rows or none, without making model instances, and return their number.

        The rows are read and sent in chunks, so rows from a generator need not fit into memory.

        Raises:
            ValueError: a row has a key that is not a column.
        """
        async with self._provider.transaction() as session:
            return await bulk.insert_rows(session, self.model, rows)

    async def copy_rows(self, rows: Items[Row], *, columns: Sequence[str] | None = None) -> int:
        """Store all rows or none with COPY, the fastest way, and return their number; see `bulk.copy_rows`."""
        async with self._provider.transaction() as session:
            return await bulk.copy_rows(session, self.model, rows, columns=columns)

    async def bulk_update(self, rows: Items[Mapping[str, Any]], *, key: Sequence[str] = ()) -> int:
        """Update many rows with values of their own, and return the number of changed rows; see `bulk.bulk_update`."""
        async with self._provider.transaction() as session:
            return await bulk.bulk_update(session, self.model, rows, key=key)

    async def insert_instances(self, instances: Iterable[ModelT]) -> Sequence[ModelT]:
        """Insert all instances or none, with their related instances, and set the values that the server computes."""
        inserted: list[ModelT] = []
        async with self._provider.transaction() as session:
            async for chunk in chunks(instances):
                session.add_all(chunk)
                await session.flush()
                inserted += chunk
        return inserted
