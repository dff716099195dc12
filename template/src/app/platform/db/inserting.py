"""A row and the rows that belong to it, inserted by one statement that commits by itself: one round trip."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import (
    ARRAY,
    UUID,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Engine,
    Insert,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeEngine

from app.platform.db import errors
from app.platform.db.rows import Cursors, Values
from app.platform.db.shapes import Relation, Shape
from app.platform.errors import OutcomeUnknown
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

# not their subclasses, such as Enum, whose arrays need more
_IN_ARRAYS = frozenset({BigInteger, Boolean, Date, DateTime, Integer, Numeric, SmallInteger, String, Text, UUID, Uuid})

# a relationship, and the columns of its rows
Related = tuple[Relation, Mapping[str, list[Any]]]


def insert_alone(engine: Engine, shape: Shape, row: Values, related: Sequence[Related]) -> Sequence[Any]:
    """Insert the row and the related rows, all or nothing, and return the shape's columns of the row.

    Raises:
        OutcomeUnknown: the connection was lost meanwhile.
        sqlalchemy.exc.DBAPIError: as for any statement.
    """
    statement = _statement(shape, tuple(row), tuple((relation, tuple(columns)) for relation, columns in related))
    values = dict(row)
    for relation, columns in related:
        values |= {_parameter(relation, name): column for name, column in columns.items()}
    try:
        with Cursors(engine) as run:
            (inserted,) = run(statement, values)
    except DBAPIError as error:
        if errors.outcome_of_statement_is_unknown(error):
            log.warning("outcome_unknown", reason=summary(error))
            raise OutcomeUnknown from error
        raise
    return inserted  # type: ignore[no-any-return]


def with_defaults(shape: Shape, row: Values) -> dict[str, Any]:
    """Return the row with the defaults that Python makes; the server makes the others."""
    values = dict(row)
    for column in table_of(shape).columns:
        default: Any = column.default
        if default is not None and column.key not in values and (default.is_scalar or default.is_callable):
            values[column.key] = default.arg(_DefaultContext(values)) if default.is_callable else default.arg
    return values


def fit_into_arrays(relation: Relation, names: Collection[str]) -> bool:
    """Return whether the values of these columns of related rows can be sent as arrays."""
    columns = table_of(relation.shape).columns
    return all(type(columns[name].type) in _IN_ARRAYS for name in names)


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

    def get_current_parameters(self, *_: object) -> Values:
        return self.current_parameters


def _type_in_array(column: Any) -> TypeEngine[Any]:
    # not as VARCHAR(80)[]: such a cast would cut longer texts without a word
    return Text() if isinstance(column.type, String) else column.type


# built once for each set of columns, so that it is compiled once
@lru_cache(maxsize=1024)
def _statement(shape: Shape, names: tuple[str, ...], related: tuple[tuple[Relation, tuple[str, ...]], ...]) -> Insert:
    """Return the INSERT of the row; those of the related rows are CTEs of it, with an array for each column.

    The foreign keys are checked after all of them.
    """
    statement = insert(table_of(shape)).values({name: bindparam(name) for name in names})
    for relation, columns in related:
        table = table_of(relation.shape)
        arrays = [bindparam(_parameter(relation, name), type_=ARRAY(_type_in_array(table.c[name]))) for name in columns]
        rows = func.unnest(*arrays).table_valued(*columns).render_derived(name=f"{relation.name}_rows")
        rows_of = insert(table).from_select(columns, select(*rows.c))
        statement = statement.add_cte(rows_of.cte(relation.name))
    return statement.returning(*shape.columns)


def _parameter(relation: Relation, name: str) -> str:
    return f"{relation.name}__{name}"
