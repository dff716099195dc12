"""Indexes with a WHERE or of expressions: Alembic compares their text, and not all of it."""

from typing import Any

from sqlalchemy import Column, Connection, Index, TextClause, UnaryExpression, text

from app.platform.db.expressions import escaped
from app.platform.db.rewriting import rewritten_index, stored_index


def has_columns_only(index: Index) -> bool:
    """Return whether an index has neither expressions nor a WHERE, so that Alembic can compare it."""
    columns = all(isinstance(each, Column) for each in index.expressions)
    return columns and index.dialect_options["postgresql"]["where"] is None


def difference(connection: Connection, stored: Index, model: Index) -> str | None:
    """Return how an index of the database and that of the model differ, as PostgreSQL writes them; `None` if not."""
    before, after = stored_index(connection, stored), rewritten_index(connection, model)
    return None if before == after else f"{before} to {after}"


def escape(index: Index) -> None:
    """Escape the SQL of an index that the database has, which a downgrade makes again."""
    # in place: there is no other way to what Alembic has read
    index.expressions = [_escaped(each) for each in index.expressions]
    options = index.dialect_options["postgresql"]
    if options["where"] is not None:
        options["where"] = _escaped(options["where"])


def _escaped(expression: Any) -> Any:
    if isinstance(expression, UnaryExpression):
        expression.element = _escaped(expression.element)
    sql = expression.text if isinstance(expression, TextClause) else expression
    return text(escaped(sql)) if isinstance(sql, str) else expression
