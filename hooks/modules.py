"""Modules as carriers see them: imports, named statements, and what the owner has besides."""

import ast
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from hooks.additions import Item, comments, inserted, items, name_of, names_in, understand
from hooks.source import Source
from hooks.statements import ImportNode, Name, Statement, merged, parse

ANCHOR = "# add your own"


class Module:
    """A module, with what another version of it had."""

    def __init__(self, text: str, base: "Module | None" = None) -> None:
        self.text = text
        self.source = Source(text)
        self.comments = set(comments(text))
        self._base = base

    @property
    def imports(self) -> list[Statement]:
        """The imports at its top level."""
        nodes = [node for node in self.source.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        return [statement for node in nodes for statement in self.imports_of(node)]

    def imports_of(self, node: ImportNode) -> list[Statement]:
        """Return what one of them imports, with the comments above it."""
        return parse(self.source, node, self._above(node))

    def own_imports(self, *, every: bool) -> set[str]:
        """Return the names of imports that the other version has not: every one, or those for their effect only."""
        known = {key for each in self._base.imports for key in bindings(each)} if self._base else set()
        own = [each for each in self.imports if every or "noqa" in each.comment]
        return {local for each in own for key, local in bindings(each).items() if key not in known}

    def _above(self, node: ast.stmt) -> tuple[str, ...]:
        return self.items([node])[0].above

    @property
    def body(self) -> list[ast.stmt]:
        """The statements at its top level but imports and the docstring."""
        body = [node for node in self.source.tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
        return body[1:] if ast.get_docstring(self.source.tree) is not None else body

    def find(self, name: str) -> ast.stmt:
        """Return the statement that gives something this name.

        Raises:
            NotUnderstoodError: there is none, or more than one.
        """
        found = [node for node in self.body if name_of(node) == name]
        understand(len(found) == 1)
        return found[0]

    def items(self, nodes: Collection[ast.expr | ast.stmt | ast.keyword]) -> list[Item]:
        """Return the parts that these nodes are, without the comments that the other version has as well."""
        return items(self.source, nodes, self._base.comments if self._base else ())

    def own(self, *shaped: str) -> tuple[list[Item], list[Item]]:
        """Return the owner's statements above and below the first one whose shape the caller looks at.

        Raises:
            NotUnderstoodError: another statement of the template's, or the docstring, is not as it was.
        """
        base = self._base
        understand(base and ast.get_docstring(base.source.tree) == ast.get_docstring(self.source.tree))
        given = base.body if base else []
        own = inserted(
            [node for node in given if name_of(node) not in shaped],
            [node for node in self.body if name_of(node) not in shaped],
        )
        line = min(self.find(name).lineno for name in shaped)
        above = self.items([node for node in own if node.lineno < line])
        return above, self.items([node for node in own if node.lineno > line])

    def tail(self) -> str:
        """Return the owner's comments behind the last statement."""
        last = self.source.tree.body[-1].end_lineno or 0
        known = self._base.comments if self._base else set()
        lines = [line.strip() for line in self.source.lines[last:]]
        return "".join(f"{line}\n" for line in lines if line and line not in known)


class Draft:
    """The new version's text, while the owner's additions are put into it."""

    def __init__(self, fresh: str) -> None:
        self.text = fresh
        self._used = names_in(Source(fresh).tree)

    def find(self, pattern: str) -> re.Match[str]:
        """Return the only place where a regular expression is found.

        Raises:
            NotUnderstoodError: there is none, or more than one.
        """
        found = list(re.finditer(pattern, self.text, re.MULTILINE))
        understand(len(found) == 1)
        return found[0]

    def put(self, pattern: str, lines: str, *, above: bool = False) -> None:
        """Insert lines below the only line that fits a regular expression, or above it."""
        place = self.find(rf"{pattern}[^\n]*\n")
        at = place.start() if above else place.end()
        self.text = self.text[:at] + lines + self.text[at:]

    def replace(self, node: ast.stmt, lines: str) -> None:
        """Replace the lines of a statement, or remove them."""
        source = Source(self.text)
        start = source.starts[node.lineno - 1]
        self.text = self.text[:start] + lines + self.text[source.starts[node.end_lineno or node.lineno] :]

    def surround(self, above: list[Item], below: list[Item], name: str, tail: str) -> None:
        """Put statements above the one of that name, and others, with comments, behind the last one."""
        node = next((node for node in Source(self.text).tree.body if name_of(node) == name), None)
        understand(node)
        if node and above:
            at = _first_offset(Source(self.text), node)
            following = [each.node for each in above[1:]] + [node]
            head = self.text[:at].rstrip("\n") + _gap(above[0].node)
            lines = [item.render(0) + _gap(item.node, after) for item, after in zip(above, following, strict=True)]
            self.text = head + "\n" + "".join(lines) + self.text[at:]
        self.append(below, tail)

    def append(self, items: list[Item], tail: str) -> None:
        """Put statements behind the last one, and comments behind them."""
        for item in items:
            last = Source(self.text).tree.body[-1]
            self.text = f"{self.text.rstrip()}\n{_gap(last, item.node)}{item.render(0)}"
        apart = len(_gap(Source(self.text).tree.body[-1])) > 1
        self.text += "\n\n" * (apart and bool(tail)) + tail

    def import_from(self, module: Module, *, every: bool = False, defined: Mapping[str, str] | None = None) -> str:
        """Import what the text uses and the owner's module imports, or `every` own import; drop what is unused.

        `defined` says which modules have names that the owner's module did not import.
        """
        tree = Source(self.text).tree
        used = names_in(tree) | _exported(tree)
        present, own = Module(self.text).imports, module.imports
        bound = {name_of(node) for node in tree.body} | _locals(present)
        wanted = (used - bound) | module.own_imports(every=every)
        gone = self._used - used
        kept = [only(each, _locals([each]) - gone) for each in present]
        added = [only(each, wanted) for each in own]
        places = {name: place for name, place in (defined or {}).items() if name in used - bound - _locals(own)}
        more = [Statement(place, (Name(name),)) for name, place in places.items()]
        self.text = with_imports(self.text, [each for each in (*kept, *added, *more) if each])
        return self.text


def _first_offset(source: Source, node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return source.starts[min([node.lineno, *(each.lineno for each in decorators)]) - 1]


def _gap(*nodes: ast.AST) -> str:
    """Return the empty lines beside statements of the top level."""
    return (
        "\n\n"
        if any(isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) for each in nodes)
        else "\n"
    )


def bindings(statement: Statement) -> dict[str, str]:
    """Return the names that an import binds, by what is imported."""
    if not statement.names:
        return {statement.render(): statement.alias or statement.module.partition(".")[0]}
    return {f"{statement.module}.{name}": name.local for name in statement.names}


def _locals(statements: Iterable[Statement]) -> set[str]:
    """Return the names that imports bind."""
    return {local for each in statements for local in bindings(each).values()}


def only(statement: Statement, wanted: Collection[str]) -> Statement | None:
    """Return the wanted names of a statement, if there are any."""
    if not statement.names:
        return statement if _locals([statement]) & set(wanted) else None
    names = tuple(name for name in statement.names if name.local in wanted)
    return replace(statement, names=names) if names else None


def _exported(tree: ast.Module) -> set[str]:
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign) and name_of(node) == "__all__"]
    constants = [each for value in lists for each in ast.walk(value) if isinstance(each, ast.Constant)]
    return {each.value for each in constants if isinstance(each.value, str)}


def with_imports(text: str, statements: list[Statement]) -> str:
    """Return a module's text with other imports at its top."""
    source = Source(text)
    nodes = [node for node in source.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    sections = [merged(each for each in statements if each.section == number) for number in range(5)]
    block = "\n".join("".join(each.render() for each in section) for section in sections if section)
    understand(nodes)
    start, end = source.starts[nodes[0].lineno - 1], source.starts[nodes[-1].end_lineno or 0]
    return text[:start] + block + text[end:]
