"""What `make migration` and `make drift` compare beyond what Alembic compares: CHECKs (and `alembic_dialect.py`).

They leave alone what no revision of this service has made, such as the tables of another service in the same database.
"""

from collections.abc import Callable
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.script import ScriptDirectory
from alembic.util import PriorityDispatchResult
from sqlalchemy import CheckConstraint, Row, Table
from sqlalchemy.sql.elements import conv

from app.platform.db import revisions
from app.platform.db.base import of_type
from app.platform.db.expressions import escaped, name_of, plain
from app.platform.db.rewriting import rewritten_checks, stored_checks

_PLUGIN = Plugin("app.platform.checks")
PLUGINS = ("alembic.autogenerate.*", _PLUGIN.name)


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
    before = stored_checks(connection, model)
    checks = _checks(model, stored)
    expressions = {each: plain(check.sqltext) for each, check in checks.items()}
    after = rewritten_checks(connection, model, expressions)
    names = before.keys() | checks.keys()
    changed = {each for each in names if not _same(before.get(each), after.get(each))}
    for each in sorted(changed & before.keys()):
        old = CheckConstraint(escaped(before[each].expression), name=conv(each), table=stored)
        if context.run_object_filters(old, each, "check_constraint", True, checks.get(each)):
            found.ops.append(ops.DropConstraintOp.from_constraint(old))
    for each in sorted(changed & checks.keys()):
        found.ops.append(ops.CreateCheckConstraintOp(conv(each), name, escaped(expressions[each]), schema=schema))
    return PriorityDispatchResult.CONTINUE


def _same(before: Row[Any] | None, after: Row[Any] | None) -> bool:
    return before is not None and after is not None and bool(before.definition == after.definition)


def _checks(model: Table, stored: Table) -> dict[str, CheckConstraint]:
    """Return the CHECKs of a model by the names that they have in the database.

    The CHECK of an enum whose column is new is left out, because it comes with the column.
    """
    all_of_them = [*model.constraints, *(each for column in model.columns for each in column.constraints)]
    checks = [each for each in all_of_them if isinstance(each, CheckConstraint)]
    return {
        name_of(check): check
        for check in checks
        if not (of_type(check) and any(each.name not in stored.columns for each in check.columns))
    }


_PLUGIN.add_autogenerate_comparator(compare_checks, "table", "checks")
