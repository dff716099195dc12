"""SQL of models as PostgreSQL writes it, so that spaces, capitals and casts make no difference.

PostgreSQL writes it for an empty copy of the table, which is rolled back. The copy has the table's own name, because
SQL may name its table.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Column, Connection, Index, Row, Table, text
from sqlalchemy.exc import DBAPIError

from app.platform.db.expressions import (
    escaped,
    name_of,
    plain_default,
    plain_index,
    quoted,
    quoted_table,
    table_of,
)

_CHECKS = """
    SELECT conname, pg_get_constraintdef(oid) AS definition, pg_get_expr(conbin, conrelid) AS expression
    FROM pg_constraint
    WHERE conrelid = CAST(:table AS regclass) AND contype = 'c'
"""
_DEFAULT = """
    SELECT pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE adrelid = CAST(:table AS regclass) AND attname = :name
"""
_INDEX = r"""
    SELECT regexp_replace(pg_get_indexdef(indexrelid), :head, '\1')
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = CAST(:table AS regclass) AND relname = :name
"""
_NAME = r"""("([^"]|"")+"|\w+)"""
_HEAD = rf"^CREATE (UNIQUE )?INDEX {_NAME} ON (ONLY )?{_NAME}\.{_NAME} "


def stored_checks(connection: Connection, table: Table) -> dict[str, Row[Any]]:
    """Return the CHECKs of a table by their names, each as `definition` and as `expression`."""
    return _checks(connection, quoted_table(table))


def rewritten_checks(connection: Connection, table: Table, expressions: Mapping[str, str]) -> dict[str, Row[Any]]:
    """Return these expressions as `stored_checks` returns CHECKs.

    An expression with a column that the database lacks is left out.
    """
    if not expressions:
        return {}
    with _copy(connection, table) as copy:
        for name, expression in expressions.items():
            _try(connection, f"ALTER TABLE {copy} ADD CONSTRAINT {quoted(name)} CHECK ({expression})")
        return _checks(connection, copy)


def stored_index(connection: Connection, index: Index) -> str | None:
    """Return all that the database says of an index, except its name and its table."""
    return _definition(connection, quoted_table(table_of(index)), name_of(index))


def rewritten_index(connection: Connection, index: Index) -> str | None:
    """Return an index as `stored_index` does; `None` if it has a column that the database lacks."""
    name = name_of(index)
    begin = f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {quoted(name)}"
    with _copy(connection, table_of(index)) as copy:
        _try(connection, f"{begin} ON {copy} {plain_index(index)}")
        return _definition(connection, copy, name)


def has_this_default(connection: Connection, column: Column[Any]) -> bool:
    """Return whether the database has the default of this column, or another one that makes the same value now."""
    before = _default(connection, quoted_table(column.table), column.name)
    with _copy(connection, column.table) as copy:
        _try(connection, f"ALTER TABLE {copy} ALTER {quoted(column.name)} SET DEFAULT {plain_default(column)}")
        after = _default(connection, copy, column.name)
        # nobody rolls a sequence back
        if before is None or after is None or before == after or "nextval(" in before + after:
            return before == after
        # such as now() and CURRENT_TIMESTAMP, or 0 and '0'::numeric
        same = f"SELECT ({before}) IS NOT DISTINCT FROM ({after})"  # noqa: S608 (written by PostgreSQL)
        with suppress(DBAPIError), connection.begin_nested():
            return bool(connection.scalar(text(escaped(same))))
        # types such as json cannot be compared
        return False


@contextmanager
def _copy(connection: Connection, table: Table) -> Iterator[str]:
    """Yield the name of the copy."""
    copy = f"pg_temp.{quoted(table.name)}"
    savepoint = connection.begin_nested()
    try:
        connection.execute(text(escaped(f"CREATE TABLE {copy} (LIKE {quoted_table(table)})")))
        yield copy
    finally:
        savepoint.rollback()


def _try(connection: Connection, sql: str) -> None:
    with suppress(DBAPIError), connection.begin_nested():
        connection.execute(text(escaped(sql)))


def _checks(connection: Connection, table: str) -> dict[str, Row[Any]]:
    return {row.conname: row for row in connection.execute(text(_CHECKS), {"table": table})}


def _default(connection: Connection, table: str, name: str) -> str | None:
    expression: str | None = connection.scalar(text(_DEFAULT), {"table": table, "name": name})
    return expression


def _definition(connection: Connection, table: str, name: str) -> str | None:
    definition: str | None = connection.scalar(text(_INDEX), {"table": table, "name": name, "head": _HEAD})
    return definition
