"""A row and the rows that belong to it, inserted by one statement that commits by itself: one round trip."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import Engine, Insert, Table, bindparam, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapper

from app.platform.db import errors
from app.platform.db.rows import Cursors, Values
from app.platform.db.shapes import Relation, Shape
from app.platform.errors import OutcomeUnknown
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

MOST_RELATED = 16
"""How many related rows one statement inserts: for each number it is another one, which the server has to prepare."""

Related = tuple[Relation, Sequence[Values]]
"""A relationship and its rows, one or more, which all have the same columns."""


def insert_alone(engine: Engine, shape: Shape, row: Values, related: Sequence[Related]) -> Sequence[Any]:
    """Insert the row and the related rows, all or nothing, and return the shape's columns of the row.

    Raises:
        OutcomeUnknown: the connection was lost meanwhile.
        sqlalchemy.exc.DBAPIError: as for any statement.
    """
    parts = tuple((relation, tuple(rows[0]), len(rows)) for relation, rows in related)
    values = dict(row)
    for relation, rows in related:
        for number, each in enumerate(rows):
            for name, value in each.items():
                values[f"{relation.name} {number} {name}"] = value
    try:
        with Cursors(engine) as run:
            (inserted,) = run(_statement(shape, tuple(row), parts), values)
    except DBAPIError as error:
        if errors.outcome_of_statement_is_unknown(error):
            log.warning("outcome_unknown", reason=summary(error))
            raise OutcomeUnknown from error
        raise
    return inserted  # type: ignore[no-any-return]


def with_defaults(shape: Shape, row: Values) -> dict[str, Any]:
    """Return the row with the defaults that Python makes; the server makes the others."""
    defaults = _defaults(shape)
    # a function may look at a column whose default is made after it
    values = {name: None for name, _ in defaults} | dict(row)
    for name, default in defaults:
        if name not in row:
            values[name] = default.arg(_DefaultContext(values)) if default.is_callable else default.arg
    return values


def has_default(shape: Shape, name: str) -> bool:
    """Return whether Python makes the default of this column."""
    return any(name == each for each, _ in _defaults(shape))


def table_of(shape: Shape) -> Table:
    """Return the table of the shape's model.

    Raises:
        TypeError: the model inherits, so that its rows may be in several tables.
    """
    mapper: Mapper[Any] = shape.model.__mapper__
    if mapper.inherits or mapper.polymorphic_on is not None:
        message = f"{shape.model.__name__} inherits: add an instance of it instead"
        raise TypeError(message)
    table: Table = shape.model.__table__
    return table


class _DefaultContext:
    """What functions for defaults may ask for."""

    def __init__(self, values: Values) -> None:
        self.current_parameters = values

    def get_current_parameters(self, *_: object, **__: object) -> Values:
        return self.current_parameters


@lru_cache(maxsize=1024)
def _defaults(shape: Shape) -> Sequence[tuple[str, Any]]:
    defaults: Mapping[str, Any] = {str(column.key): column.default for column in table_of(shape).columns}
    return [(name, each) for name, each in defaults.items() if each and (each.is_scalar or each.is_callable)]


# built once for each set of columns, so that it is compiled once
@lru_cache(maxsize=1024)
def _statement(
    shape: Shape, names: tuple[str, ...], related: tuple[tuple[Relation, tuple[str, ...], int], ...]
) -> Insert:
    """Return the INSERT of the row; those of the related rows are CTEs of it.

    The foreign keys are checked after all of them.
    """
    statement = insert(table_of(shape)).values({name: bindparam(name) for name in names})
    for place, (relation, columns, count) in enumerate(related):
        table = table_of(relation.shape)
        rows: list[dict[str, Any]] = [
            {name: bindparam(f"{relation.name} {number} {name}", type_=table.c[name].type) for name in columns}
            for number in range(count)
        ]
        # no table has this name: a CTE hides the table of its name from the columns that are returned
        statement = statement.add_cte(insert(table).values(rows).cte(f"related rows {place}"))
    return statement.returning(*shape.columns)
