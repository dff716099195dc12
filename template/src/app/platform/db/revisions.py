"""What the files of migrations say this service has made: tables, columns, constraints and indexes.

What a file makes in a way that cannot be read here, such as a table whose name is computed, counts as made by others.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.elements import conv

# Where each operation of Alembic has the name of the table.
_TABLE_AT = {
    **dict.fromkeys(("create_table", "drop_table", "rename_table", "add_column", "drop_column", "alter_column"), 0),
    **dict.fromkeys(("create_index", "create_unique_constraint", "create_foreign_key", "create_check_constraint"), 1),
}
# Which names of the convention belong to the arguments of a column, and to constraints and indexes without a name.
_OF_ARGUMENTS = {"unique": "uq", "index": "ix", "create_constraint": "ck"}
_OF_UNNAMED = {
    "UniqueConstraint": "uq",
    "ForeignKeyConstraint": "fk",
    "Index": "ix",
    "create_unique_constraint": "uq",
    "create_foreign_key": "fk",
    "create_index": "ix",
}
_NAMES = ("name", "constraint_name", "index_name")
_ABOUT_THE_FILE = {"revision", "down_revision", "branch_labels", "depends_on"}
_IDENTIFIER = r'("(?:[^"]|"")+"|\w+\b)'
_TABLE_IN_SQL = re.compile(
    rf"""(?:^|;)\s*(CREATE|ALTER|DROP)(?:\s+UNLOGGED)?\s+TABLE(?:\s+IF(?:\s+NOT)?\s+EXISTS)?(?:\s+ONLY)?
    \s+(?:"?public"?\.)?{_IDENTIFIER}(?!\.)([^;]*)""",
    re.IGNORECASE | re.VERBOSE,
)
_COLUMN_IN_SQL = {
    "CREATE": re.compile(rf'[(,]\s*{_IDENTIFIER}\s+["\w]'),
    "ALTER": re.compile(rf"\bADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?{_IDENTIFIER}", re.IGNORECASE),
}
_NAME_IN_SQL = re.compile(
    rf"\b(?:CONSTRAINT|INDEX)\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?{_IDENTIFIER}", re.IGNORECASE
)
_QUOTE = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Made:
    """What the migrations have made and not removed."""

    tables: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    # of constraints and indexes; also removed ones
    names: set[str] = field(default_factory=set)

    def drop_table(self, table: str) -> None:
        """Forget a table and its columns."""
        self.tables.discard(table)
        self.columns.difference_update({each for each in self.columns if each[0] == table})

    def rename_table(self, table: str, new: str) -> None:
        """Give a table another name."""
        self.columns.update({(new, column) for owner, column in self.columns if owner == table})
        self.drop_table(table)
        self.tables.add(new)


def made_by(scripts: ScriptDirectory) -> Made:
    """Read all migrations, the oldest first."""
    made = Made()
    for script in reversed(list(scripts.walk_revisions())):
        _read(Path(script.path), made)
    others = made.tables | {column for _, column in made.columns}
    # PostgreSQL has a long name as SQLAlchemy shortens it
    shortened = {
        _QUOTE.truncate_and_render_constraint_name(conv(name), _alembic_quote=False) for name in made.names - others
    }
    return Made(made.tables, made.columns, shortened)


def _read(file: Path, made: Made) -> None:
    nodes = list(_upgrading(ast.parse(file.read_text(encoding="utf-8"))))
    strings: set[str] = set()
    placed: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
            _apply_sql(node.value, made)
        if isinstance(node, ast.Call) and _text(node, None, "schema") not in {None, "public"}:
            placed.update(id(part) for part in _calls(node))
        elif isinstance(node, ast.Call) and (table := _table(node)):
            _apply(node, table, made)
            for part in _calls(node):
                placed.add(id(part))
                _define(part, table, made)
    # such as columns from a function that several calls share
    shared = [node for node in nodes if isinstance(node, ast.Call) and id(node) not in placed]
    for table in made.tables & strings:
        for part in shared:
            _define(part, table, made)
    made.names.update(strings)


def _upgrading(module: ast.Module) -> Iterator[ast.expr]:
    """Yield the expressions of a migration in their sequence, without docstrings and what only a downgrade runs."""
    for statement in module.body:
        of_file = isinstance(statement, ast.Assign | ast.AnnAssign) and bool(_ABOUT_THE_FILE & _targets(statement))
        if of_file or (isinstance(statement, ast.FunctionDef) and statement.name == "downgrade"):
            continue
        nodes = list(ast.walk(statement))
        documentation = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        expressions = [node for node in nodes if isinstance(node, ast.expr)]
        for node in sorted(expressions, key=lambda each: (each.lineno, each.col_offset)):
            if not (isinstance(node, ast.Constant) and id(node) in documentation):
                yield node


def _targets(assignment: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def _calls(node: ast.expr) -> list[ast.Call]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Call)]


def _called(call: ast.Call) -> str:
    """Return the last part of the name of a function: `create_table` of `op.create_table(…)`."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _text(call: ast.Call, position: int | None, *keywords: str) -> str | None:
    """Return the string at a position or of a keyword, also if it is inside `op.f(…)`."""
    values = [each.value for each in call.keywords if each.arg in keywords]
    if position is not None:
        values += call.args[position : position + 1]
    for value in values:
        if isinstance(value, ast.Call) and _called(value) == "f":
            return _text(value, 0)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
    return None


