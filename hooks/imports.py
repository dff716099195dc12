"""A step of the stage `after`: modules, or names of them, are imported from somewhere else now."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

from hooks.additions import name_of
from hooks.relative import with_absolute_imports
from hooks.renames import Renames
from hooks.source import Edit, Source, UnreadableError
from hooks.statements import ImportNode, Name, Statement, merged, parse
from hooks.trees import LINK, File, Tree
from hooks.update import Update
from hooks.uses import Uses


def rename_modules(update: Update, names: Mapping[str, str]) -> None:
    """Rewrite the imports of modules and names that are elsewhere, in the template's files and the owner's own.

    Keys are `app.db`, the module and all below it, or `app.api.dependencies:ServicesDep`, one name of a module; values
    are alike. The longest key wins; one that is its own value stays. Uses of names that are called otherwise are
    rewritten, and so are strings that are wholly a dotted path. Relative imports stay where they still find the same.

    A file that cannot be read as Python stays as it is, and the owner is told.
    """
    renames = Renames(names)
    known: dict[bytes, bytes] = {}
    unreadable: set[str] = set()
    for tree in (update.base, update.mine):
        for path, file in _python(tree):
            try:
                given = _absolute(file, path, renames)
                content = known.get(given) or rewritten(given, renames)
            except UnreadableError as error:
                unreadable |= {path} if tree is update.mine else set()
                if path in unreadable:
                    update.say(f"{path}: its imports stay as they are, since it cannot be read: {error}")
                continue
            known[given] = content
            if content != file.content:
                tree[path] = file.holding(content)
                update.touch(path)


def own_names(update: Update, path: str) -> dict[str, str]:
    """Return entries for `rename_modules` that leave the names alone which the owner added to one of the modules."""
    module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
    added = _defined(update.mine, path) - _defined(update.base, path)
    return {f"{module}:{name}": f"{module}:{name}" for name in added}


def _defined(tree: Tree, path: str) -> set[str]:
    """Return the names that a module gives at its top level; none if it cannot be read."""
    try:
        body = Source(tree[path].content.decode()).tree.body if path in tree else []
    except (UnreadableError, UnicodeDecodeError):
        return set()
    return {name for node in body if (name := name_of(node))}


def _python(tree: Tree) -> list[tuple[str, File]]:
    return [(path, file) for path, file in tree.items() if path.endswith(".py") and file.mode != LINK]


def _absolute(file: File, path: str, renames: Renames) -> bytes:
    """Return a file's content with absolute imports instead of relative ones that the move of a file would break."""
    try:
        return with_absolute_imports(file.content.decode(), path, file.origin, renames).encode()
    except UnicodeDecodeError:
        return file.content


def rewritten(content: bytes, renames: Renames) -> bytes:
    """Rewrite the content of one file.

    Raises:
        UnreadableError: it mentions a renamed package but is no Python.
    """
    if not renames.mentioned(content.decode(errors="replace")):
        return content
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError("it is not UTF-8") from error
    return rewrite(text, renames).encode()


def rewrite(text: str, renames: Renames) -> str:
    """Rewrite the text of one module.

    Raises:
        UnreadableError: it has a syntax error.
    """
    source = Source(text)
    uses = Uses(source, renames)
    edits = list(uses.edits())
    for body in source.bodies():
        for run in _runs(source, body):
            edits += _Run(source, renames, uses, run).edits()
    return source.edited(edits)


def _runs(source: Source, body: list[ast.stmt]) -> Iterator[list[ImportNode]]:
    """Yield the first-party imports that follow each other, each with those it is sorted with."""
    run: list[ImportNode] = []
    for node in body:
        # what shares a line with other code is not sorted
        if run and (not _is_ours(node) or _is_crowded(source, node) or _is_crowded(source, run[-1])):
            yield run
            run = []
        if isinstance(node, ast.Import | ast.ImportFrom) and _is_ours(node):
            run.append(node)
    if run:
        yield run


