"""Queries and counts that are put together step by step; `updates.py` has the updates.

A builder never changes: every step returns a new one, so a common beginning can be kept, shared and continued in many
ways. Nothing is sent before a builder is asked for a result; that is one unit of work, and its rows need no session.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

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
from app.platform.db.pagination import Page, PageRequest, behind, cut, newest_first
from app.platform.db.session import SessionProvider

ModelT = TypeVar("ModelT", bound=Base)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, eq=False)
class Builder(Generic[ModelT]):
    """The rows of a model that meet all conditions."""

    _provider: SessionProvider
    _model: type[ModelT]
    _conditions: tuple[Condition, ...] = ()

    def where(self, *conditions: Condition) -> Self:
        """Only rows that meet these conditions, too."""
        return replace(self, _conditions=(*self._conditions, *conditions))

    def filter(self, **filters: Any) -> Self:
        """Only rows whose columns compare like this, too: `filter(status="paid", total_cents__ge=1000)`.

        Raises:
            ValueError: the model has no such column, or there is no such operator.
        """
        return self.where(*(condition(self._model, name, value) for name, value in filters.items()))


@dataclass(frozen=True, slots=True, eq=False)
class QueryBuilder(Builder[ModelT]):
    """A SELECT of whole rows."""

    _order: tuple[ColumnExpressionArgument[Any], ...] = ()
    _limit: int | None = None
    _offset: int | None = None
    _options: tuple[ORMOption, ...] = ()
    _lock: dict[str, bool] | None = None

    def order_by(self, *columns: ColumnExpressionArgument[Any]) -> Self:
        """In this order; a second call sorts within the first."""
        return replace(self, _order=(*self._order, *columns))

    def limit(self, count: int) -> Self:
        """At most so many rows."""
        return replace(self, _limit=count)

    def offset(self, count: int) -> Self:
        """Without the first rows."""
        return replace(self, _offset=count)

    def options(self, *options: ORMOption) -> Self:
        """With loader options, such as `selectinload(Parent.children)`."""
        return replace(self, _options=(*self._options, *options))

    def for_update(self, *, nowait: bool = False, skip_locked: bool = False) -> Self:
        """Locked until the transaction ends, as they are once we have the lock; only inside `execute_transaction`."""
        return replace(self, _lock={"nowait": nowait, "skip_locked": skip_locked})

    async def all(self) -> Sequence[ModelT]:
        """All rows."""
        return await self._fetch(ScalarResult.all)

    async def first(self) -> ModelT | None:
        """The first row in the given order."""
        return next(iter(await self.limit(1).all()), None)

    async def one(self) -> ModelT:
        """The only row.

        Raises:
            sqlalchemy.exc.NoResultFound: there is none.
            sqlalchemy.exc.MultipleResultsFound: there are several.
        """
        return await self._fetch(ScalarResult.one)

    async def one_or_none(self) -> ModelT | None:
        """The only row, `None` when there is none.

        Raises:
            sqlalchemy.exc.MultipleResultsFound: there are several.
        """
        return await self._fetch(ScalarResult.one_or_none)

    async def page(self, request: PageRequest) -> Page[ModelT]:
        """One page of the rows, newest first.

        Raises:
            ValueError: the query has an order, a limit or an offset, which a page has of its own.
        """
        if self._order or self._limit is not None or self._offset is not None:
            message = "page() has an order and a limit of its own: leave out order_by, limit and offset"
            raise ValueError(message)
        query = self.where(behind(self._model, request.after)).order_by(*newest_first(self._model))
        return cut(await query.limit(request.limit + 1).all(), request.limit)

    @asynccontextmanager
    async def stream(self, *, batch: int = 1000) -> AsyncIterator[AsyncScalarResult[ModelT]]:
        """All rows, with at most `batch` of them in memory: `async with query.stream() as rows: async for row in rows`.

        In a transaction of its own, because that is where a server keeps a cursor.
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
        query = select(self._model).where(*self._conditions).order_by(*self._order).options(*self._options)
        query = query.limit(self._limit).offset(self._offset)
        if self._lock is None:
            return query
        if not session.in_transaction():
            message = "for_update() outside of execute_transaction: the lock would be gone before you see the row"
            raise RuntimeError(message)
        # what the transaction read before it had the lock may be out of date
        return query.with_for_update(of=self._model, **self._lock).execution_options(populate_existing=True)


@dataclass(frozen=True, slots=True, eq=False)
class CountBuilder(Builder[ModelT]):
    """A question about rows that does not fetch them."""

    async def count(self) -> int:
        """How many rows there are."""
        async with self._provider.read() as session:
            query = select(func.count()).select_from(self._model).where(*self._conditions)
            return (await session.scalars(query)).one()

    async def exists(self) -> bool:
        """Whether there is any row."""
        async with self._provider.read() as session:
            return (await session.scalars(select(exists(select(self._model).where(*self._conditions))))).one()