def _table(call: ast.Call) -> str | None:
    """Return the table that an operation is about."""
    position = _TABLE_AT.get(_called(call))
    return None if position is None else _text(call, position, "table_name", "source_table", "old_table_name")


def _apply(call: ast.Call, table: str, made: Made) -> None:
    match _called(call):
        case "create_table":
            made.tables.add(table)
        case "drop_table":
            made.drop_table(table)
        case "rename_table" if new := _text(call, 1, "new_table_name"):
            made.rename_table(table, new)
        case "drop_column" if column := _text(call, 1, "column_name"):
            made.columns.discard((table, column))
        case "alter_column" if new := _text(call, None, "new_column_name"):
            made.columns.discard((table, _text(call, 1, "column_name") or ""))
            made.columns.add((table, new))


def _define(part: ast.Call, table: str, made: Made) -> None:
    """Add a column, or a name that the convention gives to a constraint or an index."""
    kind = _called(part)
    if kind == "Column" and (column := _text(part, 0, "name")):
        made.columns.add((table, column))
        inside = _calls(part)
        given = {_OF_ARGUMENTS.get(each.arg or "") for call in inside for each in call.keywords}
        given |= {"fk" for call in inside if _called(call) == "ForeignKey"}
        made.names.update(f"{prefix}_{table}_{column}" for prefix in given if prefix)
    elif kind in {"CheckConstraint", "create_check_constraint"}:
        # without `op.f(…)` the convention puts its part before the name
        if name := _text(part, 0 if kind.islower() else None, *_NAMES):
            made.names.add(f"ck_{table}_{name}")
    elif kind in _OF_UNNAMED and not _text(part, None if kind == "UniqueConstraint" else 0, *_NAMES):
        made.names.add("_".join((_OF_UNNAMED[kind], table, *_columns(part))))


def _columns(part: ast.Call) -> list[str]:
    """Return the columns of a constraint or an index: its first list, or else its strings."""
    values = [*part.args, *(each.value for each in part.keywords)]
    lists = [value.elts for value in values if isinstance(value, ast.List | ast.Tuple)]
    strings = lists[0] if lists else part.args
    return [each.value for each in strings if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def _apply_sql(sql: str, made: Made) -> None:
    made.names.update(map(_named, _NAME_IN_SQL.findall(sql)))
    for verb, identifier, rest in _TABLE_IN_SQL.findall(sql):
        table = _named(identifier)
        if verb.upper() == "DROP":
            made.drop_table(table)
            continue
        if verb.upper() == "CREATE":
            made.tables.add(table)
        made.columns.update((table, _named(column)) for column in _COLUMN_IN_SQL[verb.upper()].findall(rest))


def _named(identifier: str) -> str:
    """Return the name that PostgreSQL gives to something that is called so in SQL."""
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier.lower()
