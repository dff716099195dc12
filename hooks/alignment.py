"""A step of the stage `after`: all versions of a module import alike, so that a merge is about what is below that."""

import ast
from collections import Counter

from hooks.additions import NotUnderstoodError, comments, understand
from hooks.modules import Module, bindings, only, with_imports
from hooks.source import UnreadableError
from hooks.statements import Statement
from hooks.update import Update


def align_imports(update: Update) -> None:
    """Give `base` and `mine` the imports of the new version, the owner's own ones beside them.

    Only in files that earlier steps touched and the owner edited. A file that cannot be read, or has other statements
    or comments of the owner's between its imports, stays as it is: its imports are merged by lines.
    """
    for path in sorted(update.touched):
        trees = [tree.get(path) for tree in (update.base, update.mine, update.new)]
        if not path.endswith(".py") or None in trees:
            continue
        base, mine, fresh = (file for file in trees if file)
        if mine.same(base) or fresh.same(base):
            continue
        try:
            texts = aligned(*(file.content.decode() for file in (base, mine, fresh)))
        except (NotUnderstoodError, UnicodeDecodeError, UnreadableError):
            continue
        update.base[path], update.mine[path] = base.holding(texts[0].encode()), mine.holding(texts[1].encode())


def aligned(base: str, mine: str, fresh: str) -> tuple[str, str]:
    """Return the texts of the last update and of the owner with the new version's imports.

    Raises:
        NotUnderstoodError: the imports are not all at the top, or a comment would be lost.
        UnreadableError: a text is no Python.
    """
    before, after, new = Module(base), Module(mine), Module(fresh)
    for module in (before, after, new):
        understand(_imports_are_together(module))
    had, has = _bound(before), _bound(after)
    own = _chosen(after, has - had)
    kept = _chosen(new, _bound(new) - (had - has))
    texts = with_imports(base, new.imports), with_imports(mine, [*kept, *own])
    understand(not Counter(comments(mine)) - Counter(comments(texts[1])) - Counter(comments(base)))
    return texts


def _imports_are_together(module: Module) -> bool:
    kinds = [isinstance(node, ast.Import | ast.ImportFrom) for node in module.source.tree.body]
    found = [number for number, is_import in enumerate(kinds) if is_import]
    return bool(found) and found[-1] - found[0] + 1 == len(found)


def _bound(module: Module) -> set[tuple[str, str]]:
    """Return what a module imports, with the names that it gives to it."""
    return {pair for each in module.imports for pair in bindings(each).items()}


def _chosen(module: Module, wanted: set[tuple[str, str]]) -> list[Statement]:
    """Return the imports that give wanted names."""
    chosen = []
    for each in module.imports:
        names = {local for key, local in bindings(each).items() if (key, local) in wanted}
        if names and (statement := only(each, names)):
            chosen.append(statement)
    return chosen
