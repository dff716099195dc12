"""Which rows a read wants, and the statements for them: built once for each set of filters."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    ColumnExpressionArgument,
    Integer,
    Select,
    bindparam,
    func,
    select,
    tuple_,
)

from app.platform.db import filters
from app.platform.db.fields import column_of
from app.platform.db.filters import Condition
from app.platform.db.mixins import SoftDelete
from app.platform.db.pagination import Cursor, PageRequest, after_cursor, key_of
from app.platform.db.shapes import Shape

Change = Callable[[Select[Any]], Select[Any]]

# the operators whose value may be a parameter of a statement that is built once
_WITH_PARAMETER = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "like", "ilike", "in", "not_in"})
_LISTS = frozenset({"in", "not_in"})


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Rows of a model. Immutable: every step returns a new selection.

    Attributes:
        shape: the columns to select.
        filters: columns and operators of the filters whose values are parameters.
        values: these values.
        conditions: all other conditions.
        sorted_by: the columns to sort by.
        limit: the most rows.
        offset: the rows to skip.
        deleted: whether rows that are marked as deleted belong to it.
    """

    shape: Shape
    filters: tuple[tuple[str, str], ...] = ()
    values: tuple[Any, ...] = ()
    conditions: tuple[Condition, ...] = ()
    sorted_by: tuple[ColumnExpressionArgument[Any], ...] = ()
    limit: int | None = None
    offset: int | None = None
    deleted: bool = False

    def filtered(self, **wanted: Any) -> Self:
        """Return only rows whose columns also match.

        Raises:
            ValueError: the column or the operator does not exist.
        """
        names, values, conditions = list(self.filters), list(self.values), list(self.conditions)
        for name, value in wanted.items():
            column, operator = filters.split(self.shape.model, name)
            if operator in _WITH_PARAMETER and not (value is None or isinstance(value, ClauseElement)):
                names.append((column, operator))
                values.append(list(value) if operator in _LISTS else value)
            else:
                conditions.append(filters.compare(column_of(self.shape.model, column), operator, value))
        return replace(self, filters=tuple(names), values=tuple(values), conditions=tuple(conditions))

    def sorted(self, *columns: ColumnExpressionArgument[Any]) -> Self:
        """Sort by these columns what is equal so far."""
        return replace(self, sorted_by=(*self.sorted_by, *columns))

    def sorted_by_key(self) -> Self:
        """Sort by the primary key what is equal so far."""
        return self.sorted(*key_of(self.shape.model))

    @property
    def prebuilt(self) -> bool:
        """Whether the statements are built once, and the same for any values."""
        if self.conditions or self.sorted_by or not self.shape.prebuilt:
            return False
        names = self.shape.attributes
        return all(operator not in _LISTS and name in names for name, operator in self.filters)

    @property
    def finds_one(self) -> bool:
        """Whether the filters name the whole primary key, so that there is at most one row."""
        wanted = {name for name, operator in self.filters if operator == "eq"}
        return self.limit is None and self.offset is None and wanted.issuperset(self.shape.key_names)

    def statement(self, kind: str, change: Change = lambda query: query) -> Select[Any]:
        """Return the statement that selects the rows; `change` makes one of this kind of it."""

        def build(query: Select[Any]) -> Select[Any]:
            query = change(query).where(*self._where()).order_by(*self.sorted_by)
            if self.limit is not None:
                query = query.limit(bindparam("limit", type_=Integer))
            return query if self.offset is None else query.offset(bindparam("offset", type_=Integer))

        if self.conditions or self.sorted_by:
            return build(self.shape.plain())
        key = (kind, self.filters, self.limit is None, self.offset is None, self.deleted)
        return self.shape.statement(key, build)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the statement."""
        values = {f"value_{number}": value for number, value in enumerate(self.values)}
        if self.limit is not None:
            values["limit"] = self.limit
        if self.offset is not None:
            values["offset"] = self.offset
        return values

    def count(self) -> Select[Any]:
        """Return the statement that counts all rows, whatever limit and offset are."""
        return select(func.count()).select_from(self.shape.model).where(*self._where())

    def page(self, request: PageRequest) -> tuple[Select[Any], dict[str, Any]]:
        """Return the statement of a page, with one row more than its limit, and its parameters.

        Raises:
            ValueError: the cursor belongs to another sorting, or the sorting to another model.
        """
        rows = replace(self, limit=request.limit + 1)
        if request.sorting is None and isinstance(request.after, Cursor | None):
            return rows._newest_first(request.after)  # noqa: SLF001 (of the same class)
        condition = after_cursor(self.shape.model, request)
        sorting = request.sorting
        rows = replace(rows, conditions=(*rows.conditions, condition)).sorted(*(sorting.columns if sorting else ()))
        names = (sorting.key, "id") if sorting else ()
        return rows.statement("sorted", lambda query: query.add_columns(*self._absent(*names))), rows.parameters()

    def _newest_first(self, after: Cursor | None) -> tuple[Select[Any], dict[str, Any]]:
        created_at, key = column_of(self.shape.model, "created_at"), column_of(self.shape.model, "id")

        def change(query: Select[Any]) -> Select[Any]:
            query = query.add_columns(*self._absent("created_at", "id"))
            if after:
                position = (bindparam("after_at", type_=created_at.type), bindparam("after_id", type_=key.type))
                query = query.where(tuple_(created_at, key) < tuple_(*position))
            return query.order_by(created_at.desc(), key.desc())

        parameters = self.parameters()
        if after:
            parameters |= {"after_at": after.created_at, "after_id": after.id}
        return self.statement("after" if after else "newest", change), parameters

    def _absent(self, *names: str) -> Iterator[ColumnElement[Any]]:
        """Yield the columns with these names that the rows lack, or have under other names, for the cursor."""
        selected = {id(each) for each in self.shape.columns}
        for name in names:
            column = column_of(self.shape.model, name)
            if id(column) not in selected or column.key != name:
                yield column.label(name)

    def _where(self) -> Iterator[Condition]:
        model = self.shape.model
        if issubclass(model, SoftDelete) and not self.deleted:
            yield column_of(model, "deleted_at").is_(None)
        for number, (name, operator) in enumerate(self.filters):
            column = column_of(model, name)
            parameter = bindparam(f"value_{number}", type_=column.type, expanding=operator in _LISTS)
            yield filters.compare(column, operator, parameter)
        yield from self.conditions
