"""Builders of UPDATE statements."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from sqlalchemy import CursorResult, Update, update
from sqlalchemy.orm.interfaces import ORMOption

from app.platform.db.dao.builders import Builder, ModelT


@dataclass(frozen=True, slots=True, eq=False)
class _Update(Builder[ModelT]):
    _values: dict[str, Any] = field(default_factory=dict)

    def values(self, **values: Any) -> Self:
        """Set these columns to values or SQL expressions; the audit columns are set automatically."""
        return replace(self, _values=self._values | values)

    def _statement(self) -> Update:
        if not self._conditions:
            message = f"update of {self._model.__name__} without a condition; if you mean all rows, say where(true())"
            raise ValueError(message)
        if not self._values:
            message = f"update of {self._model.__name__} without values"
            raise ValueError(message)
        return update(self._model).where(*self._where()).values(self._values)


class UpdateBuilder(_Update[ModelT]):
    """Builds an UPDATE that changes rows in one statement, without fetching them."""

    __slots__ = ()

    def returning(self, *options: ORMOption) -> "ReturningUpdate[ModelT]":
        """Return the changed rows, loaded with these options (`selectinload`, not `joinedload`)."""
        return ReturningUpdate(self._provider, self._model, self._conditions, self._deleted, self._values, options)

    async def execute(self) -> int:
        """Run the UPDATE, and return the number of changed rows.

        Raises:
            ValueError: the update has no condition or no values.
        """
        query = self._statement()
        async with self._provider.transaction() as session:
            if any(isinstance(row, self._model) for row in session):
                # RETURNING refreshes the session's instances, which could not load server-computed values later
                return len((await session.scalars(query.returning(self._model))).all())
            result = await session.execute(query, execution_options={"synchronize_session": False})
            return cast("CursorResult[Any]", result).rowcount


@dataclass(frozen=True, slots=True, eq=False)
class ReturningUpdate(_Update[ModelT]):
    """Builds an UPDATE that returns the changed rows."""

    _options: tuple[ORMOption, ...] = ()

    async def execute(self) -> Sequence[ModelT]:
        """Run the UPDATE, and return the changed rows, unsorted.

        Raises:
            ValueError: the update has no condition or no values.
        """
        query = self._statement().returning(self._model).options(*self._options)
        fresh = {"synchronize_session": False, "populate_existing": True}
        async with self._provider.transaction() as session:
            return (await session.scalars(query, execution_options=fresh)).all()
