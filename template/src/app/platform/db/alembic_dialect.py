"""What Alembic does in its own way on PostgreSQL: how it compares indexes and defaults, and writes SQL into migrations.

Alembic cannot compare a default with a quote, nor an index whose expression has an operator class. With psycopg it
doubles percent signs, which a statement needs that is run, not one in a file; and it writes colons so that SQLAlchemy
would take what follows for a parameter.
"""

from typing import Any

from alembic.ddl._autogen import ComparisonResult
from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import ClauseElement, Column, ColumnClause, Index

from app.platform.db import partial_indexes
from app.platform.db.expressions import escaped, plain
from app.platform.db.rewriting import has_this_default


class OwnPostgresql(PostgresqlImpl):
    """Takes the place of Alembic's own class, by the name of the dialect."""

    __dialect__ = "postgresql"

    def compare_indexes(self, metadata_index: Index, reflected_index: Index) -> ComparisonResult:
        """Compare indexes of expressions or with a WHERE as PostgreSQL writes them, and leave others to Alembic."""
        both = (reflected_index, metadata_index)
        if self.connection is None or all(map(partial_indexes.has_columns_only, both)):
            return super().compare_indexes(metadata_index, reflected_index)
        found = partial_indexes.difference(self.connection, *both)
        return ComparisonResult.Different(found) if found else ComparisonResult.Equal()

    def compare_server_default(
        self, inspector_column: Column[Any], metadata_column: Column[Any], *rendered: str | None
    ) -> bool:
        """Return whether a default is another one than that of the database, by its SQL and by its value."""
        if len(set(rendered)) == 1:
            return False
        is_counted = metadata_column is metadata_column.table.autoincrement_column
        if self.connection is None or is_counted or None in rendered:
            theirs: Any = super()
            return bool(theirs.compare_server_default(inspector_column, metadata_column, *rendered))
        return not has_this_default(self.connection, metadata_column)

    def autogen_column_reflect(self, inspector: Any, table: Any, column_info: Any) -> None:
        """Escape the SQL of columns that the database has, which a downgrade makes again."""
        super().autogen_column_reflect(inspector, table, column_info)  # type: ignore[no-untyped-call]
        for owner, key in ((column_info, "default"), (column_info.get("computed") or {}, "sqltext")):
            if owner.get(key):
                owner[key] = escaped(owner[key])

    def correct_for_autogen_constraints(self, *found: Any) -> None:
        """Escape the SQL of indexes that the database has, which a downgrade makes again."""
        super().correct_for_autogen_constraints(*found)  # type: ignore[no-untyped-call]
        _, indexes, *_ = found
        for index in indexes:
            partial_indexes.escape(index)

    def render_ddl_sql_expr(self, expr: ClauseElement, *_: bool, is_index: bool = False, **__: Any) -> str:
        """Return the SQL of an expression for a migration, which has it in `literal_column` or in `text`."""
        if is_index:
            return plain(expr if isinstance(expr, ColumnClause) else expr.self_group())
        return escaped(plain(expr))
