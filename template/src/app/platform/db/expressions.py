"""SQL expressions of models as PostgreSQL writes them, so that spaces, capitals and casts make no difference."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import ClauseElement, Connection, Row, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import BIND_PARAMS, BIND_PARAMS_ESC

_PLAIN = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
_COPY = "copy_for_autogenerate"
_STORED = """
    SELECT conname, pg_get_constraintdef(oid) AS definition, pg_get_expr(conbin, conrelid) AS expression
    FROM pg_constraint
    WHERE conrelid = CAST(:table AS regclass) AND contype = 'c'
"""


def plain(expression: ClauseElement) -> str:
    """Return the SQL of an expression as CREATE TABLE has it, without the escapes of a driver or of SQLAlchemy."""
    options = {"include_table": False}
    compiled = expression.compile(dialect=_PLAIN, compile_kwargs=options)
    # what looks like a parameter and has no value is text, such as `(?:a|b)` of a constraint that was read from a table
    if all(value is None for value in compiled.params.values()):
        return str(compiled)
    return str(expression.compile(dialect=_PLAIN, compile_kwargs=options | {"literal_binds": True}))


def escaped(sql: str) -> str:
    """Return SQL from which SQLAlchemy takes no parameters, and no backslashes that are part of it."""
    return BIND_PARAMS.sub(r"\\\g<0>", BIND_PARAMS_ESC.sub(r"\\\g<0>", sql))


def stored(connection: Connection, table: str) -> dict[str, Row[Any]]:
    """Return the CHECKs of a table by their names, each as `definition` and as `expression`."""
    return {row.conname: row for row in connection.execute(text(_STORED), {"table": table})}


def rewritten(connection: Connection, table: Table, expressions: Mapping[str, str]) -> dict[str, Row[Any]]:
    """Return each expression as `stored` returns a CHECK, read from a copy of the table that is rolled back.

    An expression with a column that the database lacks is left out.
    """
    if not expressions:
        return {}
    quote = connection.dialect.identifier_preparer
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {_COPY} (LIKE {quote.format_table(table)})")
        for name, expression in expressions.items():
            added = f"ALTER TABLE {_COPY} ADD CONSTRAINT {quote.quote(name)} CHECK ({expression})"
            with suppress(DBAPIError), connection.begin_nested():
                connection.execute(text(escaped(added)))
        return stored(connection, _COPY)
    finally:
        savepoint.rollback()
