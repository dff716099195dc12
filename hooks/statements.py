"""Import statements: taken apart with their comments, and written as ruff's isort sorts and wraps them."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hooks.source import Source

WIDTH = 120
FIRST_PARTY = frozenset({"app", "dev", "tests"})
ImportNode = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Name:
    """One name of a `from` import, with the comments that lines of their own in parentheses may have."""

    name: str
    alias: str = ""
    above: tuple[str, ...] = ()
    beside: str = ""

    @property
    def local(self) -> str:
        """The name it has in the module that imports it."""
        return self.alias or self.name

    def __str__(self) -> str:
        return f"{self.name} as {self.alias}" if self.alias else self.name


@dataclass(frozen=True)
class Statement:
    """One import: of a module, which may have an alias, or of names from it."""

    module: str
    names: tuple[Name, ...] = ()
    alias: str = ""
    above: tuple[str, ...] = ()
    comment: str = ""
    # a trailing comma keeps it on several lines
    exploded: bool = field(default=False, compare=False)

    @property
    def section(self) -> int:
        """The place of its section: future, standard library, third party, first party, relative."""
        root = self.module.partition(".")[0]
        if not root:
            return 4
        if root == "__future__":
            return 0
        return 3 if root in FIRST_PARTY else 1 if root in sys.stdlib_module_names else 2

    def render(self, indent: str = "") -> str:
        """Return its lines, comments included."""
        above = "".join(f"{indent}{line}\n" for line in self.above)
        comment = f"  {self.comment}" if self.comment else ""
        if not self.names:
            alias = f" as {self.alias}" if self.alias else ""
            return f"{above}{indent}import {self.module}{alias}{comment}\n"
        noted = any(name.above or name.beside for name in self.names)
        line = f"{indent}from {self.module} import {', '.join(map(str, self.names))}"
        fits = len(line) <= WIDTH and (len(line + comment) <= WIDTH or _is_pragma(self.comment))
        if self.names[0].name == "*" or (fits and not noted and not self.exploded):
            return f"{above}{line}{comment}\n"
        body = "".join(_own_line(name, f"{indent}    ") for name in self.names)
        return f"{above}{indent}from {self.module} import ({comment}\n{body}{indent})\n"


def _own_line(name: Name, indent: str) -> str:
    above = "".join(f"{indent}{line}\n" for line in name.above)
    return f"{above}{indent}{name},{f'  {name.beside}' if name.beside else ''}\n"


def _is_pragma(comment: str) -> bool:
    """Tell whether a comment does not count for the width of a line."""
    return re.match(r"#\s*(noqa|type:|pyright:|pylint:|flake8:|ruff:)", comment) is not None


def parse(source: Source, node: ImportNode, above: Iterable[str] = ()) -> list[Statement]:
    """Take a statement apart; `import a, b` is two of them."""
    if isinstance(node, ast.Import):
        comment = _Comments(source, node).statement
        plain = [Statement(alias.name, alias=alias.asname or "") for alias in node.names]
        return [replace(plain[0], above=tuple(above), comment=comment), *plain[1:]]
    comments = _Comments(source, node)
    names = tuple(comments.of(alias) for alias in node.names)
    module = "." * node.level + (node.module or "")
    exploded = re.search(r",\s*(#[^\n]*\s*)*\)\s*\Z", source.segment(node)) is not None
    return [Statement(module, names, above=tuple(above), comment=comments.statement, exploded=exploded)]


class _Comments:
    """The comments of one statement: its own, and those of single names."""

    def __init__(self, source: Source, node: ImportNode) -> None:
        self._first, last = node.lineno, node.end_lineno or node.lineno
        text = "".join(line.rstrip("\r\n") + "\n" for line in source.lines[node.lineno - 1 : last])
        self._beside: dict[int, str] = {}
        self._alone: dict[int, str] = {}
        for token in tokenize.generate_tokens(io.StringIO(text.lstrip()).readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                (self._alone if alone else self._beside)[token.start[0] - 1 + self._first] = token.string.rstrip()
        named = {alias.lineno for alias in node.names}
        one_line = len(named) < len(node.names) or self._first in named
        own = [text for line, text in self._beside.items() if line not in named or one_line]
        orphans = [text for line, text in self._alone.items() if line > max(named)]
        self.statement = "  ".join(own + orphans)
        if one_line:
            self._beside = {}

    def of(self, alias: ast.alias) -> Name:
        """Return a name with its comments; each comment is given once, to the first name after it."""
        above = tuple(self._alone.pop(line) for line in sorted(self._alone) if line < alias.lineno)
        return Name(alias.name, alias.asname or "", above, self._beside.pop(alias.lineno, ""))


def merged(statements: Iterable[Statement]) -> list[Statement]:
    """Merge and sort the statements of one section; imports with an alias stay statements of their own."""
    whole: dict[tuple[str, str], Statement] = {}
    for statement in statements:
        for part in _parts(statement):
            key = (part.module, _kind(part))
            whole[key] = _joined(whole[key], part) if key in whole else part
    return sorted((_sorted(statement) for statement in whole.values()), key=_order)


def _kind(statement: Statement) -> str:
    """Return what statements of one module must have in common to become one."""
    if not statement.names:
        return f"import as {statement.alias}"
    return f"from {statement.names[0] if statement.names[0].alias or statement.names[0].name == '*' else ''}"


def _parts(statement: Statement) -> list[Statement]:
    """Split off the names with an alias; the comments stay with the part that keeps most names."""
    plain = tuple(name for name in statement.names if not name.alias)
    parts = [replace(statement, names=(name,), exploded=False) for name in statement.names if name.alias]
    if plain or not parts:
        parts.insert(0, replace(statement, names=plain))
    return [parts[0], *(replace(part, above=(), comment="") for part in parts[1:])]


def _joined(one: Statement, other: Statement) -> Statement:
    comments = dict.fromkeys(filter(None, (one.comment, other.comment)))
    names = {str(name): name for name in (*other.names, *one.names)}
    return replace(
        one,
        names=tuple(names.values()),
        above=one.above + other.above,
        comment="  ".join(comments),
        exploded=one.exploded or other.exploded,
    )


def _sorted(statement: Statement) -> Statement:
    return replace(statement, names=tuple(sorted(statement.names, key=_member)))


_Natural = list[tuple[int, int]]


def _order(statement: Statement) -> tuple[bool, _Natural, _Natural, tuple[int, _Natural, _Natural, str], str]:
    first = _member(statement.names[0]) if statement.names else (0, [], [], "")
    return bool(statement.names), *_both(statement.module), first, statement.alias


def _member(name: Name) -> tuple[int, _Natural, _Natural, str]:
    """Return the order by type: constants, classes, the rest."""
    constant = len(name.name) > 1 and name.name.isupper()
    return 0 if constant else 1 if name.name[0].isupper() else 2, *_both(name.name), name.alias


def _both(text: str) -> tuple[_Natural, _Natural]:
    return _natural(text.lower()), _natural(text)


def _natural(text: str) -> _Natural:
    """Return what sorts texts with numbers by their value."""
    parts = re.findall(r"\d+|\D", text)
    return [(ord("0"), int(part)) if part.isdigit() else (ord(part), 0) for part in parts]
