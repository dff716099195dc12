"""The names that a module binds and uses, and the edits that follow when imported ones are called otherwise."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

from hooks.renames import Renames
from hooks.source import Edit, Source
from hooks.statements import FIRST_PARTY

_OTHER = ""  # bound by something else than an import


class Uses:
    """What a module uses of what it imports."""

    def __init__(self, source: Source, renames: Renames) -> None:
        self._source = source
        self._renames = renames
        self._nodes = list(ast.walk(source.tree))
        # modules that attribute chains need and no statement imports
        self.missing: list[str] = []

    @cached_property
    def bound(self) -> dict[str, set[str]]:
        """What each name is bound to anywhere in the module: old paths of imports, or something else."""
        bound: dict[str, set[str]] = {}
        for name, what in self._bindings():
            bound.setdefault(name, set()).add(what)
        return bound

    def _bindings(self) -> Iterator[tuple[str, str]]:
        for node in self._nodes:
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield alias.asname or alias.name, f"{'.' * node.level}{node.module or ''}.{alias.name}"
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    # without an alias the name stands for the package on top
                    yield alias.asname or alias.name.partition(".")[0], alias.name if alias.asname else "package"
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                yield node.id, _OTHER
            else:
                yield from ((name, _OTHER) for name in _bound_otherwise(node))

    @cached_property
    def _used(self) -> set[str]:
        return {node.id for node in self._nodes if isinstance(node, ast.Name)}

    @cached_property
    def _strings(self) -> set[str]:
        return {node.value for node in self._nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The imported names that can be called otherwise in the whole module, by the old name."""
        found: dict[str, str] = {}
        for old, targets in self.bound.items():
            target = next(iter(targets))
            new = self._renames.dotted(target).rpartition(".")[2]
            if len(targets) > 1 or not target.endswith(f".{old}") or new == old or old in self._strings:
                continue
            others = {self._renames.dotted(each) for each in self.bound.get(new, set())}
            free = new not in self._used if not others else others == {self._renames.dotted(target)}
            if free:
                found[old] = new
        several = Counter(found.values())
        return {old: new for old, new in found.items() if several[new] == 1}

    def edits(self) -> Iterator[Edit]:
        """Yield the edits of names, attributes of modules, and strings that are dotted paths."""
        done: set[int] = set()
        for node in self._nodes:
            if isinstance(node, ast.Attribute) and id(node) not in done:
                chain = list(_chain(node))
                done.update(id(each) for each in chain)
                yield from self._of_chain(chain)
            elif isinstance(node, ast.Name) and node.id in self.renamed and id(node) not in done:
                yield Edit(*self._source.span(node), self.renamed[node.id])
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from self._of_string(node, node.value)

    def _of_chain(self, chain: list[ast.expr]) -> Iterator[Edit]:
        """Rewrite `app.db.session.X` below `import app.db.session`, and `session.X` below an import of the module."""
        root = chain[-1]
        if not isinstance(root, ast.Name):
            return
        start, end = self._source.span(root)
        targets = self.bound.get(root.id, set())
        attributes = [node.attr for node in reversed(chain) if isinstance(node, ast.Attribute)]
        if root.id in FIRST_PARTY and targets == {"package"}:
            yield from self._of_path(chain, root.id, attributes)
            return
        if root.id in self.renamed:
            yield Edit(start, end, self.renamed[root.id])
        if len(targets) == 1 and (target := next(iter(targets))) not in {_OTHER, "package"}:
            old = self._renames.dotted(f"{target}.{attributes[0]}")
            parent, _, name = old.rpartition(".")
            if name != attributes[0] and parent == self._renames.dotted(target):
                stop = self._source.span(chain[-2])[1]
                yield Edit(stop - len(attributes[0]), stop, name)

    def _of_path(self, chain: list[ast.expr], root: str, attributes: list[str]) -> Iterator[Edit]:
        for length in range(len(attributes), 0, -1):
            old = ".".join([root, *attributes[:length]])
            new = self._renames.dotted(old)
            if new != old:
                # the shortest part of the path that is renamed as the whole is
                while self._renames.dotted(old.rpartition(".")[0]) + old[old.rfind(".") :] == new:
                    old, new = old.rpartition(".")[0], new.rpartition(".")[0]
                node = chain[-1 - old.count(".")]
                yield Edit(self._source.span(chain[-1])[0], self._source.span(node)[1], new)
                self._need(old, new)
                return

    def _need(self, old: str, new: str) -> None:
        """Note the module of a name that is no longer where the rest of its module is."""
        module, _, _ = old.rpartition(".")
        imported = {alias.name for node in self._nodes if isinstance(node, ast.Import) for alias in node.names}
        if module in imported and new.rpartition(".")[0] != self._renames.dotted(module):
            self.missing.append(new.rpartition(".")[0])

    def _of_string(self, node: ast.Constant, value: str) -> Iterator[Edit]:
        new = self._renames.string(value)
        written = self._source.segment(node)
        if new != value and written in {f'"{value}"', f"'{value}'"}:
            start, end = self._source.span(node)
            yield Edit(start + 1, end - 1, new)


def _chain(node: ast.expr) -> Iterator[ast.expr]:
    """Yield an attribute, what it is an attribute of, and so on."""
    yield node
    while isinstance(node, ast.Attribute):
        node = node.value
        yield node


def _bound_otherwise(node: ast.AST) -> list[str]:
    """Return the names that a node binds, if it is neither an import nor a name."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.Global | ast.Nonlocal):
        return node.names
    bound = getattr(node, "name", None) if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) else None
    rest = getattr(node, "rest", None) if isinstance(node, ast.MatchMapping) else None
    return [name for name in (bound, rest) if name]
