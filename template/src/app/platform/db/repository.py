"""The base class of all repositories: the queries that every model needs. The service commits, not the repository."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from typing import Any, ClassVar, Generic, Self, TypeVar

from sqlalchemy import ColumnExpressionArgument, Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.interfaces import ORMOption

from app.platform.db import bulk, creating
from app.platform.db.base import Base
from app.platform.db.bulk import Items
from app.platform.db.copy_values import Row
from app.platform.db.creating import ReadT
from app.platform.db.mixins import SoftDelete, is_deleted, live_rows
from app.platform.db.pagination import (
    OffsetPage,
    OffsetRequest,
    Page,
    PageRequest,
    after_cursor,
    key_of,
    sorted_by,
    to_page,
)
from app.platform.db.reading import ReadQuery
from app.platform.db.selection import Selection
from app.platform.db.shapes import shape_of

ModelT = TypeVar("ModelT", bound=Base)
Condition = ColumnExpressionArgument[bool]


class AsyncRepository(Generic[ModelT]):
    """Queries for one aggregate. A subclass sets `model`, and has one method for each query of its own.

    Repositories never commit: the service does. `add`, `update` and `delete` flush, so that a violated constraint
    raises in the call that violates it.
    """

    model: ClassVar[type[Any]]

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._deleted = False

    def with_deleted(self) -> Self:
        """Return a repository that also finds the rows that are marked as deleted (`SoftDelete`)."""
        other = copy(self)
        other._deleted = True  # noqa: SLF001 - of the same class
        return other

    def read(self, read_model: type[ReadT]) -> ReadQuery[ReadT]:
        """Return a query whose rows become this read model, without entities: the usual way to read for an answer.

        Raises:
            TypeError: a field of the read model is neither a column nor a relationship of the model.
        """
        selection = Selection(shape_of(self.model, read_model), deleted=self._deleted)
        return ReadQuery(lambda: nullcontext(self._session), selection)

    async def get(self, key: Any, *options: ORMOption) -> ModelT | None:
        """Return the row with this primary key, without a query if the session has loaded it."""
        row: ModelT | None = await self._session.get(self.model, key, options=options)
        return None if not self._deleted and await is_deleted(self._session, row) else row

    async def get_one(self, *where: Condition) -> ModelT:
        """Return the only row that meets the conditions.

        Raises:
            sqlalchemy.exc.NoResultFound: no row meets them.
            sqlalchemy.exc.MultipleResultsFound: several rows meet them.
        """
        return (await self._session.scalars(self._select(*where))).unique().one()

    async def get_many(self, keys: Iterable[Any]) -> Sequence[ModelT]:
        """Return the rows with these primary keys, unsorted; unknown keys are ignored."""
        (key,) = self.model.__mapper__.primary_key
        return await self.list(key.in_(list(keys)))

    async def list(
        self,
        *where: Condition,
        order_by: Sequence[ColumnExpressionArgument[Any]] = (),
        limit: int | None = None,
        offset: int | None = None,
        options: Sequence[ORMOption] = (),
    ) -> Sequence[ModelT]:
        """Return the rows that meet the conditions."""
        query = self._select(*where).order_by(*order_by).limit(limit).offset(offset).options(*options)
        return (await self._session.scalars(query)).unique().all()

    async def page(self, request: PageRequest, *where: Condition, options: Sequence[ORMOption] = ()) -> Page[ModelT]:
        """Return one page of the rows that meet the conditions: newest first, or as the request's sorting says."""
        rows = await self.list(
            after_cursor(self.model, request),
            *where,
            order_by=sorted_by(self.model, request),
            limit=request.limit + 1,
            options=options,
        )
        return to_page(rows, request)

    async def offset_page(
        self,
        request: OffsetRequest,
        *where: Condition,
        order_by: Sequence[ColumnExpressionArgument[Any]] = (),
        options: Sequence[ORMOption] = (),
    ) -> OffsetPage[ModelT]:
        """Return one page of the rows that meet the conditions, and the number of all of them; two statements."""
        columns = [*order_by, *key_of(self.model)]
        rows = await self.list(*where, order_by=columns, limit=request.limit, offset=request.offset, options=options)
        return OffsetPage(list(rows), await self.count(*where))

    async def count(self, *where: Condition) -> int:
        """Return how many rows meet the conditions."""
        query = select(func.count()).select_from(self.model).where(*self._where(*where))
        return (await self._session.scalars(query)).one()

    async def exists(self, *where: Condition) -> bool:
        """Return whether any row meets the conditions."""
        query = select(exists(self._select(*where)))
        return (await self._session.scalars(query)).one()

    async def create(
        self, read_model: type[ReadT], row: Mapping[str, Any], /, **related: Sequence[Mapping[str, Any]]
    ) -> ReadT:
        """Insert a row, and rows that belong to it, without model instances; see `creating.create`."""
        return await creating.create(self._session, self.model, read_model, row, **related)

    async def add(self, row: ModelT) -> ModelT:
        """Insert the row, and set its attributes that the server computes."""
        self._session.add(row)
        await self._session.flush()
        return row

    async def add_all(self, rows: Iterable[ModelT]) -> None:
        """Insert the rows in as few statements as possible."""
        self._session.add_all(rows)
        await self._session.flush()

    async def insert_rows(self, rows: Items[Mapping[str, Any]]) -> int:
        """Insert the rows in chunks, without making model instances, and return their number."""
        return await bulk.insert_rows(self._session, self.model, rows)

    async def copy_rows(self, rows: Items[Row], *, columns: Sequence[str] | None = None) -> int:
        """Store the rows with COPY, the fastest way, and return their number; see `bulk.copy_rows`."""
        return await bulk.copy_rows(self._session, self.model, rows, columns=columns)

    async def bulk_update(self, rows: Items[Mapping[str, Any]], *, key: Sequence[str] = ()) -> int:
        """Update many rows with values of their own, and return the number of changed rows; see `bulk.bulk_update`."""
        return await bulk.bulk_update(self._session, self.model, rows, key=key)

    async def update(self, row: ModelT, **values: Any) -> ModelT:
        """Set these attributes of the row, and flush."""
        for name, value in values.items():
            setattr(row, name, value)
        await self._session.flush()
        return row

    async def delete(self, row: ModelT) -> None:
        """Delete the row; if its model has `SoftDelete`, mark it as deleted, and leave the rows that refer to it."""
        if isinstance(row, SoftDelete):
            await self.update(row, deleted_at=func.now())
            return
        await self._session.delete(row)
        await self._session.flush()

    async def stream(self, *where: Condition, batch: int = 1000) -> AsyncIterator[ModelT]:
        """Yield the rows that meet the conditions, at most `batch` in memory at a time; needs a transaction."""
        query = self._select(*where).execution_options(yield_per=batch)
        async for row in await self._session.stream_scalars(query):
            yield row

    def _select(self, *where: Condition) -> Select[ModelT]:
        return select(self.model).where(*self._where(*where))

    def _where(self, *where: Condition) -> tuple[Condition, ...]:
        return where if self._deleted else (*live_rows(self.model), *where)
