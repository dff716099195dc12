"""Builders of queries and counts; `updates.py` has the builders of updates.

Builders are immutable: every step returns a new builder, so several queries can share their first steps. Only the last
call (`all`, `count`, ...) sends the query. It is one unit of work, and the rows it returns need no session.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel
from sqlalchemy import (
    ColumnExpressionArgument,
    ScalarResult,
    Select,
    exists,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncScalarResult, AsyncSession
from sqlalchemy.orm.interfaces import ORMOption

from app.platform.db.base import Base
from app.platform.db.dao.filters import Condition, condition
from app.platform.db.mixins import live_rows
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
from app.platform.db.session import SessionProvider
from app.platform.db.shapes import shape_of

ModelT = TypeVar("ModelT", bound=Base)
ReadT = TypeVar("ReadT", bound=BaseModel)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, eq=False)
class Builder(Generic[ModelT]):
    """The base of all builders: a model, and the conditions that its rows must meet."""

    _provider: SessionProvider
    _model: type[ModelT]
    _conditions: tuple[Condition, ...] = ()
    _deleted: bool = False

    def with_deleted(self) -> Self:
        """Select also the rows that are marked as deleted (`SoftDelete`)."""
        return replace(self, _deleted=True)

    def where(self, *conditions: Condition) -> Self:
        """Select only rows that also meet these conditions."""
        return replace(self, _conditions=(*self._conditions, *conditions))

    def filter(self, **filters: Any) -> Self:
        """Select only rows whose columns also match: `filter(status="paid", total_cents__ge=1000)`.

        Raises:
            ValueError: the column or the operator does not exist.
        """
        return self.where(*(condition(self._model, name, value) for name, value in filters.items()))

    def _where(self) -> tuple[Condition, ...]:
        return self._conditions if self._deleted else (*live_rows(self._model), *self._conditions)


@dataclass(frozen=True, slots=True, eq=False)
class QueryBuilder(Builder[ModelT]):
    """Builds a SELECT of whole rows."""

    _order: tuple[ColumnExpressionArgument[Any], ...] = ()
    _limit: int | None = None
    _offset: int | None = None
    _options: tuple[ORMOption, ...] = ()
    _lock: dict[str, bool] | None = None

    def order_by(self, *columns: ColumnExpressionArgument[Any]) -> Self:
        """Sort by these columns; a second call sorts rows that the first call leaves equal."""
        return replace(self, _order=(*self._order, *columns))

    def limit(self, count: int) -> Self:
        """Select at most `count` rows."""
        return replace(self, _limit=count)

    def offset(self, count: int) -> Self:
        """Skip the first `count` rows."""
        return replace(self, _offset=count)

    def options(self, *options: ORMOption) -> Self:
        """Add loader options, such as `selectinload(Parent.children)`."""
        return replace(self, _options=(*self._options, *options))

    def for_update(self, *, nowait: bool = False, skip_locked: bool = False) -> Self:
        """Lock the rows until the transaction ends, and load their values after locking.

        Only allowed inside `execute_transaction`.
        """
        return replace(self, _lock={"nowait": nowait, "skip_locked": skip_locked})

    def as_(self, read_model: type[ReadT]) -> ReadQuery[ReadT]:
        """Return a query whose rows become this read model, without entities: the usual way to read for an answer.

        Its own `filter` is the fast one, so call it first: `querier.as_(UserRead).filter(id=user_id).one_or_none()`.

        Raises:
            TypeError: a field of the read model is neither a column nor a relationship of the model.
            ValueError: the query locks rows or has loader options, which are for entities.
        """
        if self._lock is not None or self._options:
            message = "as_() reads columns: for_update() and options() are for entities"
            raise ValueError(message)
        selection = Selection(
            shape_of(self._model, read_model),
            conditions=self._conditions,
            sorted_by=self._order,
            limit=self._limit,
            offset=self._offset,
            deleted=self._deleted,
        )
        return ReadQuery(self._provider.read, selection)

    async def all(self) -> Sequence[ModelT]:
        """Return all rows."""
        return await self._fetch(ScalarResult.all)

    async def first(self) -> ModelT | None:
        """Return the first row; `None` if there is none."""
        return next(iter(await self.limit(1).all()), None)

    async def one(self) -> ModelT:
        """Return the only row.

        Raises:
            sqlalchemy.exc.NoResultFound: there is no row.
            sqlalchemy.exc.MultipleResultsFound: there are several rows.
        """
        return await self._fetch(ScalarResult.one)

    async def one_or_none(self) -> ModelT | None:
        """Return the only row; `None` if there is none.

        Raises:
            sqlalchemy.exc.MultipleResultsFound: there are several rows.
        """
        return await self._fetch(ScalarResult.one_or_none)

    async def page(self, request: PageRequest) -> Page[ModelT]:
        """Return one page of the rows: newest first, or as the request's sorting says.

        Raises:
            ValueError: the query has an order, a limit or an offset, but a page sets these itself.
        """
        if self._order or self._limit is not None or self._offset is not None:
            message = "page() has an order and a limit of its own: leave out order_by, limit and offset"
            raise ValueError(message)
        query = self.where(after_cursor(self._model, request)).order_by(*sorted_by(self._model, request))
        return to_page(await query.limit(request.limit + 1).all(), request)

    async def offset_page(self, request: OffsetRequest) -> OffsetPage[ModelT]:
        """Return one page of the rows, in the order of `order_by`, and the number of all of them; two statements.

        Raises:
            ValueError: the query has a limit or an offset, but a page sets these itself.
        """
        if self._limit is not None or self._offset is not None:
            message = "offset_page() has a limit and an offset of its own: leave out limit and offset"
            raise ValueError(message)
        query = self.order_by(*key_of(self._model)).limit(request.limit).offset(request.offset)
        counter = CountBuilder(self._provider, self._model, self._conditions, self._deleted)
        return OffsetPage(list(await query.all()), await counter.count())

    @asynccontextmanager
    async def stream(self, *, batch: int = 1000) -> AsyncIterator[AsyncScalarResult[ModelT]]:
        """Stream the rows, at most `batch` in memory: `async with query.stream() as rows: async for row in rows`.

        Opens a transaction of its own, because the server's cursor needs one.
        """
        async with self._provider.transaction() as session:
            rows = await session.stream_scalars(self._statement(session).execution_options(yield_per=batch))
            try:
                yield rows
            finally:
                await rows.close()

    async def _fetch(self, take: Callable[[ScalarResult[ModelT]], ResultT]) -> ResultT:
        async with self._provider.read() as session:
            return take((await session.scalars(self._statement(session))).unique())

    def _statement(self, session: AsyncSession) -> Select[ModelT]:
        query = select(self._model).where(*self._where()).order_by(*self._order).options(*self._options)
        query = query.limit(self._limit).offset(self._offset)
        if self._lock is None:
            return query
        if not session.in_transaction():
            message = "for_update() outside of execute_transaction: the lock would be gone before you see the row"
            raise RuntimeError(message)
        # rows that the transaction loaded before it had the lock may be out of date
        return query.with_for_update(of=self._model, **self._lock).execution_options(populate_existing=True)


@dataclass(frozen=True, slots=True, eq=False)
class CountBuilder(Builder[ModelT]):
    """Builds queries that count rows without fetching them."""

    async def count(self) -> int:
        """Return the number of rows."""
        async with self._provider.read() as session:
            query = select(func.count()).select_from(self._model).where(*self._where())
            return (await session.scalars(query)).one()

    async def exists(self) -> bool:
        """Return whether there is any row."""
        async with self._provider.read() as session:
            return (await session.scalars(select(exists(select(self._model).where(*self._where()))))).one()
