"""Many rows at once: INSERT in chunks, UPDATE of many rows with values of their own, and COPY.

All work in the session's transaction, and read the rows as they go: rows from a generator need not fit into memory.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from itertools import islice
from typing import Any, TypeVar, cast

from sqlalchemy import ARRAY, CursorResult, Engine, Update, bindparam, column, event, func, insert, select, update
from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.platform.db import copying
from app.platform.db.base import Base
from app.platform.db.copy_values import CopyRows, Row
from app.platform.db.mixins import live_rows

ItemT = TypeVar("ItemT")
Items = Iterable[ItemT] | AsyncIterable[ItemT]

CHUNK = 1000
"""The rows of one statement."""

_PAUSE = 256
"""The rows after which other tasks of the event loop run: about half a millisecond of work.

With 32, `ahead` made its rows while this encoded others, not while PostgreSQL worked: an import took a fifth longer.
"""

_COPY = "app_copy"


async def chunks(items: Items[ItemT], size: int = CHUNK) -> AsyncGenerator[list[ItemT], None]:
    """Yield the items in lists of `size`."""
    if isinstance(items, AsyncIterable):
        chunk: list[ItemT] = []
        async for item in items:
            chunk.append(item)
            if len(chunk) == size:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
        return
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


async def insert_rows(session: AsyncSession, model: type[Base], rows: Items[Mapping[str, Any]]) -> int:
    """Insert the rows, without making model instances, and return their number; a statement has 1000 rows at most.

    Rows may leave out different columns, which get their defaults.

    Raises:
        ValueError: a row has a key that is not a column.
    """
    known = model.__mapper__.column_attrs.keys()
    inserted = 0
    async for chunk in chunks(rows):
        # SQLAlchemy would silently ignore a misspelt key
        if unknown := set().union(*chunk).difference(known):
            message = f"{model.__name__} has no column {', '.join(map(repr, sorted(unknown)))}"
            raise ValueError(message)
        await session.execute(insert(model), chunk)
        inserted += len(chunk)
    return inserted


async def copy_rows(
    session: AsyncSession, model: type[Base], rows: Items[Row], *, columns: Sequence[str] | None = None
) -> int:
    """Store the rows with COPY, several times as fast as INSERT, and return their number.

    Rows are mappings with the same keys, or sequences whose columns `columns` names. Python defaults and the audit
    columns are filled as in an INSERT. `DB_STATEMENT_TIMEOUT` limits the whole call, so store very many rows in several
    calls. After an error the transaction can only be rolled back, as after a failed INSERT.

    Raises:
        ValueError: a row has an unknown key, other keys than the first one, or a value of the wrong type.
        ValueRefused: a number is too large for its column.
    """
    # a session that only reads refuses here
    session.sync_session.get_bind(model, clause=insert(model))
    async with aclosing(chunks(rows, _PAUSE)) as parts:
        first = await anext(parts, None)
        if first is None:
            return 0
        if session.sync_session.autoflush:
            # rows that these refer to may not have been sent yet
            await session.flush()
        connection = await session.connection()
        copy = _Copy(CopyRows(model, connection.dialect, first[0], columns), first, parts)
        return await copy.run(connection)


async def bulk_update(
    session: AsyncSession, model: type[Base], rows: Items[Mapping[str, Any]], *, key: Sequence[str] = ()
) -> int:
    """Update many rows with values of their own, and return the number of changed rows; a statement has 1000 at most.

    All mappings have the same keys: the primary key, or the columns `key`, which find the row, and the columns to set.
    `updated_at` and the audit columns are set as in every UPDATE. Rows that are marked as deleted are left alone. Of
    several mappings for one row the last one counts. Instances that the session has loaded keep their old values.

    Raises:
        ValueError: a mapping has an unknown key, other keys than the first one, nothing to set, or an ARRAY or a
            multirange.
    """
    mapper = model.__mapper__
    find = tuple(key) or tuple(mapper.get_property_by_column(each).key for each in mapper.primary_key)
    names: tuple[str, ...] = ()
    statement: Update | None = None
    changed = 0
    async for chunk in chunks(rows):
        if statement is None:
            names = tuple(chunk[0])
            statement = _update(model, find, names)
        if any(row.keys() != set(names) for row in chunk):
            message = f"update of {model.__name__}: all rows need exactly the keys of the first one: {', '.join(names)}"
            raise ValueError(message)
        last = {tuple(row[each] for each in find): row for row in chunk}
        values = {f"new_{name}": [row[name] for row in last.values()] for name in names}
        result = await session.execute(statement, values, execution_options={"synchronize_session": False})
        changed += cast("CursorResult[Any]", result).rowcount
    return changed


def _update(model: type[Base], find: Sequence[str], names: Sequence[str]) -> Update:
    known = model.__mapper__.column_attrs
    if unknown := {*find, *names}.difference(known.keys()):
        message = f"{model.__name__} has no column {', '.join(map(repr, sorted(unknown)))}"
        raise ValueError(message)
    types = {name: known[name].columns[0].type for name in names}
    to_set = [name for name in names if name not in find]
    if set(find).difference(names) or not to_set:
        message = f"update of {model.__name__}: each row needs {', '.join(find)}, and a column to set"
        raise ValueError(message)
    if several := [name for name, kind in types.items() if isinstance(kind, ARRAY | AbstractMultiRange)]:
        message = f"update of {model.__name__}: arrays of arrays or multiranges cannot be sent: {', '.join(several)}"
        raise ValueError(message)
    new = (
        # with one dimension, or SQLAlchemy would take JSON that is a list for a further one
        func.unnest(*[bindparam(f"new_{name}", type_=ARRAY(kind, dimensions=1)) for name, kind in types.items()])
        .table_valued(*[column(name, kind) for name, kind in types.items()], name="new")
        .render_derived()
    )
    found = [getattr(model, name) == new.c[name] for name in find]
    return update(model).where(*found, *live_rows(model)).values({name: new.c[name] for name in to_set})


class _Copy:
    """One COPY statement and its rows."""

    def __init__(self, rows: CopyRows, first: list[Row], rest: AsyncIterator[list[Row]]) -> None:
        self._rows = rows
        self._first = first
        self._rest = rest
        self._names = [column.name for column in rows.columns]
        self._sent = 0
        self._driver_works = False
        self._statement = ""
        self._types: list[int] = []

    async def run(self, connection: AsyncConnection) -> int:
        """Run the statement through SQLAlchemy, so that its errors and events are those of every statement."""
        _listen(connection.sync_connection.engine if connection.sync_connection else None)
        # begins the transaction, and describes the columns' types
        described = await connection.execute(select(*self._rows.columns).limit(0))
        cursor = cast("Any", described).cursor
        self._types = [each[1] for each in cursor.description]
        preparer = connection.dialect.identifier_preparer
        names = ", ".join(map(preparer.quote, self._names))
        self._statement = f"COPY {preparer.format_table(self._rows.table)} ({names}) FROM STDIN"
        await connection.exec_driver_sql(self._statement, execution_options={"no_parameters": True, _COPY: self})
        return self._sent

    async def send(self, native: Any) -> None:
        """Send the rows through the driver's connection."""
        try:
            async with aclosing(self._values()) as rows:
                await copying.copy_in(native, self._statement, self._rows.table, self._names, self._types, rows)
        except OverflowError as error:
            raise (self._rows.too_large(self._sent) if self._driver_works else error) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            if self._driver_works:
                raise self._rows.refused(self._sent) from error
            raise

    async def _values(self) -> AsyncGenerator[Sequence[Any], None]:
        part: list[Row] | None = self._first
        while part is not None:
            for values in self._rows.values(part, self._sent + 1):
                self._sent += 1
                # an error before the driver asks for the next row is that of encoding this one
                self._driver_works = True
                yield values
                self._driver_works = False
            await asyncio.sleep(0)
            part = await anext(self._rest, None)


def _listen(engine: Engine | None) -> None:
    if engine is not None and not event.contains(engine, "do_execute_no_params", _send_rows):
        event.listen(engine, "do_execute_no_params", _send_rows)


def _send_rows(_cursor: DBAPICursor, _statement: str, context: ExecutionContext) -> bool:
    copy: _Copy | None = context.execution_options.get(_COPY)
    if copy is None:
        return False
    connection: Any = context.root_connection.connection.dbapi_connection
    try:
        connection.run_async(copy.send)
    except Exception as error:  # noqa: BLE001 (raised again, as the class that SQLAlchemy knows)
        connection._handle_exception(error)  # noqa: SLF001 - SQLAlchemy's own translation of the driver's errors
    return True
