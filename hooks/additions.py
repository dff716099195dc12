"""What an owner added to a module: its parts with their comments, compared by their meaning and not by their lines."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from hooks.source import Source, UnreadableError


class NotUnderstoodError(Exception):
    """The owner changed something else than a carrier knows how to carry."""


def attempt(carry: Callable[[str, str, str], str], base: str, mine: str, fresh: str) -> str | None:
    """Run a carrier; return nothing if it did not understand, or if a comment of the owner's would be lost."""
    try:
        carried = carry(base, mine, fresh)
        own = Counter(comments(mine)) - Counter(comments(base))
        return None if own - Counter(comments(carried)) else carried
    except (NotUnderstoodError, UnreadableError):
        return None


def understand(condition: object) -> None:
    """Give up unless a condition holds.

    Raises:
        NotUnderstoodError: it does not.
    """
    if not condition:
        raise NotUnderstoodError


def comments(text: str) -> list[str]:
    """Return every comment of a module."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string.rstrip() for token in tokens if token.type == tokenize.COMMENT]


@dataclass(frozen=True)
class Item:
    """A statement, a keyword argument or an element, with the comments above and beside it."""

    node: ast.AST
    above: tuple[str, ...]
    text: str
    beside: str
    column: int

    def render(self, indent: int, text: str = "", end: str = "") -> str:
        """Return its lines at another indentation; `text` may take the place of its own."""
        first, *more = (text or self.text).split("\n")
        shift = indent - self.column
        lines = [line[-shift:] if shift < 0 and not line[:-shift].strip() else " " * shift + line for line in more]
        body = "\n".join([" " * indent + first, *(line if line.strip() else "" for line in lines)])
        above = "".join(f"{' ' * indent}{comment}\n" for comment in self.above)
        return f"{above}{body}{end}{f'  {self.beside}' if self.beside else ''}\n"


def items(
    source: Source, nodes: Iterable[ast.expr | ast.stmt | ast.keyword], known: Collection[str] = ()
) -> list[Item]:
    """Return the parts of a module that these nodes are; comments that are known belong to none of them."""
    return [_item(source, node, known) for node in nodes]


def _item(source: Source, node: ast.expr | ast.stmt | ast.keyword, known: Collection[str]) -> Item:
    decorators = getattr(node, "decorator_list", [])
    line = min([node.lineno, *(each.lineno for each in decorators)])
    column = node.col_offset
    start = source.offset(line, column)
    end = source.offset(node.end_lineno or line, node.end_col_offset or 0)
    above: list[str] = []
    while line > 1 and _is_comment_or_blank(source.lines[line - 2]):
        line -= 1
        text = source.lines[line - 1].strip()
        above += [text] if text and text not in known else []
    beside = re.match(r"[ \t]*,?[ \t]*(#[^\n]*)", source.text[end:])
    alone = not source.text[source.starts[source.line_of(start) - 1] : start].strip()
    own = beside[1].rstrip() if beside and beside[1].rstrip() not in known else ""
    return Item(node, tuple(reversed(above)) if alone else (), source.text[start:end], own, column)


def _is_comment_or_blank(line: str) -> bool:
    return not line.strip() or line.strip().startswith("#")


def dump(node: ast.AST) -> str:
    """Return the meaning of a node: two with the same one differ in layout and comments only."""
    return ast.dump(node)


def inserted(base: Sequence[ast.stmt], mine: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return the statements that are only in the owner's sequence.

    Raises:
        NotUnderstoodError: one of the other sequence is not there, or is not as it was.
    """
    own: list[ast.stmt] = []
    one, other = [dump(each) for each in base], [dump(each) for each in mine]
    for kind, _, _, start, end in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        understand(kind in {"equal", "insert"})
        own += mine[start:end] if kind == "insert" else []
    return own


def shell(node: ast.stmt) -> str:
    """Return the meaning of a class or a function without its body, but with its docstring."""
    understand(isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef))
    fields = {name: value for name, value in ast.iter_fields(node) if name != "body"}
    document = (
        ast.get_docstring(node) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) else ""
    )
    return repr([document, {name: _dumped(value) for name, value in fields.items()}])


def _dumped(value: object) -> object:
    if isinstance(value, list):
        return [_dumped(each) for each in value]
    return dump(value) if isinstance(value, ast.AST) else value


def name_of(node: ast.stmt) -> str:
    """Return the name that a statement gives to something; empty if it gives none, or several."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def names_in(*nodes: ast.AST) -> set[str]:
    """Return the names that nodes use."""
    return {node.id for each in nodes for node in ast.walk(each) if isinstance(node, ast.Name)}
