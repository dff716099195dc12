"""Compares the WHERE of indexes, which Alembic does not, for `make migration` and `make drift`; and writes it."""

from copy import copy

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import ops
from alembic.util import PriorityDispatchResult
from sqlalchemy import ClauseElement, Connection, Index, Table, text

from app.platform.db.expressions import escaped, plain, rewritten

_PREDICATES = """
    SELECT relname, pg_get_expr(indpred, indrelid) AS predicate
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = CAST(:table AS regclass)
"""
_render = renderers.dispatch(ops.CreateIndexOp("", "", []))


class _Code(str):
    """Python code, which stands in a migration as it is."""

    __slots__ = ()
    __repr__ = str.__str__


def compare_predicates(
    context: AutogenContext,
    found: ops.ModifyTableOps,
    _schema: str | None,
    _name: str,
    stored: Table | None,
    model: Table | None,
) -> PriorityDispatchResult:
    """Make anew the indexes whose WHERE is another one, as PostgreSQL writes it."""
    if stored is None or model is None or context.connection is None:
        return PriorityDispatchResult.CONTINUE
    before = {str(index.name): index for index in stored.indexes}
    changed = {str(each.index_name) for each in found.ops if isinstance(each, ops.CreateIndexOp | ops.DropIndexOp)}
    for name, index in _changed(context.connection, model).items():
        if name in before and name not in changed:
            found.ops.append(ops.DropIndexOp.from_index(before[name]))
            found.ops.append(ops.CreateIndexOp.from_index(index))
    return PriorityDispatchResult.CONTINUE


def _changed(connection: Connection, model: Table) -> dict[str, Index]:
    """Return the indexes of a model that the database has with another WHERE, by their names."""
    quote = connection.dialect.identifier_preparer
    indexes = {str(quote.format_index(each)).strip('"'): each for each in model.indexes}
    wheres = {name: index.dialect_options["postgresql"]["where"] for name, index in indexes.items()}
    after = rewritten(connection, model, {name: _sql(each) for name, each in wheres.items() if each is not None})
    rows = connection.execute(text(_PREDICATES), {"table": quote.format_table(model)})
    before = {row.relname: row.predicate for row in rows}

    def differs(name: str) -> bool:
        if wheres[name] is None:
            return before[name] is not None
        # what names a column that the database lacks is not in `after`
        return name not in after or bool(after[name].expression != before[name])

    return {name: index for name, index in indexes.items() if name in before and differs(name)}


def _sql(where: ClauseElement | str) -> str:
    return where if isinstance(where, str) else plain(where)


# for the same reasons as CHECKs (`autogenerate.py`)
@renderers.dispatch_for(ops.CreateIndexOp, replace=True)
def _render_new_index(context: AutogenContext, new: ops.CreateIndexOp) -> str | list[str]:
    where = new.kw.get("postgresql_where")
    safe = escaped(sql := "" if where is None else _sql(where))
    if "%" in sql or safe != sql:
        new = copy(new)
        new.kw = {**new.kw, "postgresql_where": _Code(f"sa.text({safe!r})")}
    written: str | list[str] = _render(context, new)
    return written
