"""Inserts over columns: a row and the rows that belong to it become a read model, without entities of the ORM."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import CHAR, Boolean, Connection, Insert, Integer, Row, String, Uuid, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, Session

from app.platform.db.rows import on_connection
from app.platform.db.shapes import Relation, Shape, shape_of

ReadT = TypeVar("ReadT", bound=BaseModel)
Values = Mapping[str, Any]

# the server stores their values as they are; it rounds numbers and moments, and pads CHAR
_STORED_AS_GIVEN = (Boolean, Integer, String, Uuid)


async def create(
    session: AsyncSession, model: type[Any], read_model: type[ReadT], row: Values, /, **related: Sequence[Values]
) -> ReadT:
    """Insert a row, and the rows of these relationships, which get its key; return them as a read model.

    One step of the event loop, a statement for each table. Rows name attributes of their models; defaults and audit
    columns apply, but no events, validators or cascades of the ORM.

    Raises:
        TypeError: the read model has other fields than the model, a relationship is no list of rows that belong to
            this one, or the model inherits from another one.
        ValueError: a row names an attribute that is no column.
        RuntimeError: the session only reads.
    """
    shape = shape_of(model, read_model)
    if unknown := set(related) - {relation.name for relation in shape.relations if relation.belongs}:
        message = f"{read_model.__name__} has no list of related rows {', '.join(sorted(unknown))}"
        raise TypeError(message)
    statement, values = _inserting(shape), _columns(shape, row)

    def work(session: Session) -> dict[str, Any]:
        if session.autoflush:
            session.flush()
        # the statement lets a session that only reads refuse
        connection = session.connection(bind_arguments={"clause": statement})
        inserted = connection.execute(statement, values).one()
        found = dict(zip(shape.names, inserted, strict=False))
        for relation in shape.relations:
            if relation.belongs:
                found[relation.name] = _insert_related(connection, relation, inserted, related.get(relation.name, ()))
            else:
                relation.attach(on_connection(connection), [inserted], [found])
        return found

    (created,) = shape.adapter.validate_python([await session.run_sync(work)])
    result: ReadT = created
    return result


def _insert_related(connection: Connection, relation: Relation, parent: Row[Any], rows: Sequence[Values]) -> list[Any]:
    """Insert the related rows, and return their values for the read model, in the same sequence."""
    if not rows:
        return []
    shape = relation.shape
    if shape.relations:
        message = f"{relation.name}: insert rows that have related rows themselves one by one"
        raise TypeError(message)
    keys: dict[str, Any] = {
        str(column.key): parent[relation.first + number] for number, column in enumerate(relation.remote)
    }
    values = [_columns(shape, row) | keys for row in rows]
    if all(_is_known(shape, row) for row in rows):
        connection.execute(_table_of(shape.model).insert(), values)
        return [{name: row[name] for name in shape.names} for row in rows]
    found = connection.execute(_inserting(shape, many=True), values)
    return [dict(zip(shape.names, row, strict=False)) for row in found]


def _is_known(shape: Shape, row: Values) -> bool:
    """Return whether the row has all values of the read model as the server will store them."""
    return all(name in row for name in shape.names) and all(
        isinstance(column.type, _STORED_AS_GIVEN) and not isinstance(column.type, CHAR) for column in shape.columns
    )


@lru_cache(maxsize=1024)
def _inserting(shape: Shape, *, many: bool = False) -> Insert:
    return insert(_table_of(shape.model)).returning(*shape.columns, sort_by_parameter_order=many)


def _table_of(model: type[Any]) -> Any:
    mapper: Mapper[Any] = model.__mapper__
    if mapper.inherits or mapper.polymorphic_on is not None:
        message = f"{model.__name__} inherits: add an instance of it instead"
        raise TypeError(message)
    return mapper.local_table


def _columns(shape: Shape, row: Values) -> dict[str, Any]:
    """Return the row with the names of the columns.

    Raises:
        ValueError: the model has no such column.
    """
    try:
        return {shape.attributes[attribute]: value for attribute, value in row.items()}
    except KeyError as error:
        message = f"{shape.model.__name__} has no column {error.args[0]}"
        raise ValueError(message) from None