def _is_ours(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any(Statement(alias.name).section == 3 for alias in node.names)
    return isinstance(node, ast.ImportFrom) and not node.level and Statement(node.module or "").section == 3


def _is_crowded(source: Source, node: ast.stmt) -> bool:
    """Tell whether a statement shares its lines with other code, or is of packages of others, too."""
    start, end = source.span(node)
    first, last = node.lineno, node.end_lineno or node.lineno
    before = source.text[source.starts[first - 1] : start]
    after = source.text[end : source.starts[last]].strip()
    alone = not before.strip() and (after.startswith("#") or not after)
    return not alone or (isinstance(node, ast.Import) and any(Statement(each.name).section != 3 for each in node.names))


class _Run:
    """First-party imports that follow each other, and how they are written anew."""

    def __init__(self, source: Source, renames: Renames, uses: Uses, nodes: list[ImportNode]) -> None:
        self._source = source
        self._renames = renames
        self._uses = uses
        self._nodes = nodes

    def edits(self) -> list[Edit]:
        """Return the edit that writes them, or nothing if none of them changes."""
        if _is_crowded(self._source, self._nodes[0]):
            return self._crowded(self._nodes[0])
        start, above = self._begin()
        old: list[Statement] = []
        for node in self._nodes:
            old += parse(self._source, node, above if node is self._nodes[0] else self._comments_above(node))
        new = [list(self._renamed(statement)) for statement in old]
        new += [[Statement(module)] for module in self._missing()]
        if new == [[statement] for statement in old]:
            return []
        end = self._source.starts[self._nodes[-1].end_lineno or self._nodes[-1].lineno]
        text = self._source.text[start:end]
        indent = " " * self._nodes[0].col_offset
        statements = list(chain.from_iterable(new)) if "isort:" in text else merged(chain.from_iterable(new))
        lines = "".join(statement.render(indent) for statement in statements)
        return [Edit(start, end, lines if text.endswith(("\n", "\r")) else lines.removesuffix("\n"))]

    def _crowded(self, node: ImportNode) -> list[Edit]:
        """Return the edit that writes one statement anew where it is, on one line."""
        if isinstance(node, ast.Import):
            old = [_plain(Statement(each.name, alias=each.asname or "")) for each in node.names]
            new = [_plain(Statement(self._renames.dotted(each.name), alias=each.asname or "")) for each in node.names]
            text = "import " + ", ".join(each.removeprefix("import ") for each in new)
        else:
            given = Statement(node.module or "", tuple(Name(each.name, each.asname or "") for each in node.names))
            old, new = [_plain(given)], [_plain(each) for each in self._renamed(given)]
            text = "; ".join(new)
        return [] if new == old else [Edit(*self._source.span(node), text)]

    def _missing(self) -> list[str]:
        """Take the modules that attribute chains need besides; the first `import app.db` has them beside it."""
        if not any(isinstance(node, ast.Import) for node in self._nodes):
            return []
        missing = list(dict.fromkeys(self._uses.missing))
        self._uses.missing.clear()
        return missing

    def _begin(self) -> tuple[int, list[str]]:
        """Return where the first statement begins, with the comments that belong to it."""
        line = first = self._nodes[0].lineno
        while first > 1 and self._source.lines[first - 2].strip().startswith("#"):
            first -= 1
        if not self._follows_imports(first):
            first = line
        return self._source.starts[first - 1], [text.strip() for text in self._source.lines[first - 1 : line - 1]]

    def _follows_imports(self, line: int) -> bool:
        """Tell whether an import of another section is what stands above a line."""
        above = [node for node in ast.walk(self._source.tree) if isinstance(node, ast.stmt) and node.lineno < line]
        last = max(above, key=lambda node: node.end_lineno or 0, default=None)
        return isinstance(last, ast.Import | ast.ImportFrom)

    def _comments_above(self, node: ImportNode) -> list[str]:
        before = self._nodes[self._nodes.index(node) - 1]
        lines = self._source.lines[before.end_lineno or before.lineno : node.lineno - 1]
        return [line.strip() for line in lines if line.strip()]

    def _renamed(self, statement: Statement) -> Iterator[Statement]:
        """Yield what takes the place of a statement; its comments stay with the part that has most names."""
        if not statement.names:
            yield replace(statement, module=self._renames.dotted(statement.module))
            return
        parts: dict[str, list[Name]] = {}
        for name in statement.names:
            module, new = self._renames.imported(statement.module, name.name)
            parts.setdefault(module, []).append(self._called(name, new))
        largest = max(parts, key=lambda module: len(parts[module]))
        for module, names in parts.items():
            part = replace(statement, module=module, names=tuple(names))
            yield part if module == largest else replace(part, above=(), comment="", exploded=False)

    def _called(self, name: Name, new: str) -> Name:
        """Return a name that is called otherwise in its module: under that name here, too, if it can be."""
        if name.alias:
            return replace(name, name=new, alias="" if name.alias == new else name.alias)
        renamed = new == name.name or self._uses.renamed.get(name.name) == new
        return replace(name, name=new, alias="" if renamed else name.name)


def _plain(statement: Statement) -> str:
    """Return a statement on one line."""
    line = statement.render().rstrip("\n")
    names = ", ".join(map(str, statement.names))
    return f"from {statement.module} import {names}" if names else line
