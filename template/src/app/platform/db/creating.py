"""Inserts over columns: a row and the rows that belong to it become a read model, without entities of the ORM."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import CHAR, Boolean, Connection, Engine, Insert, Integer, Row, String, Uuid, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, Session

from app.platform.db import monitoring
from app.platform.db.rows import on_connection
from app.platform.db.session import Database, SessionProvider
from app.platform.db.shapes import Relation, Shape, shape_of
from app.platform.db.writing import Writing

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
        ValueError: a row names an attribute that is no column, or others than the rows beside it.
        RuntimeError: the session only reads.
    """
    shape = _shape(model, read_model, related)
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

    created: ReadT = _validated(shape, await session.run_sync(work))
    return created


async def create_alone(
    provider: SessionProvider, model: type[Any], read_model: type[ReadT], row: Values, /, **related: Sequence[Values]
) -> ReadT:
    """Do the same in a transaction of its own, which costs half: nothing else can belong to this transaction.

    Inside another transaction, join it.

    Raises:
        OutcomeUnknown: the connection was lost during the commit.
    """
    shape = _shape(model, read_model, related)
    # not inside a shared transaction
    if isinstance(provider, Database) and _is_quick(shape, related):
        async with provider.primary() as session:
            found = await session.run_sync(_insert_alone, shape, row, related)
        if found is not None:
            created: ReadT = _validated(shape, found)
            return created
    async with provider.transaction() as session:
        return await create(session, model, read_model, row, **related)


def _is_quick(shape: Shape, related: Mapping[str, Sequence[Values]]) -> bool:
    """Return whether all rows are inserted by statements that are the same for any number of rows."""
    return all(
        relation.belongs and not relation.shape.relations and all(_is_known(relation.shape, row) for row in rows)
        for relation in shape.relations
        for rows in [related.get(relation.name, ())]
    )


def _insert_alone(
    session: Session, shape: Shape, row: Values, related: Mapping[str, Sequence[Values]]
) -> dict[str, Any] | None:
    """Insert in a transaction of its own; return `None` if the session's connection is not its own."""
    engine = session.bind
    if session.in_transaction() or not isinstance(engine, Engine):
        return None
    if not monitoring.watches_slow_statements_only(engine):
        return None
    with Writing(engine) as insert_into:
        (inserted,) = insert_into(_inserting(shape), _columns(shape, row))
        found = dict(zip(shape.names, inserted, strict=False))
        for relation in shape.relations:
            rows = related.get(relation.name, ())
            if rows:
                insert_into(_storing(relation.shape), _with_keys(relation, inserted, rows))
            found[relation.name] = [{name: row[name] for name in relation.shape.names} for row in rows]
    return found


def _insert_related(connection: Connection, relation: Relation, parent: Row[Any], rows: Sequence[Values]) -> list[Any]:
    """Insert the related rows, and return their values for the read model, in the same sequence."""
    if not rows:
        return []
    shape = relation.shape
    if shape.relations:
        message = f"{relation.name}: insert rows that have related rows themselves one by one"
        raise TypeError(message)
    values = _with_keys(relation, parent, rows)
    if all(_is_known(shape, row) for row in rows):
        connection.execute(_storing(shape), values)
        return [{name: row[name] for name in shape.names} for row in rows]
    found = connection.execute(_inserting(shape, many=True), values)
    return [dict(zip(shape.names, row, strict=False)) for row in found]


def _with_keys(relation: Relation, parent: Sequence[Any], rows: Sequence[Values]) -> list[dict[str, Any]]:
    """Return the rows of a relationship with the key of the row that they belong to.

    Raises:
        ValueError: the rows do not all name the same attributes, or one that is no column.
    """
    if any(row.keys() != rows[0].keys() for row in rows):
        message = f"{relation.name}: all rows must name the same attributes"
        raise ValueError(message)
    keys = {str(column.key): parent[relation.first + number] for number, column in enumerate(relation.remote)}
    return [_columns(relation.shape, row) | keys for row in rows]


def _is_known(shape: Shape, row: Values) -> bool:
    """Return whether the row has all values of the read model as the server will store them."""
    return all(name in row for name in shape.names) and all(
        isinstance(column.type, _STORED_AS_GIVEN) and not isinstance(column.type, CHAR) for column in shape.columns
    )


# both are built once, so that they are compiled once
@lru_cache(maxsize=1024)
def _inserting(shape: Shape, *, many: bool = False) -> Insert:
    return insert(_table_of(shape.model)).returning(*shape.columns, sort_by_parameter_order=many)


@lru_cache(maxsize=1024)
def _storing(shape: Shape) -> Insert:
    return insert(_table_of(shape.model))


def _shape(model: type[Any], read_model: type[BaseModel], related: Mapping[str, Sequence[Values]]) -> Shape:
    """Return the shape of the read model.

    Raises:
        TypeError: it has no list of rows that belong to the model's for one of these names.
    """
    shape = shape_of(model, read_model)
    if unknown := set(related) - {relation.name for relation in shape.relations if relation.belongs}:
        message = f"{read_model.__name__} has no list of related rows {', '.join(sorted(unknown))}"
        raise TypeError(message)
    return shape


def _validated(shape: Shape, found: dict[str, Any]) -> Any:
    (created,) = shape.adapter.validate_python([found])
    return created


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
