"""The base of all repositories: the queries every model needs, on a session that somebody else commits."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import ColumnExpressionArgument, Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.interfaces import ORMOption

from app.platform.db.base import Base
from app.platform.db.pagination import Page, PageRequest, behind, cut, newest_first

ModelT = TypeVar("ModelT", bound=Base)
Condition = ColumnExpressionArgument[bool]


class AsyncRepository(Generic[ModelT]):
    """Queries for one aggregate. Give a subclass its `model`, and a method for every query that has a name.

    Nothing here commits: the service owns the transaction. `add`, `update` and `delete` flush, so that a constraint
    speaks up where it is violated.
    """

    model: ClassVar[type[Any]]

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, key: Any, *options: ORMOption) -> ModelT | None:
        """The row with this primary key, from the session when it is there already."""
        row: ModelT | None = await self._session.get(self.model, key, options=options)
        return row

    async def get_one(self, *where: Condition) -> ModelT:
        """The one row that meets the conditions.

        Raises:
            sqlalchemy.exc.NoResultFound: there is none.
            sqlalchemy.exc.MultipleResultsFound: there are several.
        """
        return (await self._session.scalars(self._select(*where))).unique().one()

    async def get_many(self, keys: Iterable[Any]) -> Sequence[ModelT]:
        """The rows with these primary keys, in no certain order; unknown keys are left out."""
        (key,) = self.model.__mapper__.primary_key
        return await self.list(key.in_(list(keys)))

    async def list(
        self,
        *where: Condition,
        order_by: Sequence[ColumnExpressionArgument[Any]] = (),
        limit: int | None = None,
        options: Sequence[ORMOption] = (),
    ) -> Sequence[ModelT]:
        """The rows that meet the conditions."""
        query = self._select(*where).order_by(*order_by).limit(limit).options(*options)
        return (await self._session.scalars(query)).unique().all()

    async def page(self, request: PageRequest, *where: Condition, options: Sequence[ORMOption] = ()) -> Page[ModelT]:
        """One page of the rows that meet the conditions, newest first."""
        rows = await self.list(
            behind(self.model, request.after),
            *where,
            order_by=newest_first(self.model),
            limit=request.limit + 1,
            options=options,
        )
        return cut(rows, request.limit)

    async def count(self, *where: Condition) -> int:
        """How many rows meet the conditions."""
        query = select(func.count()).select_from(self.model).where(*where)
        return (await self._session.scalars(query)).one()

    async def exists(self, *where: Condition) -> bool:
        """Whether any row meets the conditions."""
        query = select(exists(select(self.model).where(*where)))
        return (await self._session.scalars(query)).one()

    async def add(self, row: ModelT) -> ModelT:
        """Insert the row; what the server computes is on it afterwards."""
        self._session.add(row)
        await self._session.flush()
        return row

    async def add_all(self, rows: Iterable[ModelT]) -> None:
        """Insert the rows in as few statements as possible."""
        self._session.add_all(rows)
        await self._session.flush()

    async def update(self, row: ModelT, **values: Any) -> ModelT:
        """Change the row."""
        for name, value in values.items():
            setattr(row, name, value)
        await self._session.flush()
        return row

    async def delete(self, row: ModelT) -> None:
        """Remove the row."""
        await self._session.delete(row)
        await self._session.flush()

    async def stream(self, *where: Condition, batch: int = 1000) -> AsyncIterator[ModelT]:
        """All rows that meet the conditions, with at most `batch` of them in memory; needs a transaction."""
        query = self._select(*where).execution_options(yield_per=batch)
        async for row in await self._session.stream_scalars(query):
            yield row

    def _select(self, *where: Condition) -> Select[ModelT]:
        return select(self.model).where(*where)
