"""Reads over columns: rows become read models in one validation, without entities of the ORM in between.

A query selects the columns that the fields of a read model name. A field that is itself a read model, or a list of
them, names a relationship, whose rows come with one more statement, or in the same one if a single row is wanted. Each
query is one step of the event loop.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel
from sqlalchemy import ColumnExpressionArgument
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.filters import Condition
from app.platform.db.one_step import in_one_step
from app.platform.db.pagination import OffsetPage, OffsetRequest, Page, PageRequest, to_page
from app.platform.db.rows import Rows, Run
from app.platform.db.selection import Selection

ReadT = TypeVar("ReadT", bound=BaseModel)
ResultT = TypeVar("ResultT")

Opening = Callable[[], AbstractAsyncContextManager[AsyncSession]]


@dataclass(frozen=True, slots=True, eq=False)
class ReadQuery(Generic[ReadT]):
    """Reads rows of a model as read models. Immutable: every step returns a new query.

    `filter` is the fast way to select rows: its statements are built once. `where` and `order_by` take any expression,
    and build the statement each time.
    """

    _open: Opening
    _rows: Selection

    def with_deleted(self) -> Self:
        """Select also the rows that are marked as deleted (`SoftDelete`)."""
        return self._with(replace(self._rows, deleted=True))

    def filter(self, **wanted: Any) -> Self:
        """Select only rows whose columns also match: `filter(status="paid", total_cents__ge=1000)`.

        Raises:
            ValueError: the column or the operator does not exist.
        """
        return self._with(self._rows.filtered(**wanted))

    def where(self, *conditions: Condition) -> Self:
        """Select only rows that also meet these conditions."""
        return self._with(replace(self._rows, conditions=(*self._rows.conditions, *conditions)))

    def order_by(self, *columns: ColumnExpressionArgument[Any]) -> Self:
        """Sort by these columns; a second call sorts rows that the first call leaves equal."""
        return self._with(self._rows.sorted(*columns))

    def limit(self, count: int) -> Self:
        """Select at most `count` rows."""
        return self._with(replace(self._rows, limit=count))

    def offset(self, count: int) -> Self:
        """Skip the first `count` rows."""
        return self._with(replace(self._rows, offset=count))

    async def all(self) -> list[ReadT]:
        """Return all rows."""
        return await self._in_one_step(self._load_all, prebuilt=self._rows.prebuilt)

    async def first(self) -> ReadT | None:
        """Return the first row; `None` if there is none."""
        return next(iter(await self.limit(1).all()), None)

    async def one(self) -> ReadT:
        """Return the only row.

        Raises:
            sqlalchemy.exc.NoResultFound: there is no row.
            sqlalchemy.exc.MultipleResultsFound: there are several rows.
        """
        row = await self.one_or_none()
        if row is None:
            raise NoResultFound("no row was found when one was required")
        return row

    async def one_or_none(self) -> ReadT | None:
        """Return the only row; `None` if there is none.

        Raises:
            sqlalchemy.exc.MultipleResultsFound: there are several rows.
        """
        if self._rows.finds_one:
            load = self._load_joined if self._rows.shape.join else self._load_all
            found = await self._in_one_step(load, prebuilt=self._rows.prebuilt)
        else:
            found = await self.limit(2).all()
        if len(found) > 1:
            raise MultipleResultsFound("several rows were found when one or none was required")
        return found[0] if found else None

    async def page(self, request: PageRequest) -> Page[ReadT]:
        """Return one page of the rows: newest first, or as the request's sorting says.

        Raises:
            ValueError: the query has an order, a limit or an offset, but a page sets these itself; or the cursor
                belongs to another sorting.
        """
        if self._rows.sorted_by or self._rows.limit is not None or self._rows.offset is not None:
            message = "page() has an order and a limit of its own: leave out order_by, limit and offset"
            raise ValueError(message)
        statement, parameters = self._rows.page(request)

        def load(run: Run) -> Page[ReadT]:
            page = to_page(run(statement, parameters), request)
            return Page(self._validated(run, page.items), page.next_cursor)

        return await self._in_one_step(load, prebuilt=self._rows.prebuilt and request.sorting is None)

    async def offset_page(self, request: OffsetRequest) -> OffsetPage[ReadT]:
        """Return one page of the rows, in the order of `order_by`, and the number of all of them; two statements.

        Raises:
            ValueError: the query has a limit or an offset, but a page sets these itself.
        """
        if self._rows.limit is not None or self._rows.offset is not None:
            message = "offset_page() has a limit and an offset of its own: leave out limit and offset"
            raise ValueError(message)
        rows = replace(self._rows.sorted_by_key(), limit=request.limit, offset=request.offset)
        count, parameters = self._rows.count(), self._rows.parameters()

        def load(run: Run) -> OffsetPage[ReadT]:
            found = run(rows.statement("rows"), rows.parameters())
            ((total,),) = run(count, parameters)
            return OffsetPage(self._validated(run, found), total)

        return await self._in_one_step(load, prebuilt=False)

    def _with(self, rows: Selection) -> Self:
        return type(self)(self._open, rows)

    async def _in_one_step(self, work: Callable[[Run], ResultT], *, prebuilt: bool) -> ResultT:
        async with self._open() as session:
            return await in_one_step(session, work, prebuilt=prebuilt)

    def _load_all(self, run: Run) -> list[ReadT]:
        return self._validated(run, run(self._rows.statement("rows"), self._rows.parameters()))

    def _load_joined(self, run: Run) -> list[ReadT]:
        shape = self._rows.shape
        statement = self._rows.statement("joined", shape.join or (lambda query: query))
        return shape.adapter.validate_python(shape.load_joined(run(statement, self._rows.parameters())))

    def _validated(self, run: Run, rows: Rows) -> list[ReadT]:
        shape = self._rows.shape
        return shape.adapter.validate_python(shape.load(run, rows))
