"""What `make migration` and `make drift` compare beyond what Alembic compares: the text of CHECK constraints.

They leave alone what no revision of this service has made, such as the tables of another service in the same database.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.script import ScriptDirectory
from alembic.util import PriorityDispatchResult
from sqlalchemy import CheckConstraint, Connection, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import BIND_PARAMS, BIND_PARAMS_ESC
from sqlalchemy.sql.elements import conv

from app.platform.db import revisions
from app.platform.db.base import of_type

_PLUGIN = Plugin("app.platform.checks")
PLUGINS = ("alembic.autogenerate.*", _PLUGIN.name)

_PLAIN = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
_COPY = "copy_for_autogenerate"
_STORED = """
    SELECT conname, pg_get_constraintdef(oid) AS definition, pg_get_expr(conbin, conrelid) AS expression
    FROM pg_constraint
    WHERE conrelid = CAST(:table AS regclass) AND contype = 'c'
"""


def leaving_alone(scripts: ScriptDirectory) -> Callable[..., bool]:
    """Return the function that tells Alembic what to compare: not what only the database has and no revision made."""
    made = revisions.made_by(scripts)

    def include(found: Any, name: str, kind: str, reflected: bool, counterpart: Any) -> bool:
        if not reflected or counterpart is not None:
            return True
        if kind == "table":
            return name in made.tables
        return (found.table.name, name) in made.columns if kind == "column" else name in made.names

    return include


def compare_checks(
    context: AutogenContext,
    found: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    stored: Table | None,
    model: Table | None,
) -> PriorityDispatchResult:
    """Compare the CHECK constraints of a table, as PostgreSQL writes them."""
    if stored is None or model is None or context.connection is None:
        return PriorityDispatchResult.CONTINUE
    connection = context.connection
    quote = connection.dialect.identifier_preparer
    rows = connection.execute(text(_STORED), {"table": quote.format_table(model)}).all()
    before = {row.conname: row for row in rows}
    checks = _checks(connection, model, stored)
    expressions = {each: _expression(check) for each, check in checks.items()}
    after = _definitions(connection, model, expressions)
    names = before.keys() | checks.keys()
    changed = {each for each in names if each not in before or before[each].definition != after.get(each)}
    for each in sorted(changed & before.keys()):
        old = CheckConstraint(_escaped(before[each].expression), name=conv(each), table=stored)
        if context.run_object_filters(old, each, "check_constraint", True, checks.get(each)):
            found.ops.append(ops.DropConstraintOp.from_constraint(old))
    for each in sorted(changed & checks.keys()):
        found.ops.append(ops.CreateCheckConstraintOp(conv(each), name, _escaped(expressions[each]), schema=schema))
    return PriorityDispatchResult.CONTINUE


def _checks(connection: Connection, model: Table, stored: Table) -> dict[str, CheckConstraint]:
    """Return the CHECKs of a model by the names that they have in the database.

    The CHECK of an enum whose column is new is left out, because it comes with the column.
    """
    quote = connection.dialect.identifier_preparer
    all_of_them = [*model.constraints, *(each for column in model.columns for each in column.constraints)]
    checks = [each for each in all_of_them if isinstance(each, CheckConstraint)]
    return {
        str(quote.format_constraint(check)).strip('"'): check
        for check in checks
        if not (of_type(check) and any(each.name not in stored.columns for each in check.columns))
    }


def _expression(check: CheckConstraint) -> str:
    """Return the SQL of a CHECK as CREATE TABLE has it, without the escapes of a driver or of SQLAlchemy."""
    options = {"include_table": False}
    compiled = check.sqltext.compile(dialect=_PLAIN, compile_kwargs=options)
    # what looks like a parameter and has no value is text, such as `(?:a|b)` of a constraint that was read from a table
    if all(value is None for value in compiled.params.values()):
        return str(compiled)
    return str(check.sqltext.compile(dialect=_PLAIN, compile_kwargs=options | {"literal_binds": True}))


def _escaped(sql: str) -> str:
    """Return SQL from which SQLAlchemy takes no parameters, and no backslashes that are part of it."""
    return BIND_PARAMS.sub(r"\\\g<0>", BIND_PARAMS_ESC.sub(r"\\\g<0>", sql))


def _definitions(connection: Connection, table: Table, expressions: dict[str, str]) -> dict[str, str]:
    """Return each CHECK as PostgreSQL writes it, read from a copy of the table that is rolled back.

    A CHECK that names a column which the database lacks is left out.
    """
    quote = connection.dialect.identifier_preparer
    savepoint = connection.begin_nested()
    try:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {_COPY} (LIKE {quote.format_table(table)})")
        for name, expression in expressions.items():
            added = f"ALTER TABLE {_COPY} ADD CONSTRAINT {quote.quote(name)} CHECK ({expression})"
            with suppress(DBAPIError), connection.begin_nested():
                connection.execute(text(_escaped(added)))
        rows = connection.execute(text(_STORED), {"table": _COPY}).all()
        return {row.conname: row.definition for row in rows}
    finally:
        savepoint.rollback()


# Alembic's own functions double percent signs with psycopg, which needs that when a statement is run, not in a file;
# and they write a colon without its escape, so that SQLAlchemy would take what follows for a parameter.
def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write a CHECK of a new table that has such signs; leave everything else to Alembic."""
    if kind != "check" or of_type(item):
        return False
    escaped = _escaped(expression := _expression(item))
    if "%" not in expression and escaped == expression:
        return False
    return f"sa.CheckConstraint({escaped!r}, name=op.f({str(item.name)!r}))"


@renderers.dispatch_for(ops.CreateCheckConstraintOp, replace=True)
def _render_new_check(_context: AutogenContext, new: ops.CreateCheckConstraintOp) -> str:
    schema = f", schema={new.schema!r}" if new.schema else ""
    expression = _escaped(_expression(new.to_constraint()))
    return f"op.create_check_constraint(op.f({str(new.constraint_name)!r}), {new.table_name!r}, {expression!r}{schema})"


_PLUGIN.add_autogenerate_comparator(compare_checks, "table", "checks")
