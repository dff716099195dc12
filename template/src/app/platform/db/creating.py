"""Inserts over columns: a row and the rows that belong to it become a read model, without entities of the ORM."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import CHAR, Boolean, Connection, Engine, Enum, Insert, Integer, String, Uuid, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.platform.db import inserting, monitoring
from app.platform.db.inserting import table_of
from app.platform.db.rows import on_connection
from app.platform.db.session import Database, SessionProvider
from app.platform.db.shapes import Relation, Shape, shape_of

ReadT = TypeVar("ReadT", bound=BaseModel)
Values = Mapping[str, Any]

# the server stores their values as they are; it rounds numbers and moments, and pads CHAR; enums may be given by name
_STORED_AS_GIVEN = (Boolean, Integer, String, Uuid)
_STORED_OTHERWISE = (CHAR, Enum)


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
                keys = inserted[relation.first :]
                found[relation.name] = _insert_related(connection, relation, keys, related.get(relation.name, ()))
            else:
                relation.attach(on_connection(connection), [inserted], [found])
        return found

    created: ReadT = _validated(shape, await session.run_sync(work))
    return created


async def create_alone(
    provider: SessionProvider, model: type[Any], read_model: type[ReadT], row: Values, /, **related: Sequence[Values]
) -> ReadT:
    """Do the same in a transaction of its own, if possible in one statement: one round trip instead of four.

    Inside another transaction, join it. That one statement inserts a row whose key is given, or has a default of
    Python's, and at most 16 related rows for each relationship, of whose values the read model shows only booleans,
    integers, texts and UUIDs. A trigger that runs before a related row is inserted does not see the row that it belongs
    to. A value that a column's type or the read model refuses, after the server has returned it, is stored already.

    Raises:
        OutcomeUnknown: the connection was lost meanwhile.
    """
    shape = _shape(model, read_model, related)
    values = _columns(shape, row)
    # not inside a shared transaction
    if isinstance(provider, Database) and _is_quick(shape, values, related):
        async with provider.primary() as session:
            found = await session.run_sync(_insert_alone, shape, values, related)
        if found is not None:
            created: ReadT = _validated(shape, found)
            return created
    async with provider.transaction() as session:
        return await create(session, model, read_model, row, **related)


def _is_quick(shape: Shape, values: Values, related: Mapping[str, Sequence[Values]]) -> bool:
    """Return whether one statement inserts the row with these columns, and the related rows.

    Ask before defaults are made: their functions may have effects, and the other way makes them as well.
    """
    return all(
        relation.belongs
        and not relation.shape.relations
        and len(rows) <= inserting.MOST_RELATED
        and all(_is_known(relation.shape, row) for row in rows)
        and (not rows or _has_key(shape, values, relation))
        for relation in shape.relations
        for rows in [related.get(relation.name, ())]
    )


def _has_key(shape: Shape, values: Values, relation: Relation) -> bool:
    """Return whether the key that the related rows refer to is known without the server."""
    names = [str(column.key) for column in relation.local]
    return all(values[name] is not None if name in values else inserting.has_default(shape, name) for name in names)


def _insert_alone(
    session: Session, shape: Shape, row: Values, related: Mapping[str, Sequence[Values]]
) -> dict[str, Any] | None:
    """Insert in one statement that commits by itself; return `None` if this session's connections do not do that."""
    engine = session.bind
    if session.in_transaction() or not isinstance(engine, Engine):
        return None
    # behind PgBouncer asyncpg has no autocommit
    if not engine.get_execution_options().get("autocommit") or not monitoring.watches_slow_statements_only(engine):
        return None
    values = inserting.with_defaults(shape, row)
    found, complete = {}, []
    for relation in shape.relations:
        rows = related.get(relation.name, ())
        found[relation.name] = [{name: row[name] for name in relation.shape.names} for row in rows]
        if rows:
            keys = [values[str(column.key)] for column in relation.local]
            with_keys = _with_keys(relation, keys, rows)
            complete.append((relation, [inserting.with_defaults(relation.shape, each) for each in with_keys]))
    inserted = inserting.insert_alone(engine, shape, values, complete)
    return found | dict(zip(shape.names, inserted, strict=False))


def _insert_related(
    connection: Connection, relation: Relation, keys: Sequence[Any], rows: Sequence[Values]
) -> list[Any]:
    """Insert the related rows, and return their values for the read model, in the same sequence."""
    if not rows:
        return []
    shape = relation.shape
    if shape.relations:
        message = f"{relation.name}: insert rows that have related rows themselves one by one"
        raise TypeError(message)
    values = _with_keys(relation, keys, rows)
    if all(_is_known(shape, row) for row in rows):
        connection.execute(_storing(shape), values)
        return [{name: row[name] for name in shape.names} for row in rows]
    found = connection.execute(_inserting(shape, many=True), values)
    return [dict(zip(shape.names, row, strict=False)) for row in found]


def _with_keys(relation: Relation, keys: Sequence[Any], rows: Sequence[Values]) -> list[dict[str, Any]]:
    """Return the rows of a relationship with the key of the row that they belong to, whose values `keys` begins with.

    Raises:
        ValueError: the rows do not all name the same attributes, or one that is no column.
    """
    if any(row.keys() != rows[0].keys() for row in rows):
        message = f"{relation.name}: all rows must name the same attributes"
        raise ValueError(message)
    belongs_to = {str(column.key): key for column, key in zip(relation.remote, keys, strict=False)}
    return [_columns(relation.shape, row) | belongs_to for row in rows]


def _is_known(shape: Shape, row: Values) -> bool:
    """Return whether the row has all values of the read model as the server will store them."""
    return _stored_as_given(shape) and all(name in row for name in shape.names)


@lru_cache(maxsize=1024)
def _stored_as_given(shape: Shape) -> bool:
    return all(
        isinstance(column.type, _STORED_AS_GIVEN) and not isinstance(column.type, _STORED_OTHERWISE)
        for column in shape.columns
    )


# both are built once, so that they are compiled once
@lru_cache(maxsize=1024)
def _inserting(shape: Shape, *, many: bool = False) -> Insert:
    return insert(table_of(shape)).returning(*shape.columns, sort_by_parameter_order=many)


@lru_cache(maxsize=1024)
def _storing(shape: Shape) -> Insert:
    return insert(table_of(shape))


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
