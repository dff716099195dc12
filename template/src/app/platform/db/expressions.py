"""SQL and names of models as they are in the database, without the escapes of a driver or of SQLAlchemy."""

from typing import Any

from sqlalchemy import ClauseElement, Column, Constraint, Index, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn, CreateIndex
from sqlalchemy.sql.compiler import BIND_PARAMS, BIND_PARAMS_ESC

_PLAIN = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


def plain(expression: ClauseElement) -> str:
    """Return the SQL of an expression as CREATE TABLE has it."""
    options = {"include_table": False}
    compiled = expression.compile(dialect=_PLAIN, compile_kwargs=options)
    # what looks like a parameter and has no value is text, such as `(?:a|b)` of a constraint that was read from a table
    if all(value is None for value in compiled.params.values()):
        return str(compiled)
    return str(expression.compile(dialect=_PLAIN, compile_kwargs=options | {"literal_binds": True}))


def plain_default(column: Column[object]) -> str:
    """Return the SQL of a column's default as CREATE TABLE has it."""
    compiler: Any = CreateColumn(column).compile(dialect=_PLAIN)
    return str(compiler.get_column_default_string(column))


def plain_index(index: Index) -> str:
    """Return the end of an index's CREATE INDEX, after the name of its table."""
    _, _, end = str(CreateIndex(index).compile(dialect=_PLAIN)).partition(f" ON {quoted_table(table_of(index))} ")
    return end


def escaped(sql: str) -> str:
    """Return SQL from which SQLAlchemy takes no parameters, and no backslashes that are part of it."""
    return BIND_PARAMS.sub(r"\\\g<0>", BIND_PARAMS_ESC.sub(r"\\\g<0>", sql))


def name_of(made: Constraint | Index) -> str:
    """Return the name that a constraint or an index has in the database."""
    # Alembic's own way to it: without quotes, and cut off where it is too long
    return str(_PLAIN.identifier_preparer.format_constraint(made, _alembic_quote=False))


def table_of(index: Index) -> Table:
    """Return the table of an index.

    Raises:
        ValueError: it has none.
    """
    if index.table is None:
        message = f"the index {index.name} has no table"
        raise ValueError(message)
    return index.table


def quoted_table(table: Table) -> str:
    """Return the name of a table as it stands in SQL."""
    return str(_PLAIN.identifier_preparer.format_table(table))


def quoted(name: str) -> str:
    """Return another name as it stands in SQL."""
    return str(_PLAIN.identifier_preparer.quote(name))
