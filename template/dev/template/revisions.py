"""Finds out whether a database migration that the template brought fits into the service's own history."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from dev.template.merge import HISTORY, Merge


def misfits(merge: Merge) -> list[str]:
    """Return a line for each thing to do, because a migration came beside the owner's instead of before them.

    Alembic refuses to upgrade a history with two ends, and runs only one of two migrations with the same name.
    """
    root = merge.project.root
    came = {path for path in merge.new.keys() - merge.before.keys() if path.startswith(HISTORY)}
    files = sorted(path.relative_to(root).as_posix() for path in (root / HISTORY).glob("*.py"))
    named: dict[str, list[str]] = defaultdict(list)
    followed: set[str] = set()
    for path in files:
        assigned = _assigned(root / path)
        followed |= _names(assigned.get("down_revision"))
        for name in _names(assigned.get("revision")):
            named[name].append(path)
    twice = {name: paths for name, paths in named.items() if len(paths) > 1 and came & {*paths}}
    if twice:
        return [_same_name(name, paths) for name, paths in twice.items()]
    ends = [name for name in named if name not in followed]
    return [_two_ends(ends)] if len(ends) > 1 and any(came & {*named[name]} for name in ends) else []


def _same_name(name: str, paths: Iterable[str]) -> str:
    return (
        f"{', '.join(paths)}: both are {name}; in the new file, give `revision` another name, and make "
        "`down_revision` the newest of your own"
    )


def _two_ends(ends: Iterable[str]) -> str:
    return f"{HISTORY} ends in {' and in '.join(ends)}; run: make migration-merge"


def _assigned(file: Path) -> dict[str, object]:
    """Return the constants that a module assigns at its top level; none if it cannot be read."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, object] = {}
    for node in body:
        value = getattr(node, "value", None)
        for target in _targets(node):
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant | ast.Tuple | ast.List):
                found[target.id] = ast.literal_eval(value)
    return found


def _targets(statement: ast.stmt) -> list[ast.expr]:
    """Return what a statement assigns to."""
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def _names(value: object) -> set[str]:
    """Return the revisions that a value names: none, one, or several."""
    several = value if isinstance(value, tuple | list) else [value]
    return {each for each in several if isinstance(each, str)}
