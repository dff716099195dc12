"""A Python module as text and as a syntax tree, and edits of it by position."""

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_BOM = "\ufeff"


class UnreadableError(Exception):
    """A text is no Python that this interpreter can read; the message says why."""


@dataclass(frozen=True)
class Edit:
    """A part of a text, by its offsets, and what takes its place."""

    start: int
    end: int
    text: str


class Source:
    """The text of a module.

    Raises:
        UnreadableError: it has a syntax error.
    """

    def __init__(self, text: str) -> None:
        self._bom = _BOM if text.startswith(_BOM) else ""
        self.text = text.removeprefix(_BOM)
        try:
            self.tree = ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UnreadableError(error.msg if isinstance(error, SyntaxError) else str(error)) from error

    @cached_property
    def lines(self) -> list[str]:
        """The lines with their ends, split where Python splits them."""
        return _LINE.findall(self.text)

    @cached_property
    def newline(self) -> str:
        """The end of a line in this file."""
        return "\r\n" if "\r\n" in self.text else "\n"

    @cached_property
    def starts(self) -> list[int]:
        """The offset of each line, and the end of the text."""
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return starts

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a position of the syntax tree, whose columns count bytes."""
        if line > len(self.lines):
            return len(self.text)
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the offsets of a node's beginning and end."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column)

    def line_of(self, offset: int) -> int:
        """Return the number of the line that an offset is in, counted from one."""
        return bisect_right(self.starts, offset)

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def edited(self, edits: Iterable[Edit]) -> str:
        """Return the text with edits that do not overlap; their ends of lines become those of the file."""
        text = self.text
        for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text.replace("\n", self.newline) + text[edit.end :]
        return self._bom + text

    def bodies(self) -> Iterator[list[ast.stmt]]:
        """Yield every list of statements: that of the module, and those nested in it."""
        for node in ast.walk(self.tree):
            for name in ("body", "orelse", "finalbody"):
                body = getattr(node, name, None)
                if isinstance(body, list) and body:
                    yield body
